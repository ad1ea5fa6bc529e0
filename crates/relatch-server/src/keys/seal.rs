//! Sealing the private part of a signing key under a master key.

use super::Algorithm;
use super::aead;
pub(super) use super::aead::Shut;
use crate::environment::Entropy;
use relatch_token::{KeyRing, Secret};

/// The private part of a key as PKCS #8 (RFC 5958).
pub(super) type PrivateDer = Secret<Vec<u8>>;

/// Seals under the current master key. The name of a key is the thumbprint of its public part, so that the
/// seal binds both parts to each other: a row with another public key doesn't open.
pub(super) fn seal(
    ring: &KeyRing,
    kid: &str,
    algorithm: Algorithm,
    private: &PrivateDer,
    entropy: &dyn Entropy,
) -> Vec<u8> {
    aead::seal(ring, LABEL, &bound_to(kid, algorithm), private.expose(), entropy)
}

/// Opens what [`seal`] made under the master key with that number.
pub(super) fn open(
    ring: &KeyRing,
    master_id: u8,
    kid: &str,
    algorithm: Algorithm,
    sealed: &[u8],
) -> Result<PrivateDer, Shut> {
    aead::open(ring, master_id, LABEL, &bound_to(kid, algorithm), sealed)
}

fn bound_to(kid: &str, algorithm: Algorithm) -> String {
    format!("{LABEL}\n{}\n{kid}", algorithm.name())
}

const LABEL: &str = "signing keys";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_token::MasterKey;

    fn ring(instance: &[u8], masters: &[(u8, u8)]) -> KeyRing {
        let key = |&(id, byte): &(u8, u8)| MasterKey { id, secret: Secret::new([byte; 32]) };
        KeyRing::new(instance, masters.iter().map(key).collect()).unwrap()
    }

    #[test]
    fn a_seal_opens_under_its_master_instance_name_and_algorithm_alone() {
        let here = ring(b"here", &[(2, 20), (1, 10)]);
        let entropy = OsEntropy::open().unwrap();
        let private = Secret::new(b"private".to_vec());
        let sealed = seal(&here, "k", Algorithm::Es256, &private, &entropy);
        let shut = |ring: &KeyRing, master, kid, algorithm, sealed: &[u8]| {
            open(ring, master, kid, algorithm, sealed).unwrap_err()
        };

        assert_eq!(open(&here, 2, "k", Algorithm::Es256, &sealed), Ok(private.clone()));
        assert_eq!(shut(&here, 1, "k", Algorithm::Es256, &sealed), Shut::WrongMaster);
        assert_eq!(shut(&here, 3, "k", Algorithm::Es256, &sealed), Shut::NoSuchMaster);
        assert_eq!(shut(&here, 2, "l", Algorithm::Es256, &sealed), Shut::WrongMaster);
        assert_eq!(shut(&here, 2, "k", Algorithm::EdDsa, &sealed), Shut::WrongMaster);
        let there = ring(b"there", &[(2, 20)]);
        assert_eq!(shut(&there, 2, "k", Algorithm::Es256, &sealed), Shut::WrongMaster);
    }

    #[test]
    fn a_changed_or_truncated_seal_stays_shut_and_no_two_seals_are_alike() {
        let ring = ring(b"i", &[(1, 1)]);
        let entropy = OsEntropy::open().unwrap();
        let private = Secret::new(vec![7; 138]);
        let sealed = seal(&ring, "k", Algorithm::Es256, &private, &entropy);
        assert_ne!(sealed, seal(&ring, "k", Algorithm::Es256, &private, &entropy));
        assert!(!sealed.windows(8).any(|window| window == [7; 8]));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&ring, 1, "k", Algorithm::Es256, &changed), Err(Shut::WrongMaster));
            assert_eq!(open(&ring, 1, "k", Algorithm::Es256, &sealed[..at]), Err(Shut::WrongMaster));
        }
    }
}
