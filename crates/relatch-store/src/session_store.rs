//! Sessions: loaded, committed with compare-and-swap, ended one by one or all at once, swept away.

use crate::{Cursor, NewEvent, Room, StoreError, SubjectChange, SubjectEnd, User};
use relatch_core::{Session, Update, Version};
use relatch_token::{DeviceId, SessionId, Timestamp, UserId};

/// A session and its user, as they were at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The session.
    pub session: Session,
    /// Its user, whose standing decides too.
    pub user: User,
}

/// A session that is about to begin. `session.version` must be zero.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSession {
    /// The row. Its `epoch` is the user's as it was read *before* the credentials were checked.
    pub session: Session,
    /// The event that tells of it.
    pub event: NewEvent,
    /// What its device will be called by, where it is one of the user's that was never met. Only a session with
    /// a device cookie has one; without this, its device is not remembered.
    pub device_id: Option<DeviceId>,
    /// How many sessions the user may have; `None` where it is any number.
    pub room: Option<Room>,
}

/// How the beginning of a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateSession {
    /// Begun, durably.
    Done,
    /// The user is gone, disabled, or of another epoch, or the id is another session's: nothing was written.
    Conflict,
    /// The user has as many sessions as they may have: nothing was written.
    Full,
}

/// One change of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which session.
    pub session_id: SessionId,
    /// The version that the change was decided on.
    pub expected: Version,
    /// What changes.
    pub update: Update,
    /// The event that tells of it; moving the head needs none.
    pub event: Option<NewEvent>,
}

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Written, durably.
    Done,
    /// Somebody was faster, or the row is gone: nothing was written; load and decide again.
    Conflict,
}

/// What the sweep may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepOrder {
    /// The present time.
    pub now: Timestamp,
    /// Sessions that were dead before this leave (those of yesterday stay, to tell people why).
    pub dead_before: Timestamp,
    /// Events from before this leave; those that a follower has not read, [`UNREAD_KEPT`](crate::UNREAD_KEPT)
    /// later.
    pub events_before: Timestamp,
    /// Feed entries from before this leave: tokens that they speak of have expired.
    pub feed_before: Timestamp,
    /// How many rows to look at in this batch, so that no lock is held for long.
    pub rows_max: usize,
}

/// What one batch of the sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions that left.
    pub sessions: u64,
    /// Events that left.
    pub events: u64,
    /// Feed entries that left.
    pub feed: u64,
    /// Links that left.
    pub links: u64,
    /// Devices that left: all of their sessions had to be over before [`SweepOrder::dead_before`].
    pub devices: u64,
    /// Deleted users of whom neither sessions nor events were left.
    pub users: u64,
    /// Whether the sweep has come round to the start: the caller can rest.
    pub is_round_done: bool,
}

/// Whom a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedSubject {
    /// One session.
    Session(SessionId),
    /// Every access token of the user that was issued up to the entry's time, but of one session.
    User {
        /// The user.
        user_id: UserId,
        /// The session that goes on.
        keep: Option<SessionId>,
    },
    /// Every access token signed by one key.
    Key(String),
}

/// One revocation, as verifiers follow them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place; entries become visible in this order.
    pub cursor: Cursor,
    /// When it happened.
    pub at: Timestamp,
    /// Whom it is about.
    pub subject: FeedSubject,
}

/// Sessions, behind promises.
///
/// Linearisable for one session: what [`commit`](Self::commit) acknowledged, every later
/// [`load`](Self::load) sees. Unavailability is an error, never an empty answer.
#[async_trait::async_trait]
pub trait SessionStore: Send + Sync {
    /// The session and its user, or `None` where there is no such session.
    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError>;

    /// Changes the row where it still has the expected version, and writes the event, and for a revocation
    /// the feed entry, together with it or not at all. Revocations are always durable; a revoked row never
    /// changes again. A head never moves once all sessions of its user were ended, which leaves the version
    /// as it was: the refresh that was decided before must not be served after.
    async fn commit(&self, change: Change) -> Result<Commit, StoreError>;

    /// Begins a session. [`CreateSession::Conflict`] where the user is gone, disabled, or of another epoch than
    /// the session's: the credentials that were checked may be yesterday's.
    ///
    /// Sessions that leave to make room ([`Room::clear`]) end in the same write, each with its event
    /// ([`relatch_core::EventKind::SessionRevoked`], from where the new one comes) and its feed entry: however
    /// many begin at once, a user never has more live sessions than there is room for. A user with many
    /// sessions waits no longer for it than one with few, as long as there is room.
    ///
    /// Its device is met in the same write: it is known from now on ([`crate::DeviceStore`]), and takes the
    /// session's device name, unless its user chose another, and its user agent.
    async fn create(&self, new: NewSession) -> Result<CreateSession, StoreError>;

    /// The sessions of a user that are live at `now`, the newest first, at most `limit`.
    async fn list(&self, user: UserId, now: Timestamp, limit: usize) -> Result<Vec<Session>, StoreError>;

    /// Ends all sessions of a user in one write, by moving the user's epoch (see [`SubjectChange`]).
    async fn revoke_subject(&self, change: SubjectChange) -> Result<SubjectEnd, StoreError>;

    /// Removes some of what is long dead, in one short batch; it never delays a commit by more than that.
    async fn sweep(&self, order: SweepOrder) -> Result<Swept, StoreError>;

    /// Revocations after a place, the oldest first, at most `limit`.
    async fn changes_since(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEntry>, StoreError>;

    /// The place of the newest revocation.
    async fn feed_head(&self) -> Result<Cursor, StoreError>;
}
