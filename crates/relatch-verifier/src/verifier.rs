//! One token, one verdict.

use crate::builder::VerifierBuilder;
use crate::claims::{ClaimRules, Demands};
use crate::jws::{Jws, TOKEN_BYTES_MAX};
use crate::key_source::{KeySource, KeyStatus};
use crate::memory::{Known, Memory};
use crate::{Claims, Clock, Flaw, RequireAuthLayer, Revocations, VerifyError};
use relatch_token::{AccessClaims, Timestamp};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Checks access tokens of one issuer for one service. Cloning it is cheap, and all clones share one memory.
///
/// It needs a tokio runtime, for fetching the issuer's keys.
#[derive(Clone)]
pub struct Verifier(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: ClaimRules,
    pub(crate) keys: Arc<KeySource>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) revocations: Revocations,
}

impl Verifier {
    /// Starts with the issuer, spelled exactly as its tokens spell it: `https://auth.example.com`.
    pub fn builder(issuer: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into())
    }

    /// The claims of the token, if it is a good one.
    ///
    /// A token seen before costs a look-up (well under 1 µs) and allocates nothing; a new one, a signature check
    /// (about 100 µs). The network is asked only where the issuer's keys are missing or old.
    pub async fn verify(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Flaw::TooLong.into());
        }
        let inner = &self.0;
        let now = inner.clock.now();
        let seen = inner.keys.ready(now).await?;
        if let Some(known) = inner.memory.recall(token) {
            return match self.judge(&known.claims, now) {
                Ok(()) => Ok(known.claims),
                Err(error) => {
                    inner.memory.forget(token);
                    Err(error)
                }
            };
        }
        let jws = Jws::parse(token, &inner.keys.policy.algorithms)?;
        let key = inner.keys.find(&jws.kid, seen, now).await?;
        if !key.is_for(&jws) {
            return Err(Flaw::KeyAlgorithm.into());
        }
        if !key.verifies(&jws) {
            return Err(Flaw::Signature.into());
        }
        let claims = Arc::new(jws.claims()?);
        inner.rules.check(&claims, now)?;
        self.judge(&claims, now)?;
        inner.memory.remember(token, Known { claims: Arc::clone(&claims), key });
        Ok(claims)
    }

    /// The claims of the token, the custom ones as a type of the caller's.
    ///
    /// ```no_run
    /// # async fn f(verifier: relatch_verifier::Verifier, token: &str) -> Result<(), relatch_verifier::VerifyError> {
    /// #[derive(serde::Deserialize)]
    /// struct Plan {
    ///     plan: String,
    /// }
    /// let claims = verifier.verify_as::<Plan>(token).await?;
    /// println!("{} is on the plan {}", claims.sub, claims.custom.plan);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn verify_as<T: DeserializeOwned>(&self, token: &str) -> Result<Claims<T>, VerifyError> {
        Claims::read(self.verify(token).await?)
    }

    /// A tower layer that lets only good tokens through, for axum and for any other HTTP service.
    pub fn layer(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(self.clone())
    }

    /// The sessions and users whose tokens are refused before they expire; insert what the issuer revokes.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Fetches the issuer's keys if there are none yet: at start, so that the first request need not wait.
    pub async fn load_keys(&self) -> Result<(), VerifyError> {
        self.0.keys.ready(self.0.clock.now()).await.map(drop)
    }

    /// How fresh the issuer's keys are.
    pub fn key_status(&self) -> KeyStatus {
        self.0.keys.status()
    }

    /// How many tokens are remembered.
    pub fn tokens_remembered(&self) -> usize {
        self.0.memory.len()
    }

    /// Whether a good token also does for this route.
    pub(crate) fn meets(&self, demands: &Demands, claims: &AccessClaims) -> Result<(), VerifyError> {
        demands.check(claims, self.0.clock.now())
    }

    /// What can change about a token from one look to the next.
    fn judge(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), VerifyError> {
        if self.0.rules.is_expired(claims, now) {
            return Err(VerifyError::TokenExpired);
        }
        if self.0.revocations.cover(claims) {
            return Err(VerifyError::TokenRevoked);
        }
        Ok(())
    }
}
