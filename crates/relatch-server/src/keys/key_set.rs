//! The keys as they are at one reading of the store: immutable, so that signing and verifying share nothing.

use super::signing::SigningKey;
use super::{Algorithm, SignError, TokenProblem};
use bytes::Bytes;
use relatch_token::{AccessClaims, Seconds, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every key that may be needed, and the published document of every moment to come.
#[derive(Debug)]
pub struct KeySet {
    /// By the time at which they begin to sign, the oldest first.
    keys: Vec<HeldKey>,
    /// By `from`, which is below every instant for the first one: there always is one in force.
    documents: Vec<Document>,
    access_token_life: Seconds,
}

/// A key and its times.
#[derive(Clone, Debug)]
pub(super) struct HeldKey {
    pub(super) key: Arc<SigningKey>,
    pub(super) created_at: Timestamp,
    pub(super) active_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Document {
    from: Timestamp,
    json: Bytes,
    keys: usize,
}

/// What one of our own routes asks of a bearer token.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The only `iss` that counts.
    pub issuer: &'a str,
    /// What `aud` has to contain.
    pub audience: &'a str,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and not yet signing.
    Next,
    /// Signing.
    Current,
    /// No longer signing; tokens that it signed are still alive.
    Kept,
    /// Over: about to be removed.
    Retired,
}

/// A key as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Its name: the thumbprint of its public part (RFC 7638).
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub active_at: Timestamp,
    /// From when on it is no longer published.
    pub retires_at: Option<Timestamp>,
}

impl KeySet {
    pub(super) fn new(mut keys: Vec<HeldKey>, access_token_life: Seconds) -> Self {
        keys.sort_by(|a, b| {
            (a.active_at, a.created_at, &a.key.kid).cmp(&(b.active_at, b.created_at, &b.key.kid))
        });
        let documents = moments_of_change(&keys).map(|from| document(&keys, from)).collect();
        Self { keys, documents, access_token_life }
    }

    /// Signs with the current key, unless the token would still live when that key is no longer published.
    pub fn sign(&self, claims: &AccessClaims, now: Timestamp) -> Result<String, SignError> {
        let held = current(&self.keys, now).ok_or(SignError::NoKey)?;
        let expires_at = Timestamp::from_seconds(claims.exp);
        let known_until = held.retires_at.unwrap_or(now + self.access_token_life);
        if expires_at > known_until.min(now + self.access_token_life) {
            return Err(SignError::OutlivesKey);
        }
        held.key.sign(claims).map_err(|_| SignError::Crypto)
    }

    /// The claims of a token of ours that is good at `now`.
    pub fn verify(
        &self,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<AccessClaims, TokenProblem> {
        let held = self
            .keys
            .iter()
            .find(|held| held.is_alive(now) && held.key.is_named_by(token))
            .ok_or_else(|| self.why_unnamed(token))?;
        let claims = held.key.open(token).ok_or(TokenProblem::Invalid)?;
        if claims.iss != expected.issuer || !claims.aud.contains(expected.audience) {
            return Err(TokenProblem::Invalid);
        }
        if claims.iat > (now + CLOCK_LEEWAY).as_seconds() {
            return Err(TokenProblem::Invalid);
        }
        // RFC 7519 §4.1.4: not accepted on or after `exp`; the time is that of the node that signed, or close.
        if now >= Timestamp::from_seconds(claims.exp) { Err(TokenProblem::Expired) } else { Ok(claims) }
    }

    /// The published keys (RFC 7517 §5): of one type, the current one first, then the next, then the others.
    pub fn jwks(&self, now: Timestamp) -> Bytes {
        self.document(now).json.clone()
    }

    /// Every key, the oldest first.
    pub fn view(&self, now: Timestamp) -> Vec<KeyView> {
        let current = current(&self.keys, now).map(|held| &held.key.kid);
        let state = |held: &HeldKey| match held {
            held if !held.is_alive(now) => KeyState::Retired,
            held if Some(&held.key.kid) == current => KeyState::Current,
            held if held.active_at > now => KeyState::Next,
            _ => KeyState::Kept,
        };
        let view = |held: &HeldKey| KeyView {
            kid: held.key.kid.clone(),
            algorithm: held.key.algorithm,
            state: state(held),
            created_at: held.created_at,
            active_at: held.active_at,
            retires_at: held.retires_at,
        };
        self.keys.iter().map(view).collect()
    }

    /// How many keys are published.
    pub fn published(&self, now: Timestamp) -> usize {
        self.document(now).keys
    }

    pub(super) fn held(&self) -> &[HeldKey] {
        &self.keys
    }

    pub(super) fn current(&self, now: Timestamp) -> Option<&HeldKey> {
        current(&self.keys, now)
    }

    fn document(&self, now: Timestamp) -> &Document {
        let later = self.documents.partition_point(|document| document.from <= now);
        &self.documents[later.saturating_sub(1)]
    }

    /// A token that no key here calls its own is nonsense, or was signed by a key that we haven't seen yet.
    fn why_unnamed(&self, token: &str) -> TokenProblem {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        match kid {
            Some(kid) if self.keys.iter().all(|held| held.key.kid != kid) => TokenProblem::UnknownKey,
            _ => TokenProblem::Invalid,
        }
    }
}

impl HeldKey {
    fn is_alive(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|retires_at| retires_at > now)
    }
}

fn current(keys: &[HeldKey], now: Timestamp) -> Option<&HeldKey> {
    keys.iter().rfind(|held| held.active_at <= now)
}

fn moments_of_change(keys: &[HeldKey]) -> impl Iterator<Item = Timestamp> {
    let changes = keys.iter().flat_map(|held| [Some(held.active_at), held.retires_at]);
    let always = Some(Timestamp::from_millis(i64::MIN));
    changes.chain([always]).flatten().collect::<BTreeSet<_>>().into_iter()
}

/// What is published from one change to the next.
fn document(keys: &[HeldKey], from: Timestamp) -> Document {
    // Before the first key signs, the first one to sign decides the type.
    let first = current(keys, from).or_else(|| keys.first());
    let shown = |held: &&HeldKey| {
        held.is_alive(from) && first.is_some_and(|first| first.key.algorithm == held.key.algorithm)
    };
    let mut shown: Vec<&HeldKey> = keys.iter().filter(shown).rev().collect();
    shown.sort_by_key(|held| match first {
        Some(first) if first.key.kid == held.key.kid => 0,
        _ if held.active_at > from => 1,
        _ => 2,
    });
    let jwks: Vec<&str> = shown.iter().map(|held| held.key.public_jwk.as_str()).collect();
    Document { from, json: format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).into(), keys: jwks.len() }
}

/// How far the clock of the node that signed may be ahead of ours.
const CLOCK_LEEWAY: Seconds = Seconds(60);

#[cfg(test)]
mod tests {
    use super::super::signing::generate;
    use super::super::signing::tests::claims;
    use super::*;
    use crate::keys::RsaSize;

    const EXPECTED: Expectations<'_> =
        Expectations { issuer: "https://id.example", audience: "https://api.example" };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn held(algorithm: Algorithm, active_at: i64, retires_at: Option<i64>) -> HeldKey {
        let private = generate(algorithm, RsaSize::Bits2048).unwrap();
        HeldKey {
            key: Arc::new(SigningKey::from_private(algorithm, &private).unwrap()),
            created_at: at(0),
            active_at: at(active_at),
            retires_at: retires_at.map(at),
        }
    }

    fn set(keys: &[HeldKey]) -> KeySet {
        KeySet::new(keys.to_vec(), Seconds(900))
    }

    fn published(set: &KeySet, now: Timestamp) -> Vec<String> {
        let jwks: serde_json::Value = serde_json::from_slice(&set.jwks(now)).unwrap();
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), set.published(now));
        assert!(keys.iter().all(|key| key["alg"].is_string() && key["use"] == "sig"));
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_token_is_good_until_the_second_of_its_exp_and_then_expired() {
        let set = set(&[held(Algorithm::Es256, 0, None)]);
        let token = set.sign(&claims(1000, 1900), at(1000)).unwrap();
        let verify = |now| set.verify(&token, &EXPECTED, now);
        assert_eq!(verify(at(1000)), Ok(claims(1000, 1900)));
        assert_eq!(verify(Timestamp::from_millis(1_899_999)), Ok(claims(1000, 1900)));
        assert_eq!(verify(at(1900)), Err(TokenProblem::Expired));
        assert_eq!(verify(at(1901)), Err(TokenProblem::Expired));
        // Issued by a node whose clock is ahead, but not by more than clocks of ours differ.
        assert_eq!(verify(at(940)), Ok(claims(1000, 1900)));
        assert_eq!(verify(at(939)), Err(TokenProblem::Invalid));
    }

    #[test]
    fn a_token_is_for_us_from_us_or_it_is_invalid_and_never_expired() {
        let set = set(&[held(Algorithm::Es256, 0, None)]);
        let token = set.sign(&claims(0, 900), at(0)).unwrap();
        let wrong = [
            Expectations { issuer: "https://id.example/", ..EXPECTED },
            Expectations { audience: "https://api", ..EXPECTED },
            Expectations { audience: "", ..EXPECTED },
        ];
        for expected in wrong {
            assert_eq!(set.verify(&token, &expected, at(1)), Err(TokenProblem::Invalid));
            assert_eq!(set.verify(&token, &expected, at(1000)), Err(TokenProblem::Invalid));
        }
        let mut forged = token.clone();
        forged.pop();
        assert_eq!(set.verify(&forged, &EXPECTED, at(1000)), Err(TokenProblem::Invalid));
    }

    #[test]
    fn only_a_readable_header_with_an_unknown_kid_asks_for_another_look_at_the_store() {
        let (here, there) =
            (set(&[held(Algorithm::Es256, 0, None)]), set(&[held(Algorithm::Es256, 0, None)]));
        let token = there.sign(&claims(0, 900), at(0)).unwrap();
        assert_eq!(here.verify(&token, &EXPECTED, at(1)), Err(TokenProblem::UnknownKey));
        for nonsense in ["", ".", "..", "a.b.c", "é.é.é", "eyJhbGciOiJub25lIn0.e30.", &token[1..]] {
            assert_eq!(here.verify(nonsense, &EXPECTED, at(1)), Err(TokenProblem::Invalid), "{nonsense}");
        }
    }

    #[test]
    fn no_token_outlives_the_time_that_its_key_is_published() {
        let set = set(&[held(Algorithm::Es256, 0, Some(1000))]);
        assert!(set.sign(&claims(100, 1000), at(100)).is_ok());
        assert_eq!(set.sign(&claims(101, 1001), at(101)), Err(SignError::OutlivesKey));
        assert_eq!(
            set.sign(&claims(50, 951), at(50)),
            Err(SignError::OutlivesKey),
            "longer than tokens live"
        );
        assert_eq!(self::set(&[]).sign(&claims(0, 1), at(0)), Err(SignError::NoKey));
        let later = self::set(&[held(Algorithm::Es256, 10, None)]);
        assert_eq!(later.sign(&claims(9, 10), at(9)), Err(SignError::NoKey));
        assert!(later.sign(&claims(10, 11), at(10)).is_ok());
    }

    #[test]
    fn a_retired_key_verifies_nothing_whatever_its_tokens_say() {
        let old = held(Algorithm::Es256, 0, Some(1000));
        let token = old.key.sign(&claims(0, 5000)).unwrap();
        let set = set(&[old, held(Algorithm::Es256, 100, None)]);
        assert!(set.verify(&token, &EXPECTED, at(999)).is_ok());
        assert_eq!(set.verify(&token, &EXPECTED, at(1000)), Err(TokenProblem::Invalid));
    }

    #[test]
    fn the_current_key_is_published_first_at_every_moment() {
        let keys = [(0, Some(1900)), (1000, Some(2900)), (2000, None)]
            .map(|(active_at, retires_at)| held(Algorithm::Es256, active_at, retires_at));
        let [one, two, three] = keys.each_ref().map(|held| held.key.kid.clone());
        let set = set(&keys);
        assert_eq!(published(&set, at(-1))[0], one);
        assert_eq!(published(&set, at(999)), [&one, &three, &two].map(String::clone));
        assert_eq!(published(&set, at(1000)), [&two, &three, &one].map(String::clone));
        assert_eq!(
            published(&set, Timestamp::from_millis(1_899_999)),
            [&two, &three, &one].map(String::clone)
        );
        assert_eq!(published(&set, at(1900)), [&two, &three].map(String::clone));
        assert_eq!(published(&set, at(2000)), [&three, &two].map(String::clone));
        assert_eq!(published(&set, at(2900)), [three]);
        assert_eq!(published(&self::set(&[]), at(0)), [] as [String; 0]);
    }

    #[test]
    fn keys_of_another_type_are_not_published_but_still_verify_here() {
        let (old, new) = (held(Algorithm::Es256, 0, Some(1900)), held(Algorithm::EdDsa, 1000, None));
        let set = set(&[old.clone(), new.clone()]);
        let token = set.sign(&claims(999, 1800), at(999)).unwrap();
        assert_eq!(published(&set, at(999)), std::slice::from_ref(&old.key.kid));
        assert_eq!(published(&set, at(1000)), std::slice::from_ref(&new.key.kid));
        assert_eq!(set.verify(&token, &EXPECTED, at(1500)), Ok(claims(999, 1800)));
    }
}
