//! From a row of the store to the key in it, and back: rows are made, opened and sealed anew here.

use super::seal::{self, PrivateDer, Shut};
use super::signing::{SigningKey, generate};
use super::{Algorithm, KeysError, RsaSize};
use crate::environment::Entropy;
use relatch_store::SigningKeyRecord;
use relatch_token::{KeyRing, Timestamp};
use std::sync::Arc;

/// What it takes to make and to open keys.
pub(super) struct Vault {
    pub(super) ring: KeyRing,
    pub(super) rsa_size: RsaSize,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// A new key, sealed under the current master key. Made on a thread that may block, since RSA takes long.
    pub(super) async fn make(
        &self,
        algorithm: Algorithm,
        active_at: Timestamp,
        now: Timestamp,
    ) -> Result<SigningKeyRecord, KeysError> {
        let rsa_size = self.rsa_size;
        let private = tokio::task::spawn_blocking(move || generate(algorithm, rsa_size))
            .await
            .map_err(|error| KeysError::Crypto(error.to_string()))??;
        let key = SigningKey::from_private(algorithm, &private)?;
        Ok(SigningKeyRecord {
            sealed_private: self.seal(&key.kid, algorithm, &private),
            kid: key.kid,
            algorithm: algorithm.name().into(),
            public_jwk: key.public_jwk,
            master_id: self.ring.current_id(),
            created_at: now,
            active_at,
            retires_at: None,
        })
    }

    /// The key of a row.
    pub(super) fn open(&self, record: &SigningKeyRecord) -> Result<SigningKey, KeysError> {
        let damaged = |problem| KeysError::Damaged { kid: record.kid.clone(), problem };
        let (algorithm, private) = self.unseal(record)?;
        let key = SigningKey::from_private(algorithm, &private)
            .map_err(|_| damaged("its private part is not a key of its algorithm"))?;
        if key.kid != record.kid {
            return Err(damaged("its name is not the thumbprint of its public part"));
        }
        Ok(key)
    }

    /// The row as it should be under the current master key; `None` where it is so already.
    pub(super) fn sealed_anew(
        &self,
        record: &SigningKeyRecord,
    ) -> Result<Option<SigningKeyRecord>, KeysError> {
        let master_id = self.ring.current_id();
        if record.master_id == master_id {
            return Ok(None);
        }
        let (algorithm, private) = self.unseal(record)?;
        let sealed_private = self.seal(&record.kid, algorithm, &private);
        Ok(Some(SigningKeyRecord { sealed_private, master_id, ..record.clone() }))
    }

    fn seal(&self, kid: &str, algorithm: Algorithm, private: &PrivateDer) -> Vec<u8> {
        seal::seal(&self.ring, kid, algorithm, private, self.entropy.as_ref())
    }

    fn unseal(&self, record: &SigningKeyRecord) -> Result<(Algorithm, PrivateDer), KeysError> {
        let (kid, master_id) = (&record.kid, record.master_id);
        let algorithm = record.algorithm.parse().map_err(|_| KeysError::Damaged {
            kid: kid.clone(),
            problem: "its algorithm is unknown to this version",
        })?;
        match seal::open(&self.ring, master_id, kid, algorithm, &record.sealed_private) {
            Ok(private) => Ok((algorithm, private)),
            Err(Shut::WrongMaster) => Err(KeysError::MasterWrong { kid: kid.clone(), master_id }),
            Err(Shut::NoSuchMaster) => {
                let given: Vec<String> = self.ring.ids().map(|id| id.to_string()).collect();
                Err(KeysError::MasterMissing { kid: kid.clone(), master_id, given: given.join(", ") })
            }
        }
    }
}
