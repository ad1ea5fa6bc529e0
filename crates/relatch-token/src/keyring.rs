//! Every key that is derived from a master key, each under its own label (RFC 5869).

use crate::refresh_token::{AttemptHash, Nonce};
use crate::{Generation, Secret};
use alloc::vec::Vec;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The per-session random secret that is kept in the session's row and never leaves the server.
pub type SessionSecret = Secret<[u8; 16]>;

/// One master key of the server, with the number by which tokens name it.
#[derive(Clone, Debug)]
pub struct MasterKey {
    /// The number that a token carries to say which master key sealed it.
    pub id: u8,
    /// 256 random bits.
    pub secret: Secret<[u8; 32]>,
}

/// Why a set of master keys can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// No key was given.
    #[error("no master key was given")]
    Empty,
    /// Two keys share one number.
    #[error("two master keys have the number {0}; give each its own")]
    DuplicateId(u8),
}

/// The master keys of one instance: the first one seals, all of them open.
///
/// The instance id is part of every derivation, so that a token of production is worthless against a copy
/// of its database in staging even where somebody copied the master key too.
#[derive(Clone, Debug)]
pub struct KeyRing {
    instance: Vec<u8>,
    masters: Vec<(MasterKey, Secret<[u8; 32]>)>,
}

impl KeyRing {
    /// A ring whose first key is the current one.
    pub fn new(instance: &[u8], masters: Vec<MasterKey>) -> Result<Self, KeyRingError> {
        let mut ring = Self { instance: instance.to_vec(), masters: Vec::with_capacity(masters.len()) };
        for master in masters {
            if ring.master(master.id).is_some() {
                return Err(KeyRingError::DuplicateId(master.id));
            }
            let edge = expand(&extract(&[], &master), LABEL_EDGE, &ring.instance);
            ring.masters.push((master, edge));
        }
        if ring.masters.is_empty() { Err(KeyRingError::Empty) } else { Ok(ring) }
    }

    /// The number of the key that new tokens are sealed with.
    pub fn current_id(&self) -> u8 {
        self.masters[0].0.id
    }

    /// The numbers of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = u8> + '_ {
        self.masters.iter().map(|(master, _)| master.id)
    }

    /// A key for another purpose, which `label` names (`"signing keys"`, `"device cookie"`, …).
    /// `None` when the ring has no master key with that number.
    pub fn derive(&self, master_id: u8, label: &str) -> Option<Secret<[u8; 32]>> {
        let (master, _) = self.master(master_id)?;
        Some(expand(&extract(b"purpose", master), label.as_bytes(), &self.instance))
    }

    /// The keys of one session, from the secret in its row. `None` when there is no such master key.
    pub fn session(&self, master_id: u8, secret: &SessionSecret) -> Option<SessionKeys> {
        let (master, _) = self.master(master_id)?;
        Some(SessionKeys {
            seal: expand(&extract(secret.expose(), master), LABEL_SEAL, &self.instance),
            child: expand(&Hkdf::new(None, secret.expose()), LABEL_CHILD, &self.instance),
        })
    }

    /// The key of the tag that is checked before any I/O. `None` when there is no such master key.
    pub(crate) fn edge(&self, master_id: u8) -> Option<&Secret<[u8; 32]>> {
        self.master(master_id).map(|(_, edge)| edge)
    }

    fn master(&self, id: u8) -> Option<&(MasterKey, Secret<[u8; 32]>)> {
        self.masters.iter().find(|(master, _)| master.id == id)
    }
}

/// The keys of one session under one master key.
///
/// Only the seal rests on the master key. Nonces are no secret, and a retry that meets a new master key must
/// still be recognised, so what names children and attempts rests on the session alone.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    seal: Secret<[u8; 32]>,
    child: Secret<[u8; 32]>,
}

impl SessionKeys {
    /// What the row keeps of an attempt id: enough to recognise it, useless to anyone else.
    pub fn attempt_hash(&self, attempt_id: &[u8]) -> AttemptHash {
        AttemptHash(truncated(mac(&self.child, &[b"attempt", attempt_id])))
    }

    /// The nonce of the child that `head` gives to `attempt`: the same question has the same answer,
    /// so a retry is answered alike with nothing stored.
    pub fn child_nonce(&self, head: (Generation, Nonce), attempt: AttemptHash) -> Nonce {
        let (generation, nonce) = head;
        let parts: [&[u8]; 4] = [b"child", &generation.0.to_be_bytes(), &nonce.0, &attempt.0];
        Nonce(truncated(mac(&self.child, &parts)))
    }

    pub(crate) fn seal(&self) -> &Secret<[u8; 32]> {
        &self.seal
    }
}

/// HMAC-SHA-256 (RFC 2104) over parts, each preceded by its length so that no two lists collide.
pub(crate) fn mac(key: &Secret<[u8; 32]>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose())
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length (RFC 2104 §2)"));
    for part in parts {
        mac.update(&(part.len() as u32).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The first `N` bytes of a MAC (RFC 2104 §5: the leftmost bits, here never fewer than 64).
pub(crate) fn truncated<const N: usize>(mac: [u8; 32]) -> [u8; N] {
    core::array::from_fn(|i| mac[i])
}

fn extract(salt: &[u8], master: &MasterKey) -> Hkdf<Sha256> {
    Hkdf::new(Some(salt), master.secret.expose())
}

fn expand(hkdf: &Hkdf<Sha256>, label: &[u8], instance: &[u8]) -> Secret<[u8; 32]> {
    let mut key = [0u8; 32];
    let lengths = [(label.len() as u32).to_be_bytes(), (instance.len() as u32).to_be_bytes()];
    hkdf.expand_multi_info(&[&lengths[0], label, &lengths[1], instance], &mut key)
        .unwrap_or_else(|_| unreachable!("32 bytes are within HKDF's limit of 255 hashes (RFC 5869 §2.3)"));
    Secret::new(key)
}

const LABEL_EDGE: &[u8] = b"relatch/1 refresh token, edge tag";
const LABEL_SEAL: &[u8] = b"relatch/1 refresh token, seal";
const LABEL_CHILD: &[u8] = b"relatch/1 refresh token, child nonce";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn master(id: u8, byte: u8) -> MasterKey {
        MasterKey { id, secret: Secret::new([byte; 32]) }
    }

    #[test]
    fn a_ring_needs_a_key_and_distinct_numbers() {
        assert_eq!(KeyRing::new(b"i", vec![]).err(), Some(KeyRingError::Empty));
        let twice = vec![master(1, 1), master(1, 2)];
        assert_eq!(KeyRing::new(b"i", twice).err(), Some(KeyRingError::DuplicateId(1)));
    }

    #[test]
    fn every_derived_key_differs_by_label_master_and_instance() {
        let one = KeyRing::new(b"prod", vec![master(1, 1), master(2, 2)]).unwrap();
        let other = KeyRing::new(b"staging", vec![master(1, 1)]).unwrap();
        let key = one.derive(1, "a").unwrap();
        assert_ne!(key, one.derive(1, "b").unwrap());
        assert_ne!(key, one.derive(2, "a").unwrap());
        assert_ne!(key, other.derive(1, "a").unwrap());
        assert!(one.derive(3, "a").is_none());
    }

    #[test]
    fn a_child_nonce_depends_on_head_attempt_and_session() {
        let ring = KeyRing::new(b"i", vec![master(1, 1)]).unwrap();
        let keys = ring.session(1, &Secret::new([1; 16])).unwrap();
        let other = ring.session(1, &Secret::new([2; 16])).unwrap();
        let attempt = keys.attempt_hash(b"one");
        let head = (Generation(3), Nonce([9; 8]));
        let nonce = keys.child_nonce(head, attempt);
        assert_eq!(nonce, keys.child_nonce(head, attempt));
        assert_ne!(nonce, keys.child_nonce((Generation(4), Nonce([9; 8])), attempt));
        assert_ne!(nonce, keys.child_nonce((Generation(3), Nonce([8; 8])), attempt));
        assert_ne!(nonce, keys.child_nonce(head, keys.attempt_hash(b"two")));
        assert_ne!(nonce, other.child_nonce(head, attempt));
    }
}
