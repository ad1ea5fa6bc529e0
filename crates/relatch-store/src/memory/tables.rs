//! The tables themselves; every change of them is a method, in the room of what it changes.

use crate::memory::log::Log;
use crate::memory::undo::Moves;
use crate::{
    ApiKey, Cursor, Delivery, Device, Factor, FeedSubject, Link, NewEvent, OauthClient, PasswordHash,
    RecoveryHash, SigningKeyRecord, User, UserKey,
};
use relatch_core::Session;
use relatch_token::{ClientId, DeviceHash, SessionId, Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the server keeps.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// The sessions of each user, the oldest first.
    pub(super) sessions_of: BTreeMap<UserId, Vec<SessionId>>,
    pub(super) devices: BTreeMap<(UserId, DeviceHash), Device>,
    pub(super) accounts: BTreeMap<UserId, Account>,
    /// Users who were deleted, as long as sessions or events speak of them.
    pub(super) deleted: BTreeMap<UserId, Deleted>,
    /// Users in the order in which they were made, deleted ones included.
    pub(super) users_made: Vec<UserId>,
    pub(super) by_email: BTreeMap<String, UserId>,
    pub(super) by_external: BTreeMap<String, UserId>,
    pub(super) links: BTreeMap<[u8; 32], Link>,
    pub(super) signing_keys: Vec<SigningKeyRecord>,
    pub(super) api_keys: Vec<ApiKey>,
    pub(super) clients: BTreeMap<ClientId, OauthClient>,
    pub(super) events: Log<NewEvent>,
    pub(super) feed: Log<FeedItem>,
    /// Deliveries in the order in which they were queued.
    pub(super) outbox: Vec<Delivery>,
    pub(super) marks: BTreeMap<String, Cursor>,
    /// The last session that the sweep looked at.
    pub(super) swept_to: Option<SessionId>,
    /// The moves of heads that a crash could still undo.
    pub(super) moves: Moves,
}

/// A user and what they log in with.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) user: User,
    pub(super) password: Option<PasswordHash>,
    /// The oldest first.
    pub(super) factors: Vec<Factor>,
    pub(super) recovery_codes: BTreeSet<RecoveryHash>,
    /// Wrong codes since the last right one.
    pub(super) code_failures: u32,
}

impl Account {
    /// Of somebody who has just come.
    pub(super) fn new(user: User, password: Option<PasswordHash>) -> Self {
        Self { user, password, factors: Vec::new(), recovery_codes: BTreeSet::new(), code_failures: 0 }
    }
}

/// What is left of a deleted user: an id, and why their sessions ended.
#[derive(Clone)]
pub(super) struct Deleted {
    pub(super) user: User,
    pub(super) at: Timestamp,
}

/// A feed entry without its place.
#[derive(Clone)]
pub(super) struct FeedItem {
    pub(super) at: Timestamp,
    pub(super) subject: FeedSubject,
}

impl Tables {
    pub(super) fn account(&self, key: &UserKey) -> Option<&Account> {
        let id = match key {
            UserKey::Id(id) => id,
            UserKey::Email(unique_key) => self.by_email.get(unique_key)?,
            UserKey::External(name) => self.by_external.get(name)?,
        };
        self.accounts.get(id)
    }

    /// The user of a session, deleted ones included.
    pub(super) fn user_of(&self, session: &Session) -> Option<&User> {
        let id = session.user_id;
        let living = self.accounts.get(&id).map(|account| &account.user);
        living.or_else(|| self.deleted.get(&id).map(|deleted| &deleted.user))
    }

    /// The sessions of a user, the oldest first.
    pub(super) fn sessions_of(&self, user: UserId) -> impl DoubleEndedIterator<Item = &Session> {
        let ids = self.sessions_of.get(&user).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.sessions.get(id))
    }
}
