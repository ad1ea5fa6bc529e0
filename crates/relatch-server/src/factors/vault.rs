//! Seeds as they lie in the database: sealed under the master key, each for its own factor alone.

use super::Seed;
use crate::environment::Entropy;
use crate::keys::aead::{self, Shut};
use relatch_store::{Factor, SealedSeed};
use relatch_token::{FactorId, KeyRing, UserId};
use std::sync::Arc;

/// Seals and opens seeds.
#[derive(Clone)]
pub struct SeedVault {
    ring: Arc<KeyRing>,
    entropy: Arc<dyn Entropy>,
}

impl SeedVault {
    /// With the keys of this ring.
    pub fn new(ring: Arc<KeyRing>, entropy: Arc<dyn Entropy>) -> Self {
        Self { ring, entropy }
    }

    /// Seals under the current master key, for that factor of that user: moved to another row it doesn't open.
    pub fn seal(&self, seed: &Seed, factor: FactorId, user: UserId) -> SealedSeed {
        let bytes = aead::seal(&self.ring, LABEL, &bound_to(factor, user), seed.bytes(), &*self.entropy);
        SealedSeed { master_id: self.ring.current_id(), bytes }
    }

    /// The seed of a factor, or what to do where it stays shut.
    pub fn open(&self, factor: &Factor) -> Result<Seed, String> {
        let sealed = &factor.seed;
        let bound = bound_to(factor.id, factor.user_id);
        match aead::open(&self.ring, sealed.master_id, LABEL, &bound, &sealed.bytes) {
            Ok(bytes) => Seed::from_bytes(bytes.expose())
                .ok_or_else(|| format!("the seed of {} is damaged; restore a backup", factor.id)),
            Err(Shut::NoSuchMaster) => Err(format!(
                "the seed of {} is sealed under master key {}, which was not given; put it back behind the others",
                factor.id, sealed.master_id
            )),
            Err(Shut::WrongMaster) => Err(format!(
                "the seed of {} doesn't open under master key {}; give the key that had this number",
                factor.id, sealed.master_id
            )),
        }
    }

    /// The seed sealed under the current master key; `None` where it is so already.
    pub fn seal_anew(&self, factor: &Factor) -> Result<Option<SealedSeed>, String> {
        if factor.seed.master_id == self.ring.current_id() {
            return Ok(None);
        }
        let seed = self.open(factor)?;
        Ok(Some(self.seal(&seed, factor.id, factor.user_id)))
    }

    /// The number of the current master key.
    pub fn current_id(&self) -> u8 {
        self.ring.current_id()
    }
}

fn bound_to(factor: FactorId, user: UserId) -> String {
    format!("{LABEL}\n{user}\n{factor}")
}

const LABEL: &str = "seeds of authenticator apps";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_store::{FactorKind, FactorState};
    use relatch_token::{MasterKey, Secret, Timestamp};

    fn vault(masters: &[(u8, u8)]) -> SeedVault {
        let key = |&(id, byte): &(u8, u8)| MasterKey { id, secret: Secret::new([byte; 32]) };
        let ring = KeyRing::new(b"i", masters.iter().map(key).collect()).unwrap();
        SeedVault::new(Arc::new(ring), Arc::new(OsEntropy::open().unwrap()))
    }

    fn factor(vault: &SeedVault, seed: &Seed) -> Factor {
        let (id, user_id) = (FactorId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        Factor {
            id,
            user_id,
            kind: FactorKind::Totp,
            name: String::new(),
            seed: vault.seal(seed, id, user_id),
            created_at: Timestamp::EPOCH,
            state: FactorState::Pending { expires_at: Timestamp::EPOCH },
        }
    }

    #[test]
    fn a_seed_opens_in_its_own_row_alone() {
        let vault = vault(&[(1, 10)]);
        let seed = Seed::from_bytes(&[7; 20]).unwrap();
        let own = factor(&vault, &seed);
        assert!(!own.seed.bytes.windows(4).any(|window| window == [7; 4]), "it lies there in the clear");
        assert_eq!(vault.open(&own), Ok(seed));
        for moved in [
            Factor { id: FactorId::from_bytes([9; 16]), ..own.clone() },
            Factor { user_id: UserId::from_bytes([9; 16]), ..own.clone() },
        ] {
            assert!(vault.open(&moved).unwrap_err().contains("doesn't open"));
        }
    }

    #[test]
    fn a_change_of_the_master_key_is_outlived_by_sealing_anew() {
        let (old, both, new) = (vault(&[(1, 10)]), vault(&[(2, 20), (1, 10)]), vault(&[(2, 20)]));
        let seed = Seed::from_bytes(&[7; 20]).unwrap();
        let mut kept = factor(&old, &seed);
        assert_eq!(old.seal_anew(&kept), Ok(None));
        assert!(new.open(&kept).unwrap_err().contains("put it back"));
        kept.seed = both.seal_anew(&kept).unwrap().unwrap();
        assert_eq!((new.open(&kept), new.seal_anew(&kept)), (Ok(seed), Ok(None)));
    }
}
