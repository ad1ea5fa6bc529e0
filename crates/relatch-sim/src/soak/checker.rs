//! Judges a history by what clients saw, whatever the server thought.
//!
//! What the server decided but no client heard is used for one thing: to see what was under way when, since the
//! rule promises nothing to a jar whose owner asked two different questions at once, or for whom the network
//! delivered a question twice (`relatch-core`'s walk holds the shortest such histories).

use super::cast::Cast;
use super::ledger::{Ledger, SessionNumber};
use super::play::CALM_PERIODS;
use super::states::{DeviceState, Overlap, Question, SessionState};
use crate::device::Manners;
use crate::history::{Call, CallId, History, Leg, Party, What};
use crate::rule::{Answer, DoorKind, Grant, Reply, Request, SECOND, Why};
use crate::timeline::Millis;
use std::collections::BTreeMap;

/// The checker's verdict on a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    /// Promises that were broken: when, and how.
    pub(crate) violations: Vec<(Millis, String)>,
    /// How each session ended.
    pub(crate) fates: Vec<Fate>,
}

/// How a session ended, as its owner knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// It is alive, and its owner was served in the calm.
    Kept,
    /// Somebody had asked for its end.
    EndedAsAsked,
    /// It was copied, and the copy was found out.
    CopyFoundOut,
    /// It was lost by a client that keeps no attempt id and retries when it likes.
    LostWithoutAttempt,
    /// It was lost by a client whose tabs refresh all at once, though under one attempt id.
    LostWithoutLock,
    /// It was lost where a refresh moved the head while another of the same jar, or its answer, was under way.
    LostToOverlap,
    /// It was lost where a request changed something for which nobody waited: a second copy, or one so late that
    /// its caller had given up.
    LostToStray,
    /// Its owner never heard of an end: the device was left, or its answer never came.
    LeftBehind,
}

/// Judges a history.
pub(crate) fn judge(history: &History, cast: &Cast) -> Judgement {
    let ledger = Ledger::of(history);
    let sessions = ledger.sessions.iter().map(|_| SessionState::default()).collect();
    let devices = cast.devices.iter().map(|_| DeviceState::default()).collect();
    let mut checker = Checker {
        history,
        cast,
        ledger,
        sessions,
        devices,
        floors: BTreeMap::new(),
        crashes: 0,
        is_clock_steady: cast.steps.is_empty(),
        down_since: None,
        calm_since: None,
        judgement: Judgement::default(),
    };
    for moment in &history.moments {
        checker.moment(moment.at, &moment.what);
    }
    checker.end()
}

struct Checker<'a> {
    history: &'a History,
    cast: &'a Cast,
    ledger: Ledger,
    sessions: Vec<SessionState>,
    devices: Vec<DeviceState>,
    /// The newest generation that anybody had heard of when a call was sent, and how many crashes there were.
    floors: BTreeMap<CallId, (u64, u64)>,
    crashes: u64,
    is_clock_steady: bool,
    down_since: Option<Millis>,
    calm_since: Option<Millis>,
    judgement: Judgement,
}

impl<'a> Checker<'a> {
    fn moment(&mut self, at: Millis, what: &What) {
        match what {
            What::Asked(call) => self.asked(*call),
            What::Decided { call, is_copy, reply } => self.decided(at, *call, *is_copy, reply),
            What::Lost { call, is_copy, leg } => self.lost(*call, *is_copy, *leg),
            What::Got(call) => self.got(at, *call),
            What::GaveUp(call) => self.gave_up(at, *call),
            What::Crash { moves_lost } => {
                self.crashes += 1;
                for session in &mut self.sessions {
                    session.generation = 0;
                    session.excuses += *moves_lost as u64;
                }
            }
            What::Store { is_down } => self.down_since = is_down.then_some(at),
            What::Clock { .. } => {}
            What::Calm => {
                self.calm_since = Some(at);
                self.down_since = None;
            }
        }
    }

    fn asked(&mut self, id: CallId) {
        let call = self.call(id);
        let Some(number) = self.ledger.session_of(&call.request) else { return };
        let session = &mut self.sessions[number];
        self.floors.insert(id, (session.generation, self.crashes));
        match (&call.request, call.party) {
            (Request::LogOut { .. }, Party::Owner(..) | Party::Thief(_)) => session.is_end_asked = true,
            (Request::Refresh { .. }, Party::Thief(_)) => session.is_robbed = true,
            (Request::Refresh { token, attempt, .. }, Party::Owner(device, _)) => {
                let question =
                    Question { token: token.clone(), attempt: attempt.clone(), is_answered: false };
                self.devices[device].open.insert(id, question);
                self.devices[device].waiting.insert(id);
            }
            _ => {}
        }
    }

    fn gave_up(&mut self, at: Millis, id: CallId) {
        if let Party::Owner(device, _) = self.call(id).party {
            self.devices[device].waiting.remove(&id);
        }
        if self.is_calm(at) {
            self.blame(at, format!("#{id} was never answered though all faults have ended"));
        }
    }

    fn decided(&mut self, at: Millis, id: CallId, is_copy: bool, reply: &Reply) {
        let call = self.call(id);
        let Request::Refresh { token, door, .. } = &call.request else { return };
        if reply.writes > 1 {
            self.blame(at, format!("refresh #{id} took {} writes", reply.writes));
        }
        if let Party::Forger(_) = call.party {
            let is_refused =
                matches!(reply.answer, Answer::Refused(Why::Invalid | Why::WrongDevice) | Answer::TryLater);
            if reply.writes > 0 || !is_refused {
                let wrote = reply.writes;
                self.blame(at, format!("forgery #{id} was answered {:?} with {wrote} writes", reply.answer));
            }
            return;
        }
        let Some(number) = self.ledger.session_of(&call.request) else { return };
        if let Party::Owner(device, _) = call.party {
            let state = &mut self.devices[device];
            let is_for_nobody = is_copy || !state.waiting.contains(&id);
            if reply.writes > 0 && (is_for_nobody || state.overlaps(id, &call.request)) {
                let child = reply.answer.clone().grant().map(|grant| grant.refresh_token);
                self.sessions[number].overlap = Some(Overlap { at, is_stray: is_for_nobody, child });
            }
            if let (Some(question), false) = (state.open.get_mut(&id), is_copy) {
                question.is_answered = true;
            }
        }
        let Answer::Served(grant) = &reply.answer else { return };
        let window = self.window(*door);
        let given = self.ledger.given(token);
        let has_aged = given.is_some_and(|given| at - given.at > window);
        // Only a head's window, or a repeat, serves without a write a token that is not the head's child.
        let is_excuse = reply.writes == 0 && given.is_some_and(|given| given.generation < grant.generation);
        let (who, other) = if let Party::Thief(_) = call.party { (1, 0) } else { (0, 1) };
        let session = &mut self.sessions[number];
        session.given[who].insert(grant.refresh_token.clone());
        let is_shared = session.given[other].contains(&grant.refresh_token);
        session.lives.entry(grant.generation).or_default()[who] |= has_aged;
        session.excuses += u64::from(is_excuse);
        if is_shared {
            self.blame(at, format!("owner and thief were given the same child, the second by #{id}"));
        }
    }

    fn lost(&mut self, id: CallId, is_copy: bool, leg: Leg) {
        let call = self.call(id);
        if let (Party::Owner(device, _), false) = (call.party, is_copy) {
            self.devices[device].open.remove(&id);
        }
        if let (Some(number), Leg::Answer | Leg::Server) = (self.ledger.session_of(&call.request), leg) {
            self.sessions[number].excuses += 1;
        }
    }

    fn got(&mut self, at: Millis, id: CallId) {
        let call = self.call(id);
        let Some((_, answer)) = &call.got else { return };
        self.judge_trouble(at, id, call, answer);
        if let Party::Forger(_) = call.party {
            return;
        }
        if let Request::EndAll { user, .. } = call.request
            && *answer == Answer::Done
        {
            for (opened, session) in self.ledger.sessions.iter().zip(&mut self.sessions) {
                if opened.user == user && opened.at <= call.sent_at {
                    session.ended_at.get_or_insert(at);
                }
            }
        }
        if let Some(number) = self.ledger.session_of(&call.request) {
            self.judge_answer(at, id, call, answer, number);
        }
        if let Party::Owner(device, _) = call.party {
            self.devices[device].hear(id, &call.request, answer, self.cast.devices[device].manners);
        }
    }

    fn judge_answer(&mut self, at: Millis, id: CallId, call: &Call, answer: &Answer, number: SessionNumber) {
        let is_refresh = matches!(call.request, Request::Refresh { .. });
        let is_me = matches!(call.request, Request::Me { .. });
        match answer {
            Answer::Served(grant) => {
                self.judge_service(at, id, call, number);
                self.judge_generation(at, id, grant, number);
                self.note_served(at, call, &grant.refresh_token, number);
            }
            Answer::Done if is_me => self.judge_service(at, id, call, number),
            Answer::Done => {
                self.sessions[number].ended_at.get_or_insert(at);
            }
            Answer::Refused(why @ (Why::Revoked | Why::Reused)) => {
                self.sessions[number].ended_at.get_or_insert(at);
                if let Party::Owner(..) = call.party {
                    self.judge_loss(at, id, *why, number);
                }
            }
            Answer::Refused(why) if is_refresh => {
                self.blame(at, format!("#{id}, a genuine token of a young session, met {}", why.code()));
            }
            Answer::Refused(_) | Answer::TryLater => {}
        }
    }

    /// Nothing that was sent after an acknowledged end is served.
    fn judge_service(&mut self, at: Millis, id: CallId, call: &Call, number: SessionNumber) {
        if let Some(ended) = self.sessions[number].ended_at
            && call.sent_at > ended
        {
            let ago = (call.sent_at - ended) as f64 / 1000.0;
            self.blame(
                at,
                format!("#{id} was served though sent {ago:.3} s after the session's end was known"),
            );
        }
    }

    /// Within a session the generation only grows, but for writes that the store lost.
    fn judge_generation(&mut self, at: Millis, id: CallId, grant: &Grant, number: SessionNumber) {
        let session = &mut self.sessions[number];
        session.generation = session.generation.max(grant.generation);
        if let Some((floor, crashes)) = self.floors.get(&id)
            && *crashes == self.crashes
            && grant.generation < *floor
        {
            self.blame(
                at,
                format!("#{id} got generation {} after {floor} had been heard of", grant.generation),
            );
        }
    }

    fn note_served(&mut self, at: Millis, call: &Call, child: &String, number: SessionNumber) {
        let is_calm = self.is_calm(at);
        let is_steady = self.is_clock_steady;
        let session = &mut self.sessions[number];
        let who = usize::from(matches!(call.party, Party::Thief(_)));
        session.served_in_calm[who] += usize::from(is_calm);
        // Served long after, or with the very child that was given to nobody, the jar is in line again.
        let is_in_line = |overlap: &Overlap| {
            is_steady && call.sent_at - overlap.at > IN_LINE_AFTER
                || overlap.is_stray && overlap.child.as_ref() == Some(child)
        };
        if who == 0 && session.overlap.as_ref().is_some_and(is_in_line) {
            session.overlap = None;
        }
    }

    /// An owner hears that the session is over: somebody must have asked for that, or copied it.
    fn judge_loss(&mut self, at: Millis, id: CallId, why: Why, number: SessionNumber) {
        let opened = self.ledger.sessions[number];
        let session = &self.sessions[number];
        let fate = if session.is_robbed {
            Fate::CopyFoundOut
        } else if session.is_end_asked || self.ledger.may_have_ended(&opened, at) {
            Fate::EndedAsAsked
        } else {
            match self.cast.devices[opened.device].manners {
                Manners::Naive => Fate::LostWithoutAttempt,
                Manners::NaiveWithAttempt => Fate::LostWithoutLock,
                Manners::Ours => match &session.overlap {
                    Some(overlap) if overlap.is_stray => Fate::LostToStray,
                    Some(_) => Fate::LostToOverlap,
                    None => {
                        return self
                            .blame(at, format!("an honest session was lost: #{id} met {}", why.code()));
                    }
                },
            }
        };
        self.sessions[number].fate.get_or_insert(fate);
    }

    /// Trouble with the store is never a refusal, and ends when its causes do.
    fn judge_trouble(&mut self, at: Millis, id: CallId, call: &Call, answer: &Answer) {
        let was_down = self.down_since.is_some_and(|since| since <= call.sent_at);
        let needs_store =
            !matches!(call.party, Party::Forger(_)) && !matches!(call.request, Request::Me { .. });
        if was_down && needs_store && *answer != Answer::TryLater {
            self.blame(at, format!("#{id} was answered {answer:?} while the store was away"));
        }
        if self.is_calm(call.sent_at) && *answer == Answer::TryLater {
            self.blame(at, format!("#{id} met 503 though all faults have ended"));
        }
    }

    fn end(mut self) -> Judgement {
        let end = self.history.moments.last().map_or(0, |moment| moment.at);
        for number in 0..self.sessions.len() {
            let session = &self.sessions[number];
            let shared = session.lives.values().filter(|served| **served == [true, true]).count() as u64;
            let (excuses, in_calm) = (session.excuses, session.served_in_calm);
            if self.is_clock_steady && shared > 1 + excuses {
                let lives = format!("{shared} settled lives of a head, with {excuses} excuses");
                self.blame(end, format!("owner and thief were both served in {lives}"));
            }
            if in_calm.iter().all(|served| *served >= CALM_PERIODS) {
                self.blame(
                    end,
                    format!("owner and thief were both served in {CALM_PERIODS} settled periods"),
                );
            }
            let session = &self.sessions[number];
            let fate = match session.fate {
                Some(fate) => fate,
                None if session.served_in_calm[0] > 0 => Fate::Kept,
                None if session.is_end_asked || session.ended_at.is_some() => Fate::EndedAsAsked,
                None => Fate::LeftBehind,
            };
            self.judgement.fates.push(fate);
        }
        self.judgement
    }

    fn call(&self, id: CallId) -> &'a Call {
        &self.history.calls[id]
    }

    fn window(&self, door: DoorKind) -> Millis {
        let seconds = match door {
            DoorKind::Cookie(_) => self.cast.windows.cookie,
            DoorKind::Body => self.cast.windows.body,
        };
        seconds.as_millis()
    }

    /// Whether all faults, and what they left behind, are long over.
    fn is_calm(&self, at: Millis) -> bool {
        self.calm_since.is_some_and(|since| at - since > SETTLED_AFTER)
    }

    fn blame(&mut self, at: Millis, what: impl Into<String>) {
        self.judgement.violations.push((at, what.into()));
    }
}

/// Longer than any window, and than anything is under way.
const IN_LINE_AFTER: Millis = 120 * SECOND;
/// Longer than anything that began in the storm.
const SETTLED_AFTER: Millis = 3600 * SECOND;
