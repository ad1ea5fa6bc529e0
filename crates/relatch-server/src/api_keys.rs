//! API keys: how other systems prove who they are. Hashed at rest, scoped, made by the command line.

use crate::environment::{Entropy, EntropyExt};
use crate::sessions::Doubt;
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_store::{ApiKey, Store};
use relatch_token::{Secret, Timestamp};
use sha2::{Digest, Sha256};
use std::str::FromStr;
use std::sync::Arc;

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiScope {
    /// Open, list and end sessions.
    Sessions,
    /// List and disable users.
    Users,
    /// Read the audit.
    Events,
    /// Ask about tokens (RFC 7662).
    Introspect,
    /// Follow the revocation feed.
    Verify,
}

impl ApiScope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Sessions, Self::Users, Self::Events, Self::Introspect, Self::Verify];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Users => "users",
            Self::Events => "events",
            Self::Introspect => "introspect",
            Self::Verify => "verify",
        }
    }
}

impl FromStr for ApiScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            format!("there is no scope `{text}`; the scopes are {}", known.join(", "))
        })
    }
}

/// What becomes of an API key that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiKeyVerdict {
    /// It is good and has the scope.
    Granted(ApiKey),
    /// It is good and lacks the scope.
    LacksScope,
    /// It isn't one of ours, or it was revoked.
    Unknown,
}

/// The API keys of the server.
#[derive(Clone)]
pub struct ApiKeys {
    store: Arc<dyn Store>,
}

impl ApiKeys {
    /// The keys in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Makes a key. Its text is told here and never again.
    pub async fn create(
        &self,
        name: &str,
        scopes: &[ApiScope],
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<(ApiKey, Secret<String>), Doubt> {
        let text =
            Secret::new(format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&entropy.array::<32>())));
        let key = ApiKey {
            id: format!("key_{}", Base64UrlUnpadded::encode_string(&entropy.array::<12>())),
            hash: Sha256::digest(text.expose()).into(),
            name: name.to_owned(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: now,
            revoked_at: None,
        };
        self.store.add_api_key(key.clone()).await?;
        Ok((key, text))
    }

    /// Whether a presented key may do what `scope` says. A text of another shape is refused without I/O.
    pub async fn check(&self, text: &str, scope: ApiScope) -> Result<ApiKeyVerdict, Doubt> {
        if text.strip_prefix(PREFIX).is_none_or(|rest| rest.len() != ENCODED_BYTES) {
            return Ok(ApiKeyVerdict::Unknown);
        }
        // Looked up by hash: a comparison that stops early tells nothing about the 256 random bits.
        let found = self.store.api_key(Sha256::digest(text).into()).await?;
        Ok(match found.filter(|key| key.revoked_at.is_none()) {
            None => ApiKeyVerdict::Unknown,
            Some(key) if key.scopes.iter().any(|granted| granted == scope.as_str()) => {
                ApiKeyVerdict::Granted(key)
            }
            Some(_) => ApiKeyVerdict::LacksScope,
        })
    }

    /// Every key, revoked ones too.
    pub async fn list(&self) -> Result<Vec<ApiKey>, Doubt> {
        Ok(self.store.api_keys().await?)
    }

    /// Revokes a key from now on. `false` where there is none with that id.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<bool, Doubt> {
        Ok(self.store.revoke_api_key(id, now).await?)
    }
}

const PREFIX: &str = "rlk_";
/// 32 bytes in unpadded base64 (RFC 4648 §5).
const ENCODED_BYTES: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_store::memory::MemoryStore;

    #[tokio::test]
    async fn a_key_opens_what_it_was_made_for_until_it_is_revoked() {
        let keys = ApiKeys::new(Arc::new(MemoryStore::new([0; 16])));
        let entropy = OsEntropy::open().unwrap();
        let now = Timestamp::from_seconds(1);
        let (key, text) = keys.create("feed", &[ApiScope::Verify], &entropy, now).await.unwrap();
        assert!(!format!("{key:?}").contains(text.expose()));
        let granted = keys.check(text.expose(), ApiScope::Verify).await.unwrap();
        assert_eq!(granted, ApiKeyVerdict::Granted(key.clone()));
        assert_eq!(keys.check(text.expose(), ApiScope::Users).await.unwrap(), ApiKeyVerdict::LacksScope);
        let other = format!("rlk_{}", "A".repeat(43));
        for made_up in ["", "rlk_", text.expose().trim_start_matches("rlk_"), &other] {
            assert_eq!(keys.check(made_up, ApiScope::Verify).await.unwrap(), ApiKeyVerdict::Unknown);
        }
        assert!(keys.revoke(&key.id, now).await.unwrap() && !keys.revoke("key_x", now).await.unwrap());
        assert_eq!(keys.check(text.expose(), ApiScope::Verify).await.unwrap(), ApiKeyVerdict::Unknown);
    }

    #[test]
    fn an_unknown_scope_is_refused_with_those_there_are() {
        assert_eq!("verify".parse(), Ok(ApiScope::Verify));
        assert!("root".parse::<ApiScope>().unwrap_err().contains("sessions, users"));
    }
}
