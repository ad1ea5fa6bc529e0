//! The outbox: what has to reach the world outside, kept until it has, and who follows the audit to fill it.

use crate::{Cursor, Event, StoreError};
use relatch_token::{Seconds, Timestamp, UserId};

/// The random name of a delivery: what a receiver drops doubles by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub [u8; 16]);

/// Which way a delivery goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// By mail.
    Mail,
    /// To the webhook of that name.
    Webhook(String),
}

impl Channel {
    /// What carries it.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Mail => ChannelKind::Mail,
            Self::Webhook(_) => ChannelKind::Webhook,
        }
    }
}

/// The kinds of [`Channel`]; each has a worker of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// [`Channel::Mail`].
    Mail,
    /// [`Channel::Webhook`], of any name.
    Webhook,
}

/// Something on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// Which way.
    pub channel: Channel,
    /// With whom it leaves: when that account is deleted, nothing about it is sent any more.
    pub user_id: Option<UserId>,
    /// What is delivered, which the store never reads. Sealed where it holds what is as good as a password.
    pub payload: Vec<u8>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// Not before when it may be taken.
    pub due_at: Timestamp,
    /// How often it was taken.
    pub attempts: u32,
}

impl Delivery {
    /// How many may wait in one channel; more are refused, so that a receiver that is gone fills no disk.
    pub const WAITING_MAX: usize = 10_000;
    /// How many [`OutboxStore::take_due`] hands out at most.
    pub const TAKEN_MAX: usize = 100;
}

/// How adding to the outbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueue {
    /// Kept, durably.
    Done,
    /// There wait [`Delivery::WAITING_MAX`] in a channel already: nothing was written.
    Full,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It arrived, and leaves the outbox.
    Delivered,
    /// It did not, and may be taken again from then on.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// It never will, and leaves the outbox.
    GivenUp,
}

/// What waits in the channels of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many, those that are being delivered included.
    pub count: u64,
    /// When the oldest of them was queued.
    pub oldest_at: Option<Timestamp>,
    /// When the next of them may be taken.
    pub next_due_at: Option<Timestamp>,
}

/// A follower's step: it has read the events from `from` to `to`, and this follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub follower: String,
    /// The mark that the step was decided on.
    pub from: Cursor,
    /// The last event that was read.
    pub to: Cursor,
    /// What is to be delivered because of them.
    pub deliveries: Vec<Delivery>,
}

/// How a follower's step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The mark has moved, and the deliveries are kept, durably.
    Done,
    /// The mark isn't at `from`, another node was faster: nothing was written.
    Conflict,
    /// As [`Enqueue::Full`]: nothing was written, and the mark is where it was.
    Full,
}

/// The outbox and the followers of the audit, behind promises.
///
/// What is queued leaves by [`settle`](Self::settle) or with its user, by nothing else: at least once, and
/// twice only where the one that took it died or was slow. An event is written with what it tells of, and
/// a follower's mark moves with what follows from the events: nothing is lost in between.
#[async_trait::async_trait]
pub trait OutboxStore: Send + Sync {
    /// Keeps deliveries, all or none. One whose id is there already is left as it is, and one for a user
    /// who is gone is left out.
    async fn enqueue(&self, deliveries: Vec<Delivery>) -> Result<Enqueue, StoreError>;

    /// Takes what is due at `now`, the longest due first, at most `limit` and [`Delivery::TAKEN_MAX`]: it is
    /// due again at `lease_until`, and counts one more attempt. No two calls take the same within the lease.
    async fn take_due(
        &self,
        kind: ChannelKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Says how an attempt ended, which is named by its number. [`Settlement::Delivered`] counts whenever it
    /// is said; the others only where nobody took the delivery again. `false` where nothing was changed.
    async fn settle(&self, id: DeliveryId, attempt: u32, settlement: Settlement) -> Result<bool, StoreError>;

    /// What waits.
    async fn waiting(&self, kind: ChannelKind) -> Result<Waiting, StoreError>;

    /// Events after a place, the oldest first, at most `limit` and
    /// [`EventFilter::LIMIT_MAX`](crate::EventFilter::LIMIT_MAX). An event that becomes visible later has a
    /// greater place, so that who goes on from the last one misses none.
    async fn events_after(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// The last event that a follower has read; a new one begins behind the newest event that ever was. What
    /// a follower has not read is swept away [`UNREAD_KEPT`] later than other events.
    async fn mark(&self, follower: &str) -> Result<Cursor, StoreError>;

    /// Moves a follower's mark and keeps what follows, in one write or not at all; of the deliveries holds what
    /// [`enqueue`](Self::enqueue) says. A step backwards is a conflict.
    async fn follow(&self, step: Step) -> Result<Follow, StoreError>;

    /// Every follower and its mark, by name.
    async fn followers(&self) -> Result<Vec<(String, Cursor)>, StoreError>;

    /// Forgets a follower, so that the sweep no longer waits for it. `false` where there is none.
    async fn forget_follower(&self, follower: &str) -> Result<bool, StoreError>;
}

/// How much longer the sweep leaves an event that a follower has not read: enough to repair the follower, and
/// an end for one that never comes back.
pub const UNREAD_KEPT: Seconds = Seconds(7 * 86_400);
