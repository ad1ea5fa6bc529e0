//! Signing keys, API keys and clients in memory.

use crate::memory::MemoryStore;
use crate::memory::tables::Tables;
use crate::{ApiKey, FeedSubject, KeyStore, OauthClient, SigningKeyRecord, StoreError};
use relatch_token::{ClientId, Timestamp};

#[async_trait::async_trait]
impl KeyStore for MemoryStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.with(|tables| tables.signing_keys.clone())
    }

    async fn add_signing_key(&self, key: SigningKeyRecord, seen: usize) -> Result<bool, StoreError> {
        self.with(|tables| tables.add_signing_key(key, seen))
    }

    async fn update_signing_key(&self, key: SigningKeyRecord) -> Result<bool, StoreError> {
        self.with(|tables| tables.update_signing_key(key))
    }

    async fn remove_signing_key(&self, kid: &str, revoked_at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.with(|tables| tables.remove_signing_key(kid, revoked_at))
    }

    async fn add_api_key(&self, key: ApiKey) -> Result<(), StoreError> {
        self.with(|tables| tables.add_api_key(key))?
    }

    async fn api_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        self.with(|tables| tables.api_keys.iter().find(|key| key.hash == hash).cloned())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.with(|tables| tables.api_keys.clone())
    }

    async fn revoke_api_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.with(|tables| tables.revoke_api_key(id, at))
    }

    async fn put_client(&self, client: OauthClient) -> Result<(), StoreError> {
        self.with(|tables| tables.clients.insert(client.id.clone(), client)).map(drop)
    }

    async fn client(&self, id: &ClientId) -> Result<Option<OauthClient>, StoreError> {
        self.with(|tables| tables.clients.get(id).cloned())
    }

    async fn clients(&self) -> Result<Vec<OauthClient>, StoreError> {
        self.with(|tables| tables.clients.values().cloned().collect())
    }

    async fn remove_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        self.with(|tables| tables.clients.remove(id).is_some())
    }
}

impl Tables {
    fn add_signing_key(&mut self, key: SigningKeyRecord, seen: usize) -> bool {
        if self.signing_keys.len() != seen || self.signing_keys.iter().any(|other| other.kid == key.kid) {
            return false;
        }
        self.signing_keys.push(key);
        true
    }

    /// What the key is stays; when it signs and retires and who seals it may change.
    fn update_signing_key(&mut self, key: SigningKeyRecord) -> bool {
        let Some(kept) = self.signing_keys.iter_mut().find(|other| other.kid == key.kid) else {
            return false;
        };
        kept.active_at = key.active_at;
        kept.retires_at = key.retires_at;
        kept.master_id = key.master_id;
        kept.sealed_private = key.sealed_private;
        true
    }

    fn remove_signing_key(&mut self, kid: &str, revoked_at: Option<Timestamp>) -> bool {
        let Some(place) = self.signing_keys.iter().position(|key| key.kid == kid) else { return false };
        let key = self.signing_keys.remove(place);
        if let Some(at) = revoked_at {
            self.tell_verifiers(at, FeedSubject::Key(key.kid));
        }
        true
    }

    fn add_api_key(&mut self, key: ApiKey) -> Result<(), StoreError> {
        if self.api_keys.iter().any(|other| other.id == key.id || other.hash == key.hash) {
            return Err(StoreError::Unavailable("that API key exists; draw another one".into()));
        }
        self.api_keys.push(key);
        Ok(())
    }

    /// The time of the first revocation stays.
    fn revoke_api_key(&mut self, id: &str, at: Timestamp) -> bool {
        let Some(key) = self.api_keys.iter_mut().find(|key| key.id == id) else { return false };
        key.revoked_at.get_or_insert(at);
        true
    }
}
