//! Devices in memory.

use crate::device_store::DEVICES_PER_USER_MAX;
use crate::memory::MemoryStore;
use crate::memory::tables::Tables;
use crate::{Change, Device, DeviceStore, ForgetDevice, RenameDevice, StoreError};
use relatch_core::{Session, Update};
use relatch_token::{DeviceHash, DeviceId, SessionId, Timestamp, UserId};

#[async_trait::async_trait]
impl DeviceStore for MemoryStore {
    async fn device(&self, user: UserId, hash: DeviceHash) -> Result<Option<Device>, StoreError> {
        self.with(|tables| tables.devices.get(&(user, hash)).cloned())
    }

    async fn devices(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        self.with(|tables| {
            let mut devices: Vec<Device> = tables.devices_of(user).cloned().collect();
            devices.sort_by_key(|device| (std::cmp::Reverse(device.last_seen_at), device.id));
            devices
        })
    }

    async fn rename_device(&self, rename: RenameDevice) -> Result<bool, StoreError> {
        self.with(|tables| tables.rename_device(rename))
    }

    async fn forget_device(&self, forget: ForgetDevice) -> Result<Option<u64>, StoreError> {
        self.with(|tables| tables.forget_device(&forget))
    }
}

impl Tables {
    fn devices_of(&self, user: UserId) -> impl Iterator<Item = &Device> {
        let all = (user, DeviceHash([0; 8]))..=(user, DeviceHash([0xFF; 8]));
        self.devices.range(all).map(|(_, device)| device)
    }

    /// A session has begun on a device, known or new.
    pub(super) fn meet_device(&mut self, session: &Session, id: Option<DeviceId>) {
        let (Some(hash), Some(id)) = (session.device, id) else { return };
        let (user, at) = (session.user_id, session.created_at());
        if !self.devices.contains_key(&(user, hash)) && self.devices_of(user).count() >= DEVICES_PER_USER_MAX
        {
            let least = self.devices_of(user).min_by_key(|device| (device.last_seen_at, device.id));
            if let Some(hash) = least.map(|device| device.hash) {
                self.devices.remove(&(user, hash));
            }
        }
        let new = Device {
            id,
            hash,
            name: None,
            is_renamed: false,
            user_agent: None,
            first_seen_at: at,
            last_seen_at: at,
            expires_at: session.lifetime.expires_at,
        };
        let device = self.devices.entry((user, hash)).or_insert(new);
        device.last_seen_at = device.last_seen_at.max(at);
        device.expires_at = device.expires_at.max(session.lifetime.expires_at);
        let given = session.origin.device_name.clone().filter(|_| !device.is_renamed);
        device.name = given.or(device.name.take());
        device.user_agent = session.origin.user_agent.clone().or(device.user_agent.take());
    }

    /// A session ends: this is the last that was heard of it.
    pub(super) fn see_device(&mut self, session: &Session) {
        let Some(hash) = session.device else { return };
        if let Some(device) = self.devices.get_mut(&(session.user_id, hash)) {
            device.last_seen_at = device.last_seen_at.max(session.head.at);
        }
    }

    pub(super) fn forget_devices_of(&mut self, user: UserId) {
        self.devices.retain(|(owner, _), _| *owner != user);
    }

    pub(super) fn sweep_devices(&mut self, expired_before: Timestamp, most: usize) -> usize {
        let expired = self.devices.iter().filter(|(_, device)| device.expires_at < expired_before);
        let gone: Vec<(UserId, DeviceHash)> = expired.map(|(key, _)| *key).take(most).collect();
        gone.iter().for_each(|key| drop(self.devices.remove(key)));
        gone.len()
    }

    /// The live sessions of a device; `None` where the user has no such device.
    fn sessions_of_device(
        &self,
        user: UserId,
        id: DeviceId,
        now: Timestamp,
    ) -> Option<(Option<DeviceHash>, Vec<SessionId>)> {
        let account = self.accounts.get(&user)?;
        let known = self.devices_of(user).find(|device| device.id == id).map(|device| device.hash);
        let live =
            self.sessions_of(user).rev().filter(|session| session.check(&account.user.standing, now).is_ok());
        if known.is_some() {
            let sessions = live.filter(|session| session.device == known);
            return Some((known, sessions.map(|session| session.id).collect()));
        }
        let is_by_itself = |session: &&Session| {
            let device = session.device.and_then(|hash| self.devices.get(&(user, hash)));
            DeviceId::of_session(session.id) == id && device.is_none()
        };
        let session = live.into_iter().find(|session| is_by_itself(session))?;
        Some((None, vec![session.id]))
    }

    fn rename_device(&mut self, rename: RenameDevice) -> bool {
        let RenameDevice { user_id, device_id, name, event } = rename;
        let Some((known, sessions)) = self.sessions_of_device(user_id, device_id, event.at) else {
            return false;
        };
        for id in sessions {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.origin.device_name = Some(name.clone());
            }
        }
        if let Some(device) = known.and_then(|hash| self.devices.get_mut(&(user_id, hash))) {
            (device.name, device.is_renamed) = (Some(name), true);
        }
        self.events.push(event);
        true
    }

    fn forget_device(&mut self, forget: &ForgetDevice) -> Option<u64> {
        let (known, sessions) = self.sessions_of_device(forget.user_id, forget.device_id, forget.event.at)?;
        for id in &sessions {
            let Some(session) = self.sessions.get(id) else { continue };
            let (revocation, event) = forget.end_of(session);
            let (session_id, expected) = (session.id, session.version);
            let update = Update::Revoke(revocation);
            self.commit(Change { session_id, expected, update, event: Some(event) });
        }
        if let Some(hash) = known {
            self.devices.remove(&(forget.user_id, hash));
        }
        self.events.push(forget.event.clone());
        Some(sessions.len() as u64)
    }
}
