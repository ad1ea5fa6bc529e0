//! Devices: the browsers that people have logged in with, recognised by their device cookie.

use crate::{NewEvent, StoreError};
use relatch_core::{EventKind, Origin, Revocation, RevokeReason, Session};
use relatch_token::{DeviceHash, DeviceId, SessionId, Timestamp, UserId};

/// A browser that a user has logged in with. Two users who share a browser have a device each.
///
/// It comes into being with the first session that begins beside its cookie ([`crate::NewSession::device_id`]),
/// and is known until the last of them would have ended at the latest, and the sweep comes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name for its user: drawn, so that nothing leads from it to the cookie or to another user's device.
    pub id: DeviceId,
    /// What recognises it.
    pub hash: DeviceHash,
    /// What it is called.
    pub name: Option<String>,
    /// Whether its user chose that name, which a login then leaves alone.
    pub is_renamed: bool,
    /// What the browser called itself at the last login.
    pub user_agent: Option<String>,
    /// The first login.
    pub first_seen_at: Timestamp,
    /// The last login, or the last that was heard of a session when it ended. A live session knows better:
    /// a refresh writes nothing here.
    pub last_seen_at: Timestamp,
    /// The greatest end of its sessions' absolute lives.
    pub expires_at: Timestamp,
}

/// A new name for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameDevice {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub device_id: DeviceId,
    /// The name.
    pub name: String,
    /// The event that tells of it.
    pub event: NewEvent,
}

/// The end of a device: of its sessions, and of knowing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetDevice {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub device_id: DeviceId,
    /// The session that asks: it ends by logout, the others because their user ended them.
    pub asking: Option<SessionId>,
    /// The event that tells of it, and when it is.
    pub event: NewEvent,
}

impl ForgetDevice {
    /// Why a session of the device ends, and the event that tells of it.
    pub fn end_of(&self, session: &Session) -> (Revocation, NewEvent) {
        let (reason, kind) = if self.asking == Some(session.id) {
            (RevokeReason::Logout, EventKind::Logout)
        } else {
            (RevokeReason::EndedByUser, EventKind::SessionRevoked)
        };
        let event = NewEvent {
            kind,
            session_id: Some(session.id),
            origin: Origin { device_name: session.origin.device_name.clone(), ..self.event.origin.clone() },
            reason: (kind == EventKind::SessionRevoked).then(|| reason.as_str().to_owned()),
            ..self.event.clone()
        };
        (Revocation { at: self.event.at, reason }, event)
    }
}

/// Devices, behind promises.
///
/// A live session that belongs to no device that is known (one of the body transport, or one whose device was
/// forgotten to make room) is a device by itself as long as it lives: its id as one is
/// [`DeviceId::of_session`].
#[async_trait::async_trait]
pub trait DeviceStore: Send + Sync {
    /// The user's device with that cookie, where it is known.
    async fn device(&self, user: UserId, hash: DeviceHash) -> Result<Option<Device>, StoreError>;

    /// The devices of a user that are known, the last seen first.
    async fn devices(&self, user: UserId) -> Result<Vec<Device>, StoreError>;

    /// Names a device, known or a session by itself, and its live sessions with it. `false` where the user has
    /// no such device: nothing was written.
    async fn rename_device(&self, rename: RenameDevice) -> Result<bool, StoreError>;

    /// Ends the live sessions of a device, each with its event and its feed entry, and forgets it, all in one
    /// write; answers how many ended. `None` where the user has no such device: nothing was written.
    async fn forget_device(&self, forget: ForgetDevice) -> Result<Option<u64>, StoreError>;
}

/// The most devices of one user. Who meets one more forgets the one that was seen last longest ago, so that
/// nobody who knows a password can fill the store with browsers.
pub const DEVICES_PER_USER_MAX: usize = 200;
