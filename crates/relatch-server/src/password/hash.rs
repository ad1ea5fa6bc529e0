//! Making hashes, and judging an attempt: Argon2id (RFC 9106), with older schemes renewed on the way.

use super::rules::{Attempt, NewPassword};
use super::scheme::{ARGON2_WORK_KIB_MAX, MEMORY_KIB_MAX, is_affordable};
use super::stored::{OUTPUT_BYTES, OutOfMemory, SALT_BYTES, StoredHash};
use crate::environment::{Entropy, EntropyExt};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;

/// The cost of a hash that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes. One thread walks them all, so that they buy no time here.
    pub parallelism: u32,
}

impl Default for PasswordCost {
    /// OWASP's Password Storage Cheat Sheet, second of its equally strong settings.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

/// A cost that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Not a choice that Argon2 has.
    #[error("Argon2 takes at least 1 iteration, 1 lane and 8 KiB of memory for each lane (RFC 9106 §3.1)")]
    OutOfRange,
    /// A login would take too long, or too much memory.
    #[error(
        "Argon2 with that much memory and that many iterations takes many seconds for each login; \
         take at most {MEMORY_KIB_MAX} KiB, and at most {ARGON2_WORK_KIB_MAX} KiB times iterations"
    )]
    TooExpensive,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct PasswordVerdict {
    /// Whether the password is the account's. Never for an unknown account.
    pub matches: bool,
    /// A hash to store instead of the old one: it was of another scheme or cost. Only beside a match.
    pub upgrade: Option<StoredHash>,
}

impl PasswordVerdict {
    /// The verdict on an attempt that fits no account.
    pub(super) const NO_MATCH: Self = Self { matches: false, upgrade: None };
}

/// Makes and compares hashes, on the thread that calls.
pub(super) struct Hasher {
    params: Params,
    entropy: Arc<dyn Entropy>,
    /// Stands in for the hash of an account that doesn't exist: same cost, and no password known to fit.
    dummy: StoredHash,
}

impl Hasher {
    /// Takes a cost for new hashes.
    pub(super) fn new(cost: PasswordCost, entropy: Arc<dyn Entropy>) -> Result<Self, CostError> {
        let PasswordCost { memory_kib, iterations, parallelism } = cost;
        let params = Params::new(memory_kib, iterations, parallelism, Some(OUTPUT_BYTES))
            .map_err(|_| CostError::OutOfRange)?;
        if !is_affordable(&params) {
            return Err(CostError::TooExpensive);
        }
        let dummy = StoredHash::argon2id(&params, entropy.array(), entropy.array());
        Ok(Self { params, entropy, dummy })
    }

    /// Makes a hash with a new salt.
    pub(super) fn hash(&self, password: &NewPassword) -> Result<StoredHash, OutOfMemory> {
        let salt: [u8; SALT_BYTES] = self.entropy.array();
        let mut output = [0; OUTPUT_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into(password.expose().as_bytes(), &salt, &mut output)
            .map_err(|_| OutOfMemory)?;
        Ok(StoredHash::argon2id(&self.params, salt, output))
    }

    /// Judges an attempt on an account, or on none.
    ///
    /// The attempt alone decides how many comparisons a refusal costs, and every hash of our own cost takes
    /// as long as the dummy, so that time does not tell whether the account exists. Of an imported hash it
    /// can tell, until its owner has logged in once and it is renewed.
    pub(super) fn verify(
        &self,
        stored: Option<&StoredHash>,
        attempt: Attempt,
    ) -> Result<PasswordVerdict, OutOfMemory> {
        let compared = stored.unwrap_or(&self.dummy);
        let mut read_whole = None;
        for spelling in attempt.spellings() {
            if compared.matches(spelling)? {
                read_whole = Some(compared.reads_all_of(spelling));
                break;
            }
        }
        let (Some(read_whole), Some(stored)) = (read_whole, stored) else {
            return Ok(PasswordVerdict::NO_MATCH);
        };
        // Where bcrypt has not read the end of the attempt, nobody knows whether that was typed right:
        // making it part of the password could lock the owner out. The old hash stays until he changes it.
        let outdated = !stored.is_argon2id(&self.params) && read_whole;
        let upgrade = outdated.then(|| self.hash(&attempt.into_password())).transpose()?;
        Ok(PasswordVerdict { matches: true, upgrade })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::{OwnWords, PasswordRules};
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_token::Secret;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn hasher(cost: PasswordCost) -> Hasher {
        Hasher::new(cost, Arc::new(OsEntropy::open().unwrap())).unwrap()
    }

    fn attempt(typed: &str) -> Attempt {
        Attempt::parse(Secret::new(typed.to_owned())).unwrap()
    }

    fn new(typed: &str) -> NewPassword {
        PasswordRules::default().check(typed, OwnWords { email: "", service: "" }).unwrap()
    }

    #[test]
    fn a_password_matches_its_hash_however_its_accents_are_typed() {
        let hasher = hasher(CHEAP);
        let stored = hasher.hash(&new("café au lait")).unwrap();
        for same in ["café au lait", "cafe\u{301} au lait", "café\u{a0}au lait"] {
            let verdict = hasher.verify(Some(&stored), attempt(same)).unwrap();
            assert!(verdict.matches && verdict.upgrade.is_none(), "{same}");
        }
        for other in ["cafe au lait", "Café au lait", "café au lait ", ""] {
            assert!(!hasher.verify(Some(&stored), attempt(other)).unwrap().matches, "{other}");
        }
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        let hasher = hasher(CHEAP);
        let hashes = [(); 2].map(|()| hasher.hash(&new("correct horse")).unwrap());
        assert_ne!(hashes[0].expose(), hashes[1].expose());
    }

    #[test]
    fn an_unknown_account_is_compared_at_full_cost_and_never_matches() {
        let hasher = hasher(CHEAP);
        assert!(hasher.dummy.is_argon2id(&hasher.params));
        let verdict = hasher.verify(None, attempt("correct horse")).unwrap();
        assert!(!verdict.matches && verdict.upgrade.is_none());
        // Even where the dummy itself would match, as it does with a probability of 2^-256.
        let dummy = hasher.hash(&new("correct horse")).unwrap();
        let hasher = Hasher { dummy, ..hasher };
        assert!(!hasher.verify(None, attempt("correct horse")).unwrap().matches);
    }

    #[test]
    fn an_older_hash_is_renewed_by_a_match_and_by_nothing_else() {
        let (before, now) = (hasher(CHEAP), hasher(PasswordCost { iterations: 2, ..CHEAP }));
        let imported =
            StoredHash::parse("$2b$04$MSI.k76.LaxNMife88bMGeCAo.FW7.5cKMdR8xgM51oNNNqS0.1oi").unwrap();
        let ours = before.hash(&new("café au lait")).unwrap();
        // The bcrypt hash is of the decomposed spelling, which its owner still types.
        for (stored, typed) in [(imported, "cafe\u{301} au lait"), (ours, "café au lait")] {
            let wrong = now.verify(Some(&stored), attempt("wrong horse")).unwrap();
            assert!(!wrong.matches && wrong.upgrade.is_none());
            let right = now.verify(Some(&stored), attempt(typed)).unwrap();
            let renewed = right.upgrade.expect("renewed");
            assert!(renewed.is_argon2id(&now.params));
            // From then on any spelling will do, and nothing is left to renew.
            let again = now.verify(Some(&renewed), attempt("café au lait")).unwrap();
            assert!(again.matches && again.upgrade.is_none());
        }
    }

    #[test]
    fn bcrypt_matches_by_72_bytes_but_is_not_renewed_by_an_end_it_never_read() {
        let hasher = hasher(CHEAP);
        let stored =
            StoredHash::parse("$2b$04$vWjX1kjaiii3ef7k8GkyxOETuZk3zseN5gDhDUybOivB0C9n8Smoq").unwrap();
        let exact = hasher.verify(Some(&stored), attempt(&"z".repeat(72))).unwrap();
        assert!(exact.matches && exact.upgrade.is_some());
        let longer = hasher.verify(Some(&stored), attempt(&"z".repeat(73))).unwrap();
        assert!(longer.matches && longer.upgrade.is_none());
        assert!(!hasher.verify(Some(&stored), attempt(&"z".repeat(71))).unwrap().matches);
    }

    #[test]
    fn our_own_hashes_read_every_byte() {
        let hasher = hasher(CHEAP);
        let long = "木x".repeat(500);
        let stored = hasher.hash(&new(&long)).unwrap();
        assert!(hasher.verify(Some(&stored), attempt(&long)).unwrap().matches);
        assert!(!hasher.verify(Some(&stored), attempt(&(long.clone() + "x"))).unwrap().matches);
        assert!(!hasher.verify(Some(&stored), attempt(long.trim_end_matches('x'))).unwrap().matches);
    }

    #[test]
    fn a_cost_out_of_bounds_is_refused_with_the_bound() {
        let refused = |memory_kib, iterations, parallelism| {
            let cost = PasswordCost { memory_kib, iterations, parallelism };
            Hasher::new(cost, Arc::new(OsEntropy::open().unwrap())).err()
        };
        assert_eq!(refused(8, 1, 1), None);
        assert_eq!(refused(7, 1, 1), Some(CostError::OutOfRange));
        assert_eq!(refused(8, 0, 1), Some(CostError::OutOfRange));
        assert_eq!(refused(15, 1, 2), Some(CostError::OutOfRange));
        assert_eq!(refused(MEMORY_KIB_MAX, 4, 1), None);
        assert_eq!(refused(MEMORY_KIB_MAX, 5, 1), Some(CostError::TooExpensive));
        assert_eq!(refused(MEMORY_KIB_MAX + 1, 1, 1), Some(CostError::TooExpensive));
    }
}
