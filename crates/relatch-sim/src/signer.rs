//! Who signs access tokens in the simulation: nobody by default, since signatures are not what is simulated.

use anyhow::{Context, Result};
use relatch_server::environment::Entropy;
use relatch_server::keys::{Expectations, KeyPolicy, SigningKeys, TokenProblem};
use relatch_server::sessions::Doubt;
use relatch_server::tokens::{AccessSigner, StoredKeys};
use relatch_store::memory::MemoryStore;
use relatch_token::{AccessClaims, KeyRing, Timestamp};
use std::sync::Arc;

/// Writes the claims down as they are, and believes what it reads: nobody forges access tokens here.
pub(crate) struct PlainSigner;

#[async_trait::async_trait]
impl AccessSigner for PlainSigner {
    fn sign(&self, claims: &AccessClaims, _: Timestamp) -> Result<String, Doubt> {
        serde_json::to_string(claims).map_err(|error| Doubt::Signing(error.to_string()))
    }

    async fn verify(
        &self,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessClaims, TokenProblem>, Doubt> {
        let Ok(claims) = serde_json::from_str::<AccessClaims>(token) else {
            return Ok(Err(TokenProblem::Invalid));
        };
        if claims.iss != expected.issuer || !claims.aud.contains(expected.audience) {
            return Ok(Err(TokenProblem::Invalid));
        }
        Ok(if now.as_seconds() < claims.exp { Ok(claims) } else { Err(TokenProblem::Expired) })
    }
}

/// The real thing: ES256 with a key that is made now.
pub(crate) fn real(
    ring: KeyRing,
    entropy: Arc<dyn Entropy>,
    now: Timestamp,
) -> Result<Arc<dyn AccessSigner>> {
    let store = Arc::new(MemoryStore::new([0; 16]));
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().context("no runtime could be started")?;
    let loading = SigningKeys::load(&*store, ring, KeyPolicy::default(), entropy, now);
    let keys = runtime.block_on(loading).context("no signing key could be made")?;
    Ok(Arc::new(StoredKeys { keys, store }))
}
