//! Tokens that were verified before, so that a second look costs no signature check.

use crate::key_set::VerifyingKey;
use quick_cache::sync::Cache;
use relatch_token::AccessClaims;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A bounded memory, by the hash of the whole token: what was never seen byte for byte is not in it, and a dump
/// of the process shows no credential that waits here.
pub(crate) struct Memory(Cache<TokenHash, Known>);

/// A token whose signature was right and whose claims were those of an access token for this service.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) claims: Arc<AccessClaims>,
    pub(crate) key: Arc<VerifyingKey>,
}

/// The name under which a token is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl Memory {
    pub(crate) fn new(tokens_max: usize) -> Self {
        Self(Cache::new(tokens_max))
    }

    /// The token, if its key is still published. Expiry and revocation are for the caller to ask, at each look.
    pub(crate) fn recall(&self, token: &TokenHash) -> Option<Known> {
        self.0.get(token).filter(|known| !known.key.is_retired())
    }

    pub(crate) fn remember(&self, token: TokenHash, known: Known) {
        self.0.insert(token, known);
    }

    pub(crate) fn forget(&self, token: &TokenHash) {
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
