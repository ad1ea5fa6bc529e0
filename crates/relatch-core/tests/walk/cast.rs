//! The cast of the walk: what can happen, what is varied, and what travels between owner and server.

use relatch_token::{AttemptHash, RefreshToken};

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An idle tab sends the jar's token.
    Send,
    /// The network makes a second copy of a request in flight, whose answer nobody will get.
    Duplicate(u8),
    /// A request in flight reaches the server.
    Deliver(u8),
    /// An answer in flight reaches its tab, and the jar.
    Receive(u8),
    /// A message in flight is lost.
    Drop(u8),
    /// A whole refresh of the owner at once, answered or with its answer lost.
    Round { answered: bool },
    /// The owner logs out, and is told so.
    Logout,
    /// The thief copies the jar. Once.
    Steal,
    /// The thief presents a token of his and gets the answer at once, with his attempt id or without one.
    Thief { token: u8, named: bool },
    /// The store loses its last writes, one or two. Once. Whatever is in flight dies with the server.
    LoseWrites(u8),
    /// So many seconds pass; the window is three.
    Wait(u8),
}

/// What the walk varies from run to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Messages travel on their own; or the owner refreshes in whole rounds.
    pub(crate) messages: bool,
    /// The owner's client keeps its attempt id until it is answered; or it has none, and retries in the window.
    pub(crate) attempt_kept: bool,
    /// There is a thief.
    pub(crate) thief: bool,
    /// The store may lose writes.
    pub(crate) lossy_store: bool,
    /// A request in flight survives the crash in which the store lost its writes.
    pub(crate) crash_spares_flight: bool,
    /// The head may move while an honest owner has anything under way but that very question.
    pub(crate) overlaps: bool,
    /// The thief also asks without an attempt id, for a new child every time.
    pub(crate) thief_unnamed: bool,
    /// So many of his tokens the thief keeps, the newest first.
    pub(crate) loot_max: usize,
}

/// A request or an answer on its way between the owner's tabs and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) token: RefreshToken,
    pub(crate) attempt: Option<AttemptHash>,
    /// Seconds that it may still travel.
    pub(crate) seconds_left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Request,
    /// A second copy of a request; its answer goes to nobody.
    Copy,
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Owner,
    Thief,
}

/// What an action came to, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Advance,
    Heal,
    Sibling,
    Repeat,
    Reuse,
    LoggedOut,
    Other,
}

/// The attempt id of the thief, who is never told the owner's.
pub(crate) const THIEFS_ATTEMPT: AttemptHash = AttemptHash([0xFF; 8]);
