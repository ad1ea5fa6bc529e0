//! Signing keys (sealed), API keys (hashed) and OAuth clients.

use crate::StoreError;
use relatch_token::{ClientId, Timestamp};

/// A signing key as it is kept: the private part sealed under a master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its name in the JWKS.
    pub kid: String,
    /// The JWS algorithm (RFC 7518 §3.1).
    pub algorithm: String,
    /// The public part as a JWK in JSON (RFC 7517).
    pub public_jwk: String,
    /// The private part (PKCS #8), sealed.
    pub sealed_private: Vec<u8>,
    /// The number of the master key that seals it.
    pub master_id: u8,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub active_at: Timestamp,
    /// From when on it is no longer published; none while it is in use.
    pub retires_at: Option<Timestamp>,
}

/// An API key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name (`key_…`).
    pub id: String,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// What the operator calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// It can't: an app on a device, a page.
    Public,
    /// It can: a server.
    Confidential,
}

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthClient {
    /// Its id.
    pub id: ClientId,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// The SHA-256 of its generated secret; none for a public client.
    pub secret_hash: Option<[u8; 32]>,
    /// What people call it.
    pub name: Option<String>,
    /// The scopes that its sessions may have.
    pub scopes: Vec<String>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Keys and clients, behind promises.
#[async_trait::async_trait]
pub trait KeyStore: Send + Sync {
    /// Every signing key, the oldest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Adds a signing key where there are still as many as the caller saw (of two nodes that rotate at once,
    /// one does); `false` where not.
    async fn add_signing_key(&self, key: SigningKeyRecord, seen: usize) -> Result<bool, StoreError>;

    /// Changes when a key signs and retires, or its seal. `false` where there is no such key.
    async fn update_signing_key(&self, key: SigningKeyRecord) -> Result<bool, StoreError>;

    /// Removes a key. With `revoked_at`, the feed tells verifiers to refuse what it signed.
    async fn remove_signing_key(&self, kid: &str, revoked_at: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Adds an API key.
    async fn add_api_key(&self, key: ApiKey) -> Result<(), StoreError>;

    /// The API key with that hash, revoked or not.
    async fn api_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError>;

    /// Every API key, the oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes an API key. `false` where there is none with that id.
    async fn revoke_api_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// Registers a client, or replaces the one of that id.
    async fn put_client(&self, client: OauthClient) -> Result<(), StoreError>;

    /// The client with that id.
    async fn client(&self, id: &ClientId) -> Result<Option<OauthClient>, StoreError>;

    /// Every client, by id.
    async fn clients(&self) -> Result<Vec<OauthClient>, StoreError>;

    /// Removes a client. `false` where there is none.
    async fn remove_client(&self, id: &ClientId) -> Result<bool, StoreError>;
}
