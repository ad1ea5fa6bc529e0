//! The keys that an issuer publishes (RFC 7517): one key, one algorithm.

use crate::Algorithm;
use crate::jws::Jws;
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More keys than any issuer publishes at a time.
const KEYS_MAX: usize = 32;

/// Public keys, each under its own `kid`.
#[derive(Default)]
pub(crate) struct KeySet(Vec<Arc<VerifyingKey>>);

impl KeySet {
    /// Reads a JWKS. Keys that are not for signatures of an allowed algorithm are passed over (RFC 7517 §5).
    pub(crate) fn parse(json: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(json)?;
        let mut keys: Vec<Arc<VerifyingKey>> = Vec::new();
        for value in document.keys.into_iter().take(KEYS_MAX) {
            let key = serde_json::from_value(value).ok().and_then(VerifyingKey::from_jwk);
            match key {
                Some(key)
                    if allowed.contains(&key.algorithm) && keys.iter().all(|one| one.kid != key.kid) =>
                {
                    keys.push(Arc::new(key));
                }
                _ => {}
            }
        }
        // An issuer without a key can sign nothing: this is a fault of its, no verdict on every token there is.
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The key of this name.
    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.0.iter().find(|key| key.kid == kid)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the place of `previous`: keys that stay remain the same value, keys that are gone are retired.
    pub(crate) fn succeed(mut self, previous: &Self) -> Self {
        for key in &mut self.0 {
            if let Some(same) = previous.find(&key.kid).filter(|known| known.jwk == key.jwk) {
                *key = Arc::clone(same);
            }
        }
        for old in &previous.0 {
            if !self.0.iter().any(|key| Arc::ptr_eq(key, old)) {
                old.retired.store(true, Ordering::Release);
            }
        }
        self
    }
}

/// One public key.
pub(crate) struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    jwk: Jwk,
    key: DecodingKey,
    retired: AtomicBool,
}

impl VerifyingKey {
    /// Whether this key signs with the algorithm that the token claims.
    pub(crate) fn is_for(&self, jws: &Jws<'_>) -> bool {
        self.algorithm == jws.algorithm
    }

    /// Whether the signature of the token is right.
    pub(crate) fn verifies(&self, jws: &Jws<'_>) -> bool {
        let algorithm = match self.algorithm {
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        };
        // The provider by name: the default one panics where another crate turns on a second provider.
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(jws.message.as_bytes(), &jws.signature).is_ok())
    }

    /// Whether the issuer has stopped publishing it.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// `None` for a key without a name, for another use, or whose material does not fit its algorithm.
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let kid = jwk.common.key_id.clone()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let (algorithm, name, is_sound) = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => (
                Algorithm::Es256,
                KeyAlgorithm::ES256,
                has_bytes(&key.x, 32..=32) && has_bytes(&key.y, 32..=32),
            ),
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDsa, KeyAlgorithm::EdDSA, has_bytes(&key.x, 32..=32))
            }
            AlgorithmParameters::RSA(key) => {
                (Algorithm::Rs256, KeyAlgorithm::RS256, has_bytes(&key.n, 256..=1024))
            }
            _ => return None,
        };
        if !is_sound || jwk.common.key_algorithm.is_some_and(|published| published != name) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { kid, algorithm, jwk, key, retired: AtomicBool::new(false) })
    }
}

/// A key document that is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("it is not a JWKS: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it has no key with a `kid` for an allowed algorithm")]
    NoUsableKey,
}

fn has_bytes(encoded: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    Base64UrlUnpadded::decode_vec(encoded).is_ok_and(|bytes| lengths.contains(&bytes.len()))
}
