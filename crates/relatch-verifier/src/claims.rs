//! The claims of an access token, and what they must say for this service to accept it.

use crate::{Flaw, VerifyError};
use relatch_token::{AccessClaims, Seconds, Timestamp};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::ops::Deref;
use std::sync::Arc;

/// The claims of a verified token; the custom ones as a type of the caller's.
///
/// It reads like the [`AccessClaims`] inside: `claims.sub`, `claims.has_scope("orders:read")`.
#[derive(Clone, Debug)]
pub struct Claims<T = IgnoredAny> {
    registered: Arc<AccessClaims>,
    /// The custom claims.
    pub custom: T,
}

impl<T: DeserializeOwned> Claims<T> {
    pub(crate) fn read(registered: Arc<AccessClaims>) -> Result<Self, VerifyError> {
        let custom = T::deserialize(&registered.custom).map_err(|_| Flaw::CustomClaims)?;
        Ok(Self { registered, custom })
    }
}

impl<T> Deref for Claims<T> {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.registered
    }
}

/// What the claims must say.
pub(crate) struct ClaimRules {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) leeway: Seconds,
    pub(crate) token_life_max: Seconds,
}

impl ClaimRules {
    /// Checks what never changes about a token, and that it has begun (RFC 9068 §4, RFC 8725 §3.8 and §3.9).
    ///
    /// Whether it has ended is asked apart, at every look: [`is_expired`](Self::is_expired).
    pub(crate) fn check(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Flaw> {
        if claims.iss != self.issuer {
            return Err(Flaw::Issuer);
        }
        if !self.audiences.iter().any(|audience| claims.aud.contains(audience)) {
            return Err(Flaw::Audience);
        }
        if claims.custom.contains_key("cnf") {
            return Err(Flaw::BoundToKey);
        }
        let not_before = match claims.custom.get("nbf") {
            Some(nbf) => nbf.as_i64().ok_or(Flaw::Claims)?.max(claims.iat),
            None => claims.iat,
        };
        if Timestamp::from_seconds(not_before) > now + self.leeway {
            return Err(Flaw::NotYetValid);
        }
        if claims.exp.saturating_sub(claims.iat) > i64::from(self.token_life_max.0) {
            return Err(Flaw::LivesTooLong);
        }
        Ok(())
    }

    /// Whether the token is dead: from `exp` on (RFC 7519 §4.1.4), give or take the leeway.
    pub(crate) fn is_expired(&self, claims: &AccessClaims, now: Timestamp) -> bool {
        now >= Timestamp::from_seconds(claims.exp) + self.leeway
    }
}

/// What a route demands beyond a good token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    /// All of them, separated by spaces.
    pub(crate) scope: String,
    pub(crate) max_age: Option<Seconds>,
    /// Any of them will do, separated by spaces; empty where every one does.
    pub(crate) acr_values: String,
}

impl Demands {
    pub(crate) fn check(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), VerifyError> {
        if !self.scope.split_ascii_whitespace().all(|scope| claims.has_scope(scope)) {
            return Err(VerifyError::InsufficientScope { scope: self.scope.clone() });
        }
        // No leeway: whoever asks for a recent login would rather ask once too often.
        let is_too_old =
            self.max_age.is_some_and(|max_age| now > Timestamp::from_seconds(claims.auth_time) + max_age);
        let mut accepted = self.acr_values.split_ascii_whitespace().peekable();
        let is_too_weak = accepted.peek().is_some() && !accepted.any(|acr| acr == claims.acr);
        if is_too_old || is_too_weak {
            let (max_age, acr_values) = (self.max_age, self.acr_values.clone());
            return Err(VerifyError::InsufficientUserAuthentication { max_age, acr_values });
        }
        Ok(())
    }
}
