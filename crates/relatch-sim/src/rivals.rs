//! The two rules that others use, in a small model: strict rotation, and the same successor in a window.
//!
//! Both are given the best of conditions: every request is atomic, seals and device cookies are checked, and a
//! genuine token that is out of turn ends its session. What differs from ours is the rule alone.

use crate::dice::{Dice, Room};
use crate::rule::{Answer, DoorKind, Grant, Reply, Request, RowView, Rule, Why};
use crate::timeline::{Millis, Timeline};
use relatch_server::environment::EntropyExt;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A server that follows one of the two.
pub(crate) struct Rival {
    timeline: Timeline,
    dice: Dice,
    /// How long a predecessor is answered with the same successor again; 0 is the strict rule.
    window: Millis,
    rows: RefCell<BTreeMap<String, Row>>,
    /// The rows that the newest moves replaced, the oldest first.
    moves: RefCell<Vec<(String, Row)>>,
}

/// A session. Tokens are known by their generation and a random text.
#[derive(Clone)]
struct Row {
    user: usize,
    door: DoorKind,
    is_live: bool,
    /// The token that may be exchanged.
    current: Token,
    /// The token that it was exchanged for.
    previous: Option<Token>,
    rotated_at: Millis,
    writes: u64,
}

#[derive(Clone, PartialEq)]
struct Token {
    session: String,
    generation: u64,
    nonce: String,
}

impl Rival {
    /// Every token once; a second use ends the session.
    pub(crate) fn strict(seed: u64, timeline: Timeline) -> Self {
        Self::same_successor(seed, timeline, 0)
    }

    /// Every token once; but for so long its second use is answered with the same successor.
    pub(crate) fn same_successor(seed: u64, timeline: Timeline, window: Millis) -> Self {
        let dice = Dice::new(seed, Room::Entropy);
        Self { timeline, dice, window, rows: RefCell::default(), moves: RefCell::default() }
    }

    fn log_in(&self, user: usize, door: DoorKind) -> Answer {
        let session = format!("ses_{}", self.nonce());
        let current = Token { session: session.clone(), generation: 1, nonce: self.nonce() };
        let rotated_at = self.timeline.now();
        let row = Row { user, door, is_live: true, current, previous: None, rotated_at, writes: 0 };
        let grant = row.grant();
        self.rows.borrow_mut().insert(session, row);
        Answer::Served(grant)
    }

    fn refresh(&self, text: &str, door: DoorKind) -> Answer {
        let Some(token) = Token::parse(text) else { return Answer::Refused(Why::Invalid) };
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(&token.session) else { return Answer::Refused(Why::Invalid) };
        if row.door != door {
            return Answer::Refused(Why::WrongDevice);
        }
        if !row.is_live {
            return Answer::Refused(Why::Revoked);
        }
        let now = self.timeline.now();
        let is_in_window = now - row.rotated_at < self.window;
        if token == row.current {
            self.moves.borrow_mut().push((token.session.clone(), row.clone()));
            let next = Token { generation: token.generation + 1, nonce: self.nonce(), ..token };
            row.previous = Some(std::mem::replace(&mut row.current, next));
            row.rotated_at = now;
            row.writes += 1;
            return Answer::Served(row.grant());
        }
        if is_in_window && row.previous.as_ref() == Some(&token) {
            return Answer::Served(row.grant());
        }
        row.is_live = false;
        row.writes += 1;
        Answer::Refused(Why::Reused)
    }

    fn log_out(&self, text: &str) -> Answer {
        if let Some(token) = Token::parse(text) {
            self.end(|_, row| row.current.session == token.session);
        }
        Answer::Done
    }

    fn end(&self, which: impl Fn(&String, &Row) -> bool) {
        for (session, row) in self.rows.borrow_mut().iter_mut() {
            if which(session, row) {
                row.is_live = false;
                row.writes += 1;
                // The end of a session is durable, and what was written before it with it.
                self.moves.borrow_mut().retain(|(moved, _)| moved != session);
            }
        }
    }

    fn nonce(&self) -> String {
        self.dice.array::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[async_trait::async_trait(?Send)]
impl Rule for Rival {
    async fn serve(&self, request: Request) -> Option<Reply> {
        let answer = match request {
            Request::LogIn { user, door } => self.log_in(user, door),
            Request::Refresh { token, door, .. } => self.refresh(&token, door),
            Request::LogOut { token, .. } => self.log_out(&token),
            Request::EndAll { user, .. } => {
                self.end(|_, row| row.user == user);
                Answer::Done
            }
            Request::Me { .. } => Answer::Done,
        };
        Some(Reply { answer, writes: 1 })
    }

    fn lose_last_moves(&self, count: usize) -> usize {
        let mut moves = self.moves.borrow_mut();
        let kept = moves.len().saturating_sub(count);
        let lost = moves.split_off(kept);
        for (session, row) in lost.iter().rev() {
            self.rows.borrow_mut().insert(session.clone(), row.clone());
        }
        lost.len()
    }

    fn row(&self, session: &str) -> RowView {
        let rows = self.rows.borrow();
        let Some(row) = rows.get(session) else { return RowView::default() };
        RowView { writes: row.writes, bytes: size_of_val(row), is_healed: false }
    }
}

impl Row {
    fn grant(&self) -> Grant {
        let token = &self.current;
        let refresh_token = format!("{}.{}.{}", token.session, token.generation, token.nonce);
        Grant {
            session: token.session.clone(),
            generation: token.generation,
            refresh_token,
            access_token: String::new(),
        }
    }
}

impl Token {
    /// A token whose shape is right. The shape stands for the seal: what does not have it is a forgery.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (session, generation, nonce) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let is_whole = parts.next().is_none()
            && nonce.len() == 16
            && nonce.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_whole.then(|| Self { session: session.to_owned(), generation, nonce: nonce.to_owned() })
    }
}
