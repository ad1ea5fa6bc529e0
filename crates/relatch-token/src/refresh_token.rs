//! The refresh token: sealed when it is issued, checked in two steps when it comes back.
//!
//! ```text
//! rlt_ base64url( version 1 | master key 1 | session 16 | generation 8 | nonce 8 | parent 8 | issued 8
//!                 | edge tag 8 | seal 16 )
//! ```
//! The *edge tag* rests on the master key alone, so a made-up token is refused before any I/O. The *seal*
//! rests on the master key and on the secret in the session's row: neither a database dump nor the master
//! key alone forges it (docs/decisions/0001-two-tags.md).

use crate::keyring::{KeyRing, SessionKeys, SessionSecret, mac, truncated};
use crate::{Secret, SessionId, Timestamp};
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;

/// What every refresh token starts with, so that secret scanners can find one that leaked.
pub const REFRESH_TOKEN_PREFIX: &str = "rlt_";

/// How many refreshes lie between the login and a token; the token that a login hands out is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// 64 bits that tell the children of one parent apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 8]);

/// What the server keeps of an attempt id (the `Idempotency-Key` of a refresh).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptHash(pub [u8; 8]);

/// Why a text is not a refresh token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Wrong prefix, length, alphabet or version.
    #[error("not a refresh token of this server")]
    Malformed,
    /// Sealed under a master key that this server doesn't have.
    #[error("sealed under a master key that this server does not have")]
    UnknownKey,
    /// Some bit was changed, or it was made by somebody else.
    #[error("the seal of the refresh token is broken")]
    Forged,
}

/// An authentic refresh token: holding one proves that both tags were right, or that we are about to seal it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshToken {
    /// The session it belongs to.
    pub session_id: SessionId,
    /// Its place in the session's line.
    pub generation: Generation,
    /// Tells it from its siblings.
    pub nonce: Nonce,
    /// The nonce of the token that it was exchanged for.
    pub parent: Nonce,
    /// When it was issued.
    pub issued_at: Timestamp,
}

impl RefreshToken {
    /// The text to hand out. `None` when the ring lacks the master key that `keys` came from.
    pub fn seal(&self, ring: &KeyRing, keys: &SessionKeys) -> Option<Secret<String>> {
        let mut bytes = [0u8; TOTAL_BYTES];
        let master_id = ring.current_id();
        bytes[0] = VERSION;
        bytes[1] = master_id;
        bytes[2..18].copy_from_slice(self.session_id.as_bytes());
        bytes[18..26].copy_from_slice(&self.generation.0.to_be_bytes());
        bytes[26..34].copy_from_slice(&self.nonce.0);
        bytes[34..42].copy_from_slice(&self.parent.0);
        bytes[42..50].copy_from_slice(&self.issued_at.as_millis().to_be_bytes());
        let edge: [u8; EDGE_BYTES] = truncated(mac(ring.edge(master_id)?, &[&bytes[..BODY_BYTES]]));
        let seal: [u8; SEAL_BYTES] = truncated(mac(keys.seal(), &[&bytes[..BODY_BYTES]]));
        bytes[BODY_BYTES..BODY_BYTES + EDGE_BYTES].copy_from_slice(&edge);
        bytes[BODY_BYTES + EDGE_BYTES..].copy_from_slice(&seal);
        let mut text = String::with_capacity(REFRESH_TOKEN_PREFIX.len() + TEXT_BYTES);
        text.push_str(REFRESH_TOKEN_PREFIX);
        let mut encoded = [0u8; TEXT_BYTES];
        text.push_str(Base64UrlUnpadded::encode(&bytes, &mut encoded).ok()?);
        Some(Secret::new(text))
    }
}

/// A token whose edge tag is right: this server issued it, or somebody who holds the master key made it.
/// Nothing in it but the session id may be used before [`SealedToken::open`].
#[derive(Clone, Debug)]
pub struct SealedToken {
    master_id: u8,
    token: RefreshToken,
    body: [u8; BODY_BYTES],
    seal: [u8; SEAL_BYTES],
}

impl SealedToken {
    /// Reads a presented token and checks its edge tag, without I/O.
    pub fn parse(text: &str, ring: &KeyRing) -> Result<Self, TokenError> {
        let encoded = text.strip_prefix(REFRESH_TOKEN_PREFIX).ok_or(TokenError::Malformed)?;
        if encoded.len() != TEXT_BYTES {
            return Err(TokenError::Malformed);
        }
        let mut bytes = [0u8; TOTAL_BYTES];
        Base64UrlUnpadded::decode(encoded, &mut bytes).map_err(|_| TokenError::Malformed)?;
        if bytes[0] != VERSION {
            return Err(TokenError::Malformed);
        }
        let master_id = bytes[1];
        let body: [u8; BODY_BYTES] = field(&bytes, 0);
        let edge = ring.edge(master_id).ok_or(TokenError::UnknownKey)?;
        let expected: [u8; EDGE_BYTES] = truncated(mac(edge, &[&body]));
        if !bool::from(expected.ct_eq(&bytes[BODY_BYTES..BODY_BYTES + EDGE_BYTES])) {
            return Err(TokenError::Forged);
        }
        let token = RefreshToken {
            session_id: SessionId::from_bytes(field(&bytes, 2)),
            generation: Generation(u64::from_be_bytes(field(&bytes, 18))),
            nonce: Nonce(field(&bytes, 26)),
            parent: Nonce(field(&bytes, 34)),
            issued_at: Timestamp::from_millis(i64::from_be_bytes(field(&bytes, 42))),
        };
        Ok(Self { master_id, token, body, seal: field(&bytes, BODY_BYTES + EDGE_BYTES) })
    }

    /// The session whose row has to be read to check the seal.
    pub fn session_id(&self) -> SessionId {
        self.token.session_id
    }

    /// Checks the seal with the secret of the session's row, and tells the session's keys as well.
    pub fn open(self, ring: &KeyRing, secret: &SessionSecret) -> Result<RefreshToken, TokenError> {
        let keys = ring.session(self.master_id, secret).ok_or(TokenError::UnknownKey)?;
        let expected: [u8; SEAL_BYTES] = truncated(mac(keys.seal(), &[&self.body]));
        if bool::from(expected.ct_eq(&self.seal)) { Ok(self.token) } else { Err(TokenError::Forged) }
    }
}

fn field<const N: usize>(bytes: &[u8; TOTAL_BYTES], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

const VERSION: u8 = 1;
const BODY_BYTES: usize = 50;
const EDGE_BYTES: usize = 8;
const SEAL_BYTES: usize = 16;
const TOTAL_BYTES: usize = BODY_BYTES + EDGE_BYTES + SEAL_BYTES;
/// Unpadded base64 of 74 bytes (RFC 4648 §5).
const TEXT_BYTES: usize = (TOTAL_BYTES * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::MasterKey;
    use alloc::string::ToString;
    use alloc::vec;

    fn ring(instance: &[u8], byte: u8) -> KeyRing {
        KeyRing::new(instance, vec![MasterKey { id: 1, secret: Secret::new([byte; 32]) }]).unwrap()
    }

    fn token() -> RefreshToken {
        RefreshToken {
            session_id: SessionId::from_bytes([3; 16]),
            generation: Generation(7),
            nonce: Nonce([4; 8]),
            parent: Nonce([5; 8]),
            issued_at: Timestamp::from_millis(1_800_000_000_123),
        }
    }

    fn sealed(ring: &KeyRing, secret: &SessionSecret) -> String {
        token().seal(ring, &ring.session(ring.current_id(), secret).unwrap()).unwrap().expose().clone()
    }

    #[test]
    fn a_token_opens_to_what_was_sealed_and_is_short_and_url_safe() {
        let (ring, secret) = (ring(b"i", 1), Secret::new([2; 16]));
        let text = sealed(&ring, &secret);
        assert!(text.starts_with("rlt_") && text.len() < 200, "{}", text.len());
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        let opened = SealedToken::parse(&text, &ring).unwrap().open(&ring, &secret).unwrap();
        assert_eq!(opened, token());
    }

    /// Every single changed character, and every cut or added one, is refused before the row is read.
    #[test]
    fn any_change_is_refused_at_the_edge_or_by_the_seal() {
        let (ring, secret) = (ring(b"i", 1), Secret::new([2; 16]));
        let text = sealed(&ring, &secret);
        for at in 0..text.len() {
            for other in "Ab0_-".chars().filter(|c| *c != text.as_bytes()[at] as char) {
                let mut changed = text.clone();
                changed.replace_range(at..=at, &other.to_string());
                let refused = match SealedToken::parse(&changed, &ring) {
                    Err(_) => true,
                    Ok(sealed) => sealed.open(&ring, &secret).is_err(),
                };
                assert!(refused, "changed at {at} to {other}");
            }
            assert!(SealedToken::parse(&text[..at], &ring).is_err());
        }
        for extra in ["A", "=", "\0", " "] {
            assert!(SealedToken::parse(&(text.clone() + extra), &ring).is_err());
        }
    }

    #[test]
    fn neither_the_dump_nor_the_master_key_alone_nor_another_instance_opens_it() {
        let (ours, secret) = (ring(b"prod", 1), Secret::new([2; 16]));
        let text = sealed(&ours, &secret);
        let without_row = SealedToken::parse(&text, &ours).unwrap().open(&ours, &Secret::new([9; 16]));
        assert_eq!(without_row, Err(TokenError::Forged));
        assert_eq!(SealedToken::parse(&text, &ring(b"prod", 2)).err(), Some(TokenError::Forged));
        assert_eq!(SealedToken::parse(&text, &ring(b"staging", 1)).err(), Some(TokenError::Forged));
    }

    #[test]
    fn an_older_master_key_still_opens_and_a_missing_one_is_told_apart() {
        let (old, secret) = (ring(b"i", 1), Secret::new([2; 16]));
        let text = sealed(&old, &secret);
        let newer = MasterKey { id: 2, secret: Secret::new([8; 32]) };
        let older = MasterKey { id: 1, secret: Secret::new([1; 32]) };
        let both = KeyRing::new(b"i", vec![newer.clone(), older]).unwrap();
        assert_eq!(SealedToken::parse(&text, &both).unwrap().open(&both, &secret), Ok(token()));
        let new_only = KeyRing::new(b"i", vec![newer]).unwrap();
        assert_eq!(SealedToken::parse(&text, &new_only).err(), Some(TokenError::UnknownKey));
    }
}
