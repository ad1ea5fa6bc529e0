//! The devices of a person: the browsers that their device cookie recognises, and the sessions that no cookie does.

use super::{Doubt, Sessions};
use relatch_core::{EventKind, Origin, Session};
use relatch_store::{ForgetDevice, NewEvent, RenameDevice};
use relatch_token::{DeviceHash, DeviceId, SessionId, Timestamp, UserId};
use std::net::IpAddr;

/// A device, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// Its name that stays.
    pub id: DeviceId,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// What it is called.
    pub name: Option<String>,
    /// What the browser or app called itself.
    pub user_agent: Option<String>,
    /// The address from which the newest live session on it began.
    pub ip: Option<IpAddr>,
    /// The first login.
    pub first_seen_at: Timestamp,
    /// When it was last heard of, to about half a minute where a session lives.
    pub last_seen_at: Timestamp,
    /// The live sessions, the newest first.
    pub sessions: Vec<SessionId>,
}

/// Somebody who changes something about a device of their own.
#[derive(Clone, Debug)]
pub struct DeviceOwner {
    /// The live session that asks.
    pub session: Session,
    /// From where.
    pub origin: Origin,
}

impl Sessions {
    /// The devices of a person, the last seen first: those whose cookie is known, and every live session that
    /// belongs to none of them.
    pub async fn devices(&self, user: UserId, asking: &Session) -> Result<Vec<OwnDevice>, Doubt> {
        let known = self.store.devices(user).await?;
        let mut live = self.list(user).await?;
        let mut devices = Vec::with_capacity(known.len() + live.len());
        for device in known {
            let on_it = live.extract_if(.., |session| session.device == Some(device.hash)).collect();
            let own = OwnDevice {
                id: device.id,
                is_current: asking.device == Some(device.hash),
                name: device.name,
                user_agent: device.user_agent,
                ip: None,
                first_seen_at: device.first_seen_at,
                last_seen_at: device.last_seen_at,
                sessions: Vec::new(),
            };
            devices.push(own.with(on_it));
        }
        for session in live {
            let own = OwnDevice {
                id: DeviceId::of_session(session.id),
                is_current: asking.id == session.id,
                name: session.origin.device_name.clone(),
                user_agent: session.origin.user_agent.clone(),
                ip: None,
                first_seen_at: session.created_at(),
                last_seen_at: session.created_at(),
                sessions: Vec::new(),
            };
            devices.push(own.with(vec![session]));
        }
        devices.sort_by_key(|device| std::cmp::Reverse(device.last_seen_at));
        Ok(devices)
    }

    /// Names a device of the owner's; `None` where they have no such device. A login does not change that name.
    pub async fn rename_device(
        &self,
        owner: &DeviceOwner,
        id: DeviceId,
        name: String,
    ) -> Result<Option<OwnDevice>, Doubt> {
        let Some(device) = self.own_device(owner, id).await? else { return Ok(None) };
        let event = self.device_event(EventKind::DeviceRenamed, owner, Some(name.clone()));
        let user_id = owner.session.user_id;
        let rename = RenameDevice { user_id, device_id: id, name: name.clone(), event };
        let is_done = self.store.rename_device(rename).await?;
        Ok(is_done.then_some(OwnDevice { name: Some(name), ..device }))
    }

    /// Ends every session on a device of the owner's, and forgets it: it counts as new afterwards. `None` where
    /// they have no such device; else the device as it was.
    pub async fn forget_device(&self, owner: &DeviceOwner, id: DeviceId) -> Result<Option<OwnDevice>, Doubt> {
        let Some(device) = self.own_device(owner, id).await? else { return Ok(None) };
        let forget = ForgetDevice {
            user_id: owner.session.user_id,
            device_id: id,
            asking: Some(owner.session.id),
            event: self.device_event(EventKind::DeviceForgotten, owner, device.name.clone()),
        };
        Ok(self.store.forget_device(forget).await?.map(|_| device))
    }

    /// What a person calls the device with that cookie, where they have given it a name.
    pub(super) async fn chosen_name(
        &self,
        user: UserId,
        device: Option<DeviceHash>,
    ) -> Result<Option<String>, Doubt> {
        let Some(hash) = device else { return Ok(None) };
        let device = self.store.device(user, hash).await?;
        Ok(device.filter(|device| device.is_renamed).and_then(|device| device.name))
    }

    async fn own_device(&self, owner: &DeviceOwner, id: DeviceId) -> Result<Option<OwnDevice>, Doubt> {
        let devices = self.devices(owner.session.user_id, &owner.session).await?;
        Ok(devices.into_iter().find(|device| device.id == id))
    }

    /// An event about the device of that name; the rest is from where it was asked.
    fn device_event(&self, kind: EventKind, owner: &DeviceOwner, device_name: Option<String>) -> NewEvent {
        NewEvent {
            kind,
            at: self.now(),
            user_id: owner.session.user_id,
            session_id: Some(owner.session.id),
            origin: Origin { device_name, ..owner.origin.clone() },
            reason: None,
        }
    }
}

impl OwnDevice {
    /// The same with its live sessions, the newest first.
    fn with(self, sessions: Vec<Session>) -> Self {
        let heard_at = sessions.iter().map(Sessions::last_seen_at).max();
        Self {
            ip: sessions.first().and_then(|session| session.origin.ip),
            last_seen_at: heard_at.map_or(self.last_seen_at, |at| at.max(self.last_seen_at)),
            sessions: sessions.iter().map(|session| session.id).collect(),
            ..self
        }
    }
}
