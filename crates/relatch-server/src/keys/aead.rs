//! Sealing bytes under a key of the master key: AES-256-GCM, one random nonce a seal, one label a purpose.

use crate::environment::{Entropy, EntropyExt};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use relatch_token::{KeyRing, Secret};

/// Why sealed bytes stay shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// The ring has no master key of that number.
    NoSuchMaster,
    /// It has one, which isn't the one that sealed; or somebody changed what was sealed, or what it is bound to.
    WrongMaster,
}

/// Seals under the current master key, for the purpose that `label` names. What `bound_to` says must be said
/// again to open it.
pub(crate) fn seal(
    ring: &KeyRing,
    label: &str,
    bound_to: &str,
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let key = key(ring, ring.current_id(), label)
        .unwrap_or_else(|| unreachable!("a ring has a key for the number that it calls current"));
    let nonce: [u8; NONCE_LEN] = entropy.array();
    let mut sealed = plain.to_vec();
    // Encrypted in place: what is left in `sealed` is ciphertext, so nothing has to be wiped.
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound_to.as_bytes()),
            &mut sealed,
        )
        .unwrap_or_else(|_| unreachable!("AES-GCM seals anything below 64 GiB (SP 800-38D §5.2.1.1)"));
    [nonce.as_slice(), &sealed, tag.as_ref()].concat()
}

/// Opens what [`seal`] made under the master key with that number.
pub(crate) fn open(
    ring: &KeyRing,
    master_id: u8,
    label: &str,
    bound_to: &str,
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, Shut> {
    let key = key(ring, master_id, label).ok_or(Shut::NoSuchMaster)?;
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Shut::WrongMaster)?;
    let mut private = zeroize::Zeroizing::new(ciphertext.to_vec());
    let opened = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound_to.as_bytes()), &mut private)
        .map_err(|_| Shut::WrongMaster)?;
    Ok(Secret::new(opened.to_vec()))
}

fn key(ring: &KeyRing, master_id: u8, label: &str) -> Option<LessSafeKey> {
    let key = ring.derive(master_id, label)?;
    let key = UnboundKey::new(&AES_256_GCM, key.expose())
        .unwrap_or_else(|_| unreachable!("AES-256 takes a key of 32 bytes"));
    Some(LessSafeKey::new(key))
}
