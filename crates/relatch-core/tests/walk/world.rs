//! The world that the walk explores: a server with one session, an owner with one jar, a thief, and a clock.
//!
//! Everything that decides is `relatch_core`; what stands here is who sends what, and what the walk remembers
//! about it to judge the rule by.

use crate::cast::{Action, Kind, Message, Outcome, Party, Setting, THIEFS_ATTEMPT};
use crate::common::{LOGIN_AT, LOGIN_NONCE, token};
use relatch_core::{Child, Head, Session, State, Verdict, place};
use relatch_token::{AttemptHash, Generation, Nonce, RefreshToken, Seconds, Timestamp};

/// A state of the world.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) head: Head,
    pub(crate) state: State,
    /// The heads that the last two writes replaced, the latest last.
    pub(crate) undo: Vec<Head>,
    pub(crate) jar: RefreshToken,
    /// The attempt id in the storage that the tabs share.
    pub(crate) attempt: Option<AttemptHash>,
    pub(crate) flight: Vec<Message>,
    pub(crate) loot: Vec<RefreshToken>,
    pub(crate) duplicated: bool,
    pub(crate) writes_lost: bool,
    pub(crate) stolen: bool,
    pub(crate) thief_came: bool,
    /// So often something kept the two in step: an answer to the owner was lost, a write of the store was, or
    /// somebody met the other inside a window (was served there with neither the head nor its child).
    pub(crate) excuses: u8,
    /// Who moved the head.
    pub(crate) mover: Party,
    /// Who was served in this head's life with a token that had aged beyond a window.
    pub(crate) served: [bool; 2],
    /// In how many heads' lives both were.
    pub(crate) shared: u8,
    /// Attempts handed out so far; a random nonce is one that nobody asks for again.
    pub(crate) attempts: u16,
}

impl World {
    /// Right after login.
    pub(crate) fn new() -> Self {
        let head = Head::login(LOGIN_NONCE, LOGIN_AT);
        let child = Child::of(&head, None, LOGIN_AT);
        let mut world = Self {
            now: LOGIN_AT,
            head,
            state: State::Live,
            undo: Vec::new(),
            jar: token(1, LOGIN_NONCE, LOGIN_NONCE, LOGIN_AT),
            attempt: None,
            flight: Vec::new(),
            loot: Vec::new(),
            duplicated: false,
            writes_lost: false,
            stolen: false,
            thief_came: false,
            excuses: 0,
            mover: Party::Owner,
            served: [false; 2],
            shared: 0,
            attempts: 0,
        };
        world.jar = world.issue(&child);
        world
    }

    /// Everything that can happen next.
    pub(crate) fn actions(&self, setting: &Setting) -> Vec<Action> {
        let mut actions = Vec::with_capacity(24);
        if setting.messages {
            if self.flight.iter().filter(|message| message.kind != Kind::Copy).count() < TABS {
                actions.push(Action::Send);
            }
            for (i, message) in (0u8..).zip(&self.flight) {
                match message.kind {
                    Kind::Answer => actions.push(Action::Receive(i)),
                    Kind::Request | Kind::Copy
                        if setting.overlaps || self.thief_came || !self.would_overlap(message) =>
                    {
                        actions.push(Action::Deliver(i));
                    }
                    Kind::Request | Kind::Copy => {}
                }
                actions.push(Action::Drop(i));
                if message.kind == Kind::Request && !self.duplicated {
                    actions.push(Action::Duplicate(i));
                }
            }
        } else {
            actions.extend([Action::Round { answered: true }, Action::Round { answered: false }]);
        }
        actions.push(Action::Logout);
        if setting.thief && !self.stolen {
            actions.push(Action::Steal);
        }
        for token in (0u8..).zip(&self.loot).map(|(i, _)| i) {
            actions.push(Action::Thief { token, named: true });
            if setting.thief_unnamed {
                actions.push(Action::Thief { token, named: false });
            }
        }
        if setting.lossy_store && !self.writes_lost {
            actions.extend((1..=self.undo.len() as u8).map(Action::LoseWrites));
        }
        actions.extend(WAITS.into_iter().filter(|s| self.may_wait(*s, setting)).map(Action::Wait));
        actions
    }

    /// Lets it happen. `Err` names the promise that was broken.
    pub(crate) fn act(
        &mut self,
        action: Action,
        setting: &Setting,
        row: &mut Session,
    ) -> Result<Outcome, String> {
        match action {
            Action::Send => {
                let request = self.request(setting);
                self.flight.push(request);
            }
            Action::Duplicate(i) => {
                self.duplicated = true;
                self.flight.push(Message { kind: Kind::Copy, ..self.flight[usize::from(i)] });
            }
            Action::Deliver(i) => {
                let message = self.flight.remove(usize::from(i));
                return self.deliver(message, row);
            }
            Action::Receive(i) => {
                let answer = self.flight.remove(usize::from(i));
                self.receive(&answer);
            }
            Action::Drop(i) => {
                let message = self.flight.remove(usize::from(i));
                self.excuses += u8::from(message.kind == Kind::Answer);
            }
            Action::Round { answered } => {
                let request = self.request(setting);
                let outcome = self.deliver(request, row)?;
                if let Some(answer) = self.flight.pop() {
                    if answered { self.receive(&answer) } else { self.excuses += 1 }
                }
                return Ok(outcome);
            }
            Action::Logout => return self.log_out(row),
            Action::Steal => {
                self.stolen = true;
                self.loot.push(self.jar);
            }
            Action::Thief { token, named } => return self.thief(usize::from(token), named, setting, row),
            Action::LoseWrites(count) => {
                self.writes_lost = true;
                self.excuses += count;
                for _ in 0..count {
                    self.head = self.undo.pop().unwrap_or(self.head);
                }
                self.served = [false; 2];
                if !setting.crash_spares_flight {
                    self.excuses += self.flight.len() as u8;
                    self.flight.clear();
                }
            }
            Action::Wait(seconds) => {
                self.now = self.now + Seconds(seconds.into());
                for message in &mut self.flight {
                    message.seconds_left -= seconds;
                }
            }
        }
        Ok(Outcome::Other)
    }

    /// Whether the owner's next visit, once the head has settled, would be taken for a copy.
    pub(crate) fn is_exposed(&self) -> bool {
        let settled = self.head.at.max(self.now) + WINDOW;
        let verdict = place(&self.head, &self.jar, self.attempt, WINDOW, settled);
        matches!(verdict, Verdict::Reuse(_) | Verdict::InDoubt { .. })
    }

    /// Every token that anybody holds or could present, the head itself included.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = RefreshToken> + '_ {
        let head = RefreshToken {
            generation: self.head.generation,
            nonce: self.head.nonce,
            parent: self.head.parent,
            ..self.jar
        };
        let flying = self.flight.iter().map(|message| message.token);
        [head, self.jar].into_iter().chain(flying).chain(self.loot.iter().copied())
    }

    fn may_wait(&self, seconds: u8, setting: &Setting) -> bool {
        let in_time = self.flight.iter().all(|message| seconds <= message.seconds_left);
        let settles = self.head.is_fresh(WINDOW, self.now)
            && !self.head.is_fresh(WINDOW, self.now + Seconds(seconds.into()));
        // Without an attempt id a lost answer is made good inside the window, or it is lost.
        let is_answered =
            setting.attempt_kept || self.thief_came || self.flight.is_empty() && !self.is_exposed();
        in_time && (!settles || is_answered)
    }

    /// Whether this request would move the head although the owner has another token, or an answer, under way.
    fn would_overlap(&self, request: &Message) -> bool {
        let verdict = place(&self.head, &request.token, request.attempt, WINDOW, self.now);
        let moves = matches!(verdict, Verdict::Advance | Verdict::Heal { .. });
        let open = |message: &Message| {
            message.kind != Kind::Answer
                && message.token.nonce == self.jar.nonce
                && message.attempt == self.attempt
        };
        moves && !self.flight.iter().all(open)
    }

    fn request(&mut self, setting: &Setting) -> Message {
        if setting.attempt_kept && self.attempt.is_none() {
            self.attempt = Some(self.new_attempt());
        }
        Message { kind: Kind::Request, token: self.jar, attempt: self.attempt, seconds_left: FLIGHT_SECONDS }
    }

    fn deliver(&mut self, message: Message, row: &mut Session) -> Result<Outcome, String> {
        let (outcome, token) = self.ask(Party::Owner, &message.token, message.attempt, row)?;
        match token {
            Some(token) if message.kind == Kind::Request => {
                self.flight.push(Message { kind: Kind::Answer, token, ..message });
            }
            Some(_) => self.excuses += 1,
            None => {}
        }
        Ok(outcome)
    }

    fn receive(&mut self, answer: &Message) {
        self.jar = answer.token;
        if self.attempt == answer.attempt {
            self.attempt = None;
        }
    }

    fn thief(
        &mut self,
        token: usize,
        named: bool,
        setting: &Setting,
        row: &mut Session,
    ) -> Result<Outcome, String> {
        self.thief_came = true;
        let attempt = named.then_some(THIEFS_ATTEMPT);
        let (outcome, given) = self.ask(Party::Thief, &self.loot[token].clone(), attempt, row)?;
        if let Some(given) = given {
            if self.jar.nonce == given.nonce
                || self.flight.iter().any(|message| message.token.nonce == given.nonce)
            {
                return Err("owner and thief were given the same child".into());
            }
            self.loot.retain(|held| held.nonce != given.nonce);
            self.loot.push(given);
            if self.loot.len() > setting.loot_max {
                self.loot.remove(0);
            }
        }
        Ok(outcome)
    }
}

/// The attempt that a nonce was derived for.
pub(crate) fn attempt_of(nonce: Nonce) -> u16 {
    u16::from_be_bytes([nonce.0[0], nonce.0[1]])
}

/// Whether a head is the login, which is never fresh.
pub(crate) fn is_login(head: &Head) -> bool {
    head.generation == Generation(0)
}

/// The window of the walk. A message travels for a second at most, so a round trip is shorter than the window.
pub(crate) const WINDOW: Seconds = Seconds(3);
const FLIGHT_SECONDS: u8 = 1;
/// A message's way, a window, and longer than the two windows in which a sibling is family; the rest are sums.
const WAITS: [u8; 3] = [1, 3, 7];
/// Two tabs: so many requests or answers can be under way, copies aside.
const TABS: usize = 2;
