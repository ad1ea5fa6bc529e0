//! The audit: events that were written together with what they tell of.

use crate::StoreError;
use relatch_core::{EventKind, Origin};
use relatch_token::{SessionId, Timestamp, UserId};

/// A place in a list that only grows; zero is before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64);

/// An event that is about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub user_id: UserId,
    /// In which session, where it was in one.
    pub session_id: Option<SessionId>,
    /// From where.
    pub origin: Origin,
    /// Why, in a stable word or two (`previous_head`, `wrong_password`, `by key_…`). Never a secret.
    pub reason: Option<String>,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place: later events have greater ones.
    pub cursor: Cursor,
    /// What was written.
    pub event: NewEvent,
}

/// Which events to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this user only.
    pub user_id: Option<UserId>,
    /// Of this session only.
    pub session_id: Option<SessionId>,
    /// Only events before this place; `None` starts with the newest.
    pub before: Option<Cursor>,
    /// At most so many; stores cap it at [`EventFilter::LIMIT_MAX`].
    pub limit: usize,
}

impl EventFilter {
    /// The largest page.
    pub const LIMIT_MAX: usize = 200;
}

/// The audit's readers, and the writer for what changes nothing else.
#[async_trait::async_trait]
pub trait EventStore: Send + Sync {
    /// Writes an event that belongs to no change (a failed login). Unknown users are ignored.
    async fn record(&self, event: NewEvent) -> Result<(), StoreError>;

    /// Events, newest first.
    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError>;
}
