//! Tokens that were verified before, so that a second look costs no signature check.

use crate::key_set::VerifyingKey;
use quick_cache::sync::Cache;
use relatch_token::{AccessClaims, Secret};
use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A bounded memory, by the whole token: what was never seen byte for byte is not in it.
///
/// SHA-256 of the token in its place was measured too: on its own it costs more than all of a look-up here.
pub(crate) struct Memory(Cache<Token, Known>);

/// A token whose signature was right and whose claims were those of an access token for this service.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) claims: Arc<AccessClaims>,
    pub(crate) key: Arc<VerifyingKey>,
}

impl Memory {
    pub(crate) fn new(tokens_max: usize) -> Self {
        Self(Cache::new(tokens_max))
    }

    /// The token, if its key is still published. Expiry and revocation are for the caller to ask, at each look.
    pub(crate) fn recall(&self, token: &str) -> Option<Known> {
        // A key may be withdrawn between the check of a signature and this memory hearing of it.
        self.0.get(token).filter(|known| !known.key.is_retired())
    }

    pub(crate) fn remember(&self, token: &str, known: Known) {
        self.0.insert(Token(Secret::new(token.into())), known);
    }

    pub(crate) fn forget(&self, token: &str) {
        self.0.remove(token);
    }

    /// Frees what was signed with keys that are gone.
    pub(crate) fn drop_retired(&self) {
        self.0.retain(|_, known| !known.key.is_retired());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A token as the name of its own entry; wiped when the entry goes.
///
/// It compares in ordinary time: who gets as far as a comparison has met its hash under a random key.
#[derive(Clone)]
struct Token(Secret<Box<str>>);

impl Borrow<str> for Token {
    fn borrow(&self) -> &str {
        self.0.expose()
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose().hash(state);
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for Token {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use crate::key_set::KeySet;
    use serde_json::json;

    #[test]
    fn a_token_remembered_after_its_key_was_withdrawn_is_not_recalled() {
        let keys = |kid: &str| {
            let x = "A".repeat(43);
            let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x, "kid": kid });
            KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), &[Algorithm::Es256]).unwrap()
        };
        let claims: AccessClaims = serde_json::from_value(json!({
            "iss": "", "aud": "", "sub": "", "iat": 0, "exp": 0, "jti": "", "client_id": "", "sid": "",
            "auth_time": 0, "amr": [], "acr": "",
        }))
        .unwrap();
        let before = keys("k1");
        let known = Known { claims: Arc::new(claims), key: Arc::clone(before.find("k1").unwrap()) };
        let memory = Memory::new(10);
        memory.remember("t1", known.clone());
        assert!(memory.recall("t1").is_some());
        keys("k2").succeed(&before);
        memory.drop_retired();
        memory.remember("t2", known);
        assert!(memory.recall("t1").is_none() && memory.recall("t2").is_none());
        assert_eq!(memory.len(), 1);
    }
}
