//! Accounts: people, their passwords and the links that were mailed to them.

use crate::{Delivery, Enqueue, NewEvent, StoreError};
use relatch_core::{Epoch, Origin, RevokeReason, Standing};
use relatch_token::{Secret, SessionId, Timestamp, UserId};

/// A password hash as a PHC string (or an imported one of another spelling).
pub type PasswordHash = Secret<String>;

/// A person, as every refresh needs to know them. The password is asked for apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name that stays.
    pub id: UserId,
    /// The address; none for a user whom another system brought.
    pub email: Option<UserEmail>,
    /// What to call them.
    pub name: Option<String>,
    /// The name that another system knows them by.
    pub external_id: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Whether and since when their sessions count.
    pub standing: Standing,
}

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEmail {
    /// As the person wrote it.
    pub address: String,
    /// Its normal form, unique among users.
    pub unique_key: String,
    /// When it was proved to be theirs.
    pub verified_at: Option<Timestamp>,
}

/// A mail address that a link was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// As the person wrote it.
    pub address: String,
    /// Its normal form.
    pub unique_key: String,
}

/// What finds a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserKey {
    /// By id.
    Id(UserId),
    /// By the normal form of the address.
    Email(String),
    /// By another system's name.
    External(String),
}

/// A user who is about to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The user.
    pub user: User,
    /// Their password, where they have one.
    pub password: Option<PasswordHash>,
    /// The event that tells of it.
    pub event: NewEvent,
    /// A link to prove their address, and the message that carries it; it is left out where the outbox is
    /// full ([`Enqueue::Full`]).
    pub welcome: Option<(Link, Delivery)>,
}

/// How making a user ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateUser {
    /// Made.
    Done,
    /// The address is another user's.
    EmailTaken,
    /// The other system's name is another user's.
    ExternalIdTaken,
}

/// The SHA-256 of a link's random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkHash(pub [u8; 32]);

/// What a mailed link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// Setting a new password.
    ResetPassword,
    /// Proving the address.
    VerifyEmail,
    /// Moving the account to the address that the link was mailed to.
    ChangeEmail,
}

/// A link that was mailed: single use, short-lived.
///
/// One to set a password or to prove the address is good only as long as the account is at the address that it
/// was mailed to, whatever happens while it is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Recognises it.
    pub hash: LinkHash,
    /// What it is good for.
    pub purpose: LinkPurpose,
    /// For whom.
    pub user_id: UserId,
    /// Where it was mailed to: the user's address, or the one that it is to become.
    pub to: LinkAddress,
    /// The user's epoch when it was made: a later password change kills older links, but those that only
    /// prove the address.
    pub epoch: Epoch,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Ends all sessions of a user, and may change the account in the same write.
#[derive(Clone, Debug)]
pub struct SubjectChange {
    /// Whose.
    pub user_id: UserId,
    /// The epoch it was decided on; `None` where it holds whatever happened meanwhile.
    pub expected: Option<Epoch>,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevokeReason,
    /// The one session that goes on, where it is live.
    pub keep: Option<SessionId>,
    /// What else changes.
    pub update: Option<SubjectUpdate>,
    /// The event that tells of it.
    pub event: NewEvent,
}

/// What may change together with the end of all sessions.
#[derive(Clone, Debug)]
pub enum SubjectUpdate {
    /// A new password, set by somebody who knew the old one.
    Password(PasswordHash),
    /// A new password, set by a mailed link, which is used up and proves the address too.
    PasswordByLink(PasswordHash, LinkHash),
    /// The user may not come back.
    Disable,
    /// The account goes for good, with everything personal: address, name, external id, password and links,
    /// and what waits for them in the outbox;
    /// of its sessions and events the network address, user agent, device name and claims, the event that
    /// tells of it included. What is left are ids, kinds and times, until the sweep takes those too.
    Delete,
}

/// How ending all sessions of a user ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectEnd {
    /// Ended.
    Done {
        /// How many live sessions ended.
        revoked: u64,
        /// The user's epoch from now on.
        epoch: Epoch,
    },
    /// The user is gone, the epoch has moved on, or the link is used up or too old: nothing was written.
    Conflict,
}

/// How moving an account to another address ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailChange {
    /// Moved; the address is proved.
    Done(UserId),
    /// The address is another user's by now: nothing was written.
    Taken,
    /// The link isn't good: nothing was written.
    BadLink,
}

/// Accounts, behind promises.
///
/// A deleted user ([`SubjectUpdate::Delete`]) is nobody to every verb here: not found, not listed, and changed
/// by none. Their id is never given again, their address and external id may be.
#[async_trait::async_trait]
pub trait AccountStore: Send + Sync {
    /// Makes a user whose address and external id are nobody else's.
    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError>;

    /// A user.
    async fn user(&self, key: &UserKey) -> Result<Option<User>, StoreError>;

    /// A user and their password, read at one moment.
    async fn credentials(&self, key: &UserKey) -> Result<Option<(User, Option<PasswordHash>)>, StoreError>;

    /// Users in the order in which they were made, after `after`, at most `limit`.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// Replaces a hash by a better one of the same password, where it still is `old`. Sessions live on.
    async fn upgrade_password(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: PasswordHash,
        event: NewEvent,
    ) -> Result<(), StoreError>;

    /// Lets a disabled user come back (to log in anew: the sessions from before stay ended).
    async fn enable_user(&self, user: UserId, event: NewEvent) -> Result<(), StoreError>;

    /// Keeps a link and forgets the user's older ones of the same purpose.
    async fn add_link(&self, link: Link) -> Result<(), StoreError>;

    /// The same, and in the same write the messages that carry the link and the event that tells of it: none of
    /// them is ever there alone. [`Enqueue::Full`] where the outbox is, and nothing was written.
    async fn post_link(
        &self,
        link: Link,
        event: Option<NewEvent>,
        deliveries: Vec<Delivery>,
    ) -> Result<Enqueue, StoreError>;

    /// The link, where it is good at `now`; it is not used up by looking.
    async fn link(
        &self,
        hash: LinkHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<Link>, StoreError>;

    /// Uses up a link, marks the address as proved and writes the event that tells of it
    /// ([`relatch_core::EventKind::EmailVerified`]). [`None`] where the link isn't good.
    async fn verify_email(&self, hash: LinkHash, event_at: Timestamp) -> Result<Option<UserId>, StoreError>;

    /// Uses up a link of [`LinkPurpose::ChangeEmail`]: the account moves to the address that the link was
    /// mailed to, which is proved thereby, all other links of the user are void, and the event tells of it
    /// ([`relatch_core::EventKind::EmailChanged`]). Sessions live on.
    async fn change_email(
        &self,
        hash: LinkHash,
        at: Timestamp,
        origin: Origin,
    ) -> Result<EmailChange, StoreError>;
}
