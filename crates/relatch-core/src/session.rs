//! The one row of a session, whatever its age.

use crate::Lifetime;
use alloc::string::String;
use alloc::vec::Vec;
use relatch_token::{
    AttemptHash, ClientId, DeviceHash, Generation, Nonce, Seconds, SessionId, SessionSecret, Timestamp,
    UserId,
};
use serde_json::{Map, Value};

/// A session: one device on which one person logged in once.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Counts every change of the row, so that a change based on an older one is refused.
    pub version: Version,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's epoch when it began: see [`Standing::not_before`].
    pub epoch: Epoch,
    /// The OAuth client that it belongs to; none for a first-party session.
    pub client_id: Option<ClientId>,
    /// Granted scopes, separated by spaces; none for a first-party session.
    pub scope: Option<String>,
    /// How its refresh token travels, fixed for life.
    pub transport: Transport,
    /// The device cookie that its refresh token works beside; none for the body transport.
    pub device: Option<DeviceHash>,
    /// Half of the key that seals its refresh tokens.
    pub secret: SessionSecret,
    /// How and when the person proved who they are.
    pub authentication: Authentication,
    /// Idle and absolute limits.
    pub lifetime: Lifetime,
    /// The newest token that was ever accepted as a step forward.
    pub head: Head,
    /// Live or revoked.
    pub state: State,
    /// Where it came from, for the person to recognise it.
    pub origin: Origin,
    /// Whether its cookies outlive the browser window ("remember me").
    pub remember: bool,
    /// Custom claims for its access tokens.
    pub claims: Map<String, Value>,
}

impl Session {
    /// When it began.
    pub const fn created_at(&self) -> Timestamp {
        self.authentication.at
    }

    /// The end of its idle time if nobody comes back; never after the absolute end.
    pub fn idle_expires_at(&self) -> Timestamp {
        self.lifetime.idle_expires_at(self.head.at)
    }

    /// Whether the session may still be used, and if not, why. Revocation is named before expiry, since it is
    /// what the owner needs to hear about.
    pub fn check(&self, user: &Standing, now: Timestamp) -> Result<(), Ended> {
        if let State::Revoked(revocation) = self.state {
            return Err(Ended::Revoked(revocation));
        }
        if let Some(revocation) = user.ended(self.epoch) {
            return Err(Ended::Revoked(revocation));
        }
        if now >= self.lifetime.expires_at {
            return Err(Ended::TooOld);
        }
        if now >= self.idle_expires_at() {
            return Err(Ended::Idle);
        }
        Ok(())
    }
}

/// Counts the changes of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Counts the times that all sessions of one user were ended at once.
///
/// A count and not a time, because clocks step back and two things happen in one millisecond
/// (docs/decisions/0002-not-before-counts.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// How a refresh token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// An HttpOnly cookie beside a device cookie: browsers.
    Cookie,
    /// The body of the answer: mobile, native, server to server.
    Body,
}

impl Transport {
    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// The newest token that was ever accepted as a step forward. Login itself is head 0, long settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Its generation.
    pub generation: Generation,
    /// Its nonce.
    pub nonce: Nonce,
    /// The nonce of the head before it.
    pub parent: Nonce,
    /// When it became the head; repeats and siblings never move it.
    pub at: Timestamp,
    /// The attempt that came with it.
    pub attempt: Option<AttemptHash>,
}

impl Head {
    /// The head of a session that begins now.
    pub const fn login(nonce: Nonce, at: Timestamp) -> Self {
        Self { generation: Generation(0), nonce, parent: Nonce([0; 8]), at, attempt: None }
    }

    /// Whether it may still be talked to again. At `at + window` it is settled.
    pub fn is_fresh(&self, window: Seconds, now: Timestamp) -> bool {
        self.generation > Generation(0) && now < self.at + window
    }
}

/// Live, or revoked for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Usable, as far as its limits and its user's standing go.
    Live,
    /// Ended for good.
    Revoked(Revocation),
}

/// When and why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevokeReason,
}

/// Why sessions are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevokeReason {
    /// The person logged out on this device.
    Logout,
    /// The person logged out everywhere.
    LogoutAll,
    /// The person ended it from another device.
    EndedByUser,
    /// A superseded refresh token was presented: two parties hold copies.
    TokenReused,
    /// The password was changed.
    PasswordChanged,
    /// The password was reset by mail.
    PasswordReset,
    /// An operator or another system ended it.
    EndedByOperator,
    /// The user was disabled.
    UserDisabled,
    /// An OAuth client revoked its token (RFC 7009).
    RevokedByClient,
    /// The person logged in again in the same browser.
    Replaced,
    /// The account was deleted.
    UserDeleted,
    /// It was used so unusually that the rules of risk ended it.
    Risk,
    /// The person logged in on more devices than one person may.
    Evicted,
}

impl RevokeReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Logout,
        Self::LogoutAll,
        Self::EndedByUser,
        Self::TokenReused,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::EndedByOperator,
        Self::UserDisabled,
        Self::RevokedByClient,
        Self::Replaced,
        Self::UserDeleted,
        Self::Risk,
        Self::Evicted,
    ];

    /// The word for it on the wire and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::EndedByUser => "ended_by_user",
            Self::TokenReused => "token_reused",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::EndedByOperator => "ended_by_operator",
            Self::UserDisabled => "user_disabled",
            Self::RevokedByClient => "revoked_by_client",
            Self::Replaced => "replaced",
            Self::UserDeleted => "user_deleted",
            Self::Risk => "risk",
            Self::Evicted => "evicted",
        }
    }

    /// The number that stores keep: its place in [`RevokeReason::ALL`].
    pub fn number(self) -> u8 {
        Self::ALL.iter().position(|one| *one == self).map_or(0, |place| place as u8)
    }

    /// The reason with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What a session's user adds to the question whether it may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Sessions of an earlier epoch are dead.
    pub not_before: Epoch,
    /// When and why the epoch last moved.
    pub moved: Option<Revocation>,
    /// When the user was disabled.
    pub disabled_at: Option<Timestamp>,
}

impl Standing {
    /// When and why a session of `epoch` ended with its user's others.
    pub fn ended(&self, epoch: Epoch) -> Option<Revocation> {
        if let Some(at) = self.disabled_at {
            return Some(Revocation { at, reason: RevokeReason::UserDisabled });
        }
        if epoch >= self.not_before {
            return None;
        }
        Some(self.moved.unwrap_or(Revocation { at: Timestamp::EPOCH, reason: RevokeReason::LogoutAll }))
    }
}

/// Why a session can't be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Somebody or something ended it.
    Revoked(Revocation),
    /// Nobody came back within the idle time.
    Idle,
    /// Its absolute life is over.
    TooOld,
}

/// How and when a person proved who they are. A refresh never changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// When (`auth_time`).
    pub at: Timestamp,
    /// By which methods (`amr`, RFC 8176).
    pub amr: Vec<String>,
    /// How strongly (`acr`).
    pub acr: String,
}

/// Where a session came from: shown to its owner, never a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The network address.
    pub ip: Option<core::net::IpAddr>,
    /// The `User-Agent` header, cut to [`Origin::USER_AGENT_BYTES_MAX`].
    pub user_agent: Option<String>,
    /// The name that the person or the app gave the device.
    pub device_name: Option<String>,
}

impl Origin {
    /// The longest `User-Agent` that is kept: real ones are shorter, and a row must stay small.
    pub const USER_AGENT_BYTES_MAX: usize = 512;
    /// The longest device name, in characters.
    pub const DEVICE_NAME_CHARS_MAX: usize = 64;
}

/// One change of a session's row, to be committed where the row still has the version it was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Update {
    /// The head moves; nothing else does.
    MoveHead(Head),
    /// The session ends for good.
    Revoke(Revocation),
}

impl Update {
    /// The session after this change.
    pub fn apply(&self, session: &mut Session) {
        session.version.0 += 1;
        match *self {
            Self::MoveHead(head) => session.head = head,
            Self::Revoke(revocation) => session.state = State::Revoked(revocation),
        }
    }
}
