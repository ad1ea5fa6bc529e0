//! What happened, in the order in which it did: the material of the checker and of the story that `replay` tells.

use crate::rule::{Answer, EndReason, Reply, Request};
use crate::timeline::{Millis, Timeline};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// The tab of a device: the number of the device, and of the tab.
    Owner(usize, usize),
    /// A thief of what that device held.
    Thief(usize),
    /// Somebody who makes tokens up, or uses copies without their device cookie, at that device's cost.
    Forger(usize),
    /// Who runs the server.
    Operator,
}

/// One call, by its number.
pub(crate) type CallId = usize;

/// A call as its caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who asked.
    pub(crate) party: Party,
    /// What.
    pub(crate) request: Request,
    /// When.
    pub(crate) sent_at: Millis,
    /// When the answer came, and what it was. None: the caller gave up, or nothing ever came.
    pub(crate) got: Option<(Millis, Answer)>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A call was made.
    Asked(CallId),
    /// The server answered a call, or a second copy of it.
    Decided { call: CallId, is_copy: bool, reply: Reply },
    /// A message of a call came to nothing.
    Lost { call: CallId, is_copy: bool, leg: Leg },
    /// The caller has the answer.
    Got(CallId),
    /// The caller waits no longer.
    GaveUp(CallId),
    /// The server crashed, and its store lost so many moves.
    Crash { moves_lost: usize },
    /// The store goes away, or comes back.
    Store { is_down: bool },
    /// The server's clock was moved.
    Clock { by: Millis },
    /// All faults end; what follows is in order.
    Calm,
}

/// Where a message was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// On its way to the server.
    Request,
    /// On its way back.
    Answer,
    /// In a crash of the server.
    Server,
}

/// A moment of a history.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: Millis,
    /// What.
    pub(crate) what: What,
}

/// A whole history.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Every call.
    pub(crate) calls: Vec<Call>,
    /// Every moment, in order.
    pub(crate) moments: Vec<Moment>,
}

/// Writes a history while it happens; clones write the same one.
#[derive(Clone)]
pub(crate) struct Chronicle {
    timeline: Timeline,
    history: Rc<RefCell<History>>,
}

impl Chronicle {
    /// An empty one.
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self { timeline, history: Rc::default() }
    }

    /// A call is made.
    pub(crate) fn asked(&self, party: Party, request: Request) -> CallId {
        let call = {
            let mut history = self.history.borrow_mut();
            history.calls.push(Call { party, request, sent_at: self.timeline.now(), got: None });
            history.calls.len() - 1
        };
        self.note(What::Asked(call));
        call
    }

    /// Its answer is in.
    pub(crate) fn got(&self, call: CallId, answer: Answer) {
        self.history.borrow_mut().calls[call].got = Some((self.timeline.now(), answer));
        self.note(What::Got(call));
    }

    /// Anything else.
    pub(crate) fn note(&self, what: What) {
        let at = self.timeline.now();
        self.history.borrow_mut().moments.push(Moment { at, what });
    }

    /// The history so far.
    pub(crate) fn history(&self) -> History {
        self.history.borrow().clone()
    }
}

impl History {
    /// The story, line by line. Tokens have short names, in the order of their first appearance.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut names = Names::default();
        self.moments.iter().map(|moment| self.line(moment, &mut names)).collect()
    }

    fn line(&self, moment: &Moment, names: &mut Names) -> String {
        let at = Clock(moment.at);
        let who = |call: CallId| format!("{at}  #{call:<4} {}", self.calls[call].party);
        let copy = |is_copy: bool| if is_copy { " (a second copy)" } else { "" };
        match &moment.what {
            What::Asked(call) => {
                format!("{} asks: {}", who(*call), names.request(&self.calls[*call].request))
            }
            What::Decided { call, is_copy, reply } => {
                let answer = names.answer(&reply.answer);
                let writes = match reply.writes {
                    0 => String::new(),
                    count => format!(", {count} written"),
                };
                format!("{at}  #{call:<4} server decides{}: {answer}{writes}", copy(*is_copy))
            }
            What::Lost { call, is_copy, leg } => {
                let where_to = match leg {
                    Leg::Request => "the request is lost on its way",
                    Leg::Answer => "the answer is lost on its way",
                    Leg::Server => "the server forgets it in a crash",
                };
                format!("{at}  #{call:<4} {where_to}{}", copy(*is_copy))
            }
            What::Got(call) => {
                let answer = self.calls[*call].got.as_ref().map(|(_, answer)| names.answer(answer));
                format!("{} hears: {}", who(*call), answer.unwrap_or_default())
            }
            What::GaveUp(call) => format!("{} waits no longer", who(*call)),
            What::Crash { moves_lost } => {
                format!("{at}  the server crashes; {moves_lost} moves of heads are lost")
            }
            What::Store { is_down: true } => format!("{at}  the store goes away"),
            What::Store { is_down: false } => format!("{at}  the store is back"),
            What::Clock { by } => {
                format!("{at}  the server's clock is moved by {:.3} s", *by as f64 / 1000.0)
            }
            What::Calm => format!("{at}  all faults end"),
        }
    }
}

/// Short names for what must not be printed.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(&mut self, kind: char, text: &str) -> String {
        let next = self.0.len() + 1;
        format!("{kind}{}", self.0.entry(text.to_owned()).or_insert(next))
    }

    fn request(&mut self, request: &Request) -> String {
        match request {
            Request::LogIn { user, .. } => format!("login of user {user}"),
            Request::Refresh { token, attempt, .. } => {
                let attempt =
                    attempt.as_ref().map_or("no attempt id".to_owned(), |id| format!("attempt {id}"));
                format!("refresh with {}, {attempt}", self.of('t', token))
            }
            Request::LogOut { token, .. } => format!("logout with {}", self.of('t', token)),
            Request::EndAll { user, reason } => {
                let why = match reason {
                    EndReason::LogOutAll => "logout everywhere",
                    EndReason::PasswordChanged => "password change",
                    EndReason::Disabled => "disabled",
                };
                format!("end of all sessions of user {user} ({why})")
            }
            Request::Me { .. } => "a protected route".to_owned(),
        }
    }

    fn answer(&mut self, answer: &Answer) -> String {
        match answer {
            Answer::Served(grant) => {
                let (token, session) = (self.of('t', &grant.refresh_token), self.of('s', &grant.session));
                format!("200, {token} of {session}, generation {}", grant.generation)
            }
            Answer::Done => "204".to_owned(),
            Answer::Refused(why) => format!("401 {}", why.code()),
            Answer::TryLater => "503".to_owned(),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(device, tab) => write!(f, "device {device}, tab {tab}"),
            Self::Thief(device) => write!(f, "thief of device {device}"),
            Self::Forger(device) => write!(f, "forger at device {device}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// An instant, as people read it.
struct Clock(Millis);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        write!(f, "+{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}
