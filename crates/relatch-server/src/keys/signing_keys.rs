//! The keys of a running server: read from the store, swapped as a whole, changed by few and written first.

use super::key_set::HeldKey;
use super::schedule::{self, Step};
use super::vault::Vault;
use super::{Algorithm, Expectations, KeyPolicy, KeySet, KeyView, KeysError, SignError, TokenProblem};
use crate::environment::Entropy;
use bytes::Bytes;
use relatch_store::{KeyStore, SigningKeyRecord};
use relatch_token::{AccessClaims, KeyRing, Seconds, Timestamp};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// The signing keys of a running server; clones share them.
#[derive(Clone)]
pub struct SigningKeys(Arc<Shared>);

struct Shared {
    vault: Vault,
    policy: KeyPolicy,
    set: RwLock<Arc<KeySet>>,
    /// One change at a time in this process; between processes, the store decides.
    changing: Mutex<Reload>,
}

/// The last time that an unknown key made us read the store.
struct Reload {
    again_at: Timestamp,
    failed: Option<KeysError>,
}

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takeover {
    /// Once it has been published for as long as the policy says.
    #[default]
    Published,
    /// At once; refused unless a key waits that every verifier has seen by now.
    Now,
    /// At once, though verifiers may refuse it until they fetch the keys again.
    DangerNow,
}

/// What an operator asks of a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotateOrder {
    /// When the new key begins to sign.
    pub takeover: Takeover,
    /// The algorithm of the new key; none keeps the one of the current key.
    pub algorithm: Option<Algorithm>,
}

impl SigningKeys {
    /// Opens every key in the store and makes the first one where there is none. A key that can't be opened
    /// is an error: serving without it would refuse good tokens, or sign with a key that is over.
    pub async fn load(
        store: &dyn KeyStore,
        ring: KeyRing,
        policy: KeyPolicy,
        entropy: Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<Self, KeysError> {
        policy.check()?;
        let keys = Self::empty(ring, policy, entropy);
        keys.tend(store, now).await?;
        keys.seal_anew(store).await?;
        if let Some(difference) = keys.algorithm_difference(now) {
            tracing::warn!("{difference}");
        }
        Ok(keys)
    }

    /// As [`load`](Self::load), but keys that don't open are left out and nothing is written: for
    /// `relatch keys`, which has to work where the server refuses to start.
    pub async fn load_for_repair(
        store: &dyn KeyStore,
        ring: KeyRing,
        policy: KeyPolicy,
        entropy: Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<(Self, Option<KeysError>), KeysError> {
        let keys = Self::empty(ring, policy, entropy);
        let read = keys.read(store, now).await?;
        Ok((keys, read.trouble))
    }

    /// Signs with the key that is current at `now`.
    pub fn sign(&self, claims: &AccessClaims, now: Timestamp) -> Result<String, SignError> {
        let token = self.set().sign(claims, now)?;
        metrics::counter!("relatch_signatures_total").increment(1);
        Ok(token)
    }

    /// The claims of a token of ours that is good at `now`.
    pub fn verify(
        &self,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<AccessClaims, TokenProblem> {
        self.set().verify(token, expected, now)
    }

    /// As [`verify`](Self::verify), but a key that isn't known here is looked for in the store before the
    /// token is refused, at most once in [`RELOAD_COOL_DOWN`]: another node may have made it a moment ago.
    /// `Err` of the outer result is doubt, a 503.
    pub async fn verify_fresh(
        &self,
        store: &dyn KeyStore,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessClaims, TokenProblem>, KeysError> {
        let verdict = self.verify(token, expected, now);
        if verdict != Err(TokenProblem::UnknownKey) {
            return Ok(verdict);
        }
        // Whoever waits here for another's reload finds its outcome.
        let mut reload = self.0.changing.lock().await;
        if now >= reload.again_at {
            let read = self.read(store, now).await;
            *reload = Reload {
                again_at: now + RELOAD_COOL_DOWN,
                failed: read.map_or_else(Some, |read| read.trouble),
            };
        }
        reload.failed.clone().map_or_else(|| Ok(self.verify(token, expected, now)), Err)
    }

    /// The published keys as JSON (`application/jwk-set+json`), ready to send.
    pub fn jwks(&self, now: Timestamp) -> Bytes {
        self.set().jwks(now)
    }

    /// Every key that opens, the oldest first.
    pub fn view(&self, now: Timestamp) -> Vec<KeyView> {
        self.set().view(now)
    }

    /// The policy that the keys live by.
    pub fn policy(&self) -> &KeyPolicy {
        &self.0.policy
    }

    /// A sentence where the current key isn't of the configured algorithm, which changes nothing by itself.
    pub fn algorithm_difference(&self, now: Timestamp) -> Option<String> {
        let (set, wanted) = (self.set(), self.0.policy.algorithm);
        let is = set.current(now).map(|held| held.key.algorithm)?;
        (is != wanted).then(|| {
            format!(
                "tokens are signed with {} though {} is configured; run `relatch keys rotate --algorithm {} \
                 --danger-now`, or configure {}",
                is.name(),
                wanted.name(),
                wanted.name(),
                is.name()
            )
        })
    }

    /// What has to be done every [`TEND_EVERY`]: learns what other nodes and the command line did, makes the
    /// next key when it is due, finishes what was interrupted, and drops keys that are over. On an error
    /// everything that could be read is in force, and nothing is lost by calling again.
    pub async fn tend(&self, store: &dyn KeyStore, now: Timestamp) -> Result<(), KeysError> {
        let _one_at_a_time = self.0.changing.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let read = self.read(store, now).await?;
            // Who can't open everything doesn't know enough to change anything.
            read.trouble.map_or(Ok(()), Err)?;
            let Some(step) = schedule::due(&read.records, &self.0.policy, now) else {
                return self.tidy(store, read.records, now).await;
            };
            self.take(store, step, read.rows, now).await?;
        }
        Err(KeysError::Contended)
    }

    /// Makes another key sign, by an operator's order, and answers with all keys as they are then.
    pub async fn rotate(
        &self,
        store: &dyn KeyStore,
        order: RotateOrder,
        now: Timestamp,
    ) -> Result<Vec<KeyView>, KeysError> {
        self.0.policy.check()?;
        let _one_at_a_time = self.0.changing.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let read = self.read(store, now).await?;
            let step = schedule::rotation(&read.records, &self.0.policy, order, now)?;
            if self.take(store, step, read.rows, now).await? {
                return self.settle(store, now).await;
            }
        }
        Err(KeysError::Contended)
    }

    /// Takes a key away at once and tells the feed, so that verifiers refuse what it signed. Where it was the
    /// current one, the next key signs from now on, or a new one: another key signs before this one goes.
    pub async fn revoke(
        &self,
        store: &dyn KeyStore,
        kid: &str,
        now: Timestamp,
    ) -> Result<Vec<KeyView>, KeysError> {
        let _one_at_a_time = self.0.changing.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let read = self.read(store, now).await?;
            let is_current = schedule::current(&read.records, now).is_some_and(|current| current.kid == kid);
            if is_current {
                let step = schedule::replacement(&read.records, &self.0.policy, now);
                if !self.take(store, step, read.rows, now).await? {
                    continue;
                }
            }
            return match store.remove_signing_key(kid, Some(now)).await? {
                true => self.settle(store, now).await,
                false => Err(KeysError::NoSuchKey(kid.to_owned())),
            };
        }
        Err(KeysError::Contended)
    }

    fn empty(ring: KeyRing, policy: KeyPolicy, entropy: Arc<dyn Entropy>) -> Self {
        let vault = Vault { ring, rsa_size: policy.rsa_size, entropy };
        let set = RwLock::new(Arc::new(KeySet::new(Vec::new(), policy.access_token_life)));
        let changing = Mutex::new(Reload { again_at: Timestamp::from_millis(i64::MIN), failed: None });
        Self(Arc::new(Shared { vault, policy, set, changing }))
    }

    fn set(&self) -> Arc<KeySet> {
        // The lock is held to clone or to swap one pointer: nothing there can panic half-way.
        self.0.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the store and puts into force what opens.
    async fn read(&self, store: &dyn KeyStore, now: Timestamp) -> Result<Read, KeysError> {
        let records = schedule::in_order(store.signing_keys().await?);
        let (known, mut held, mut trouble) = (self.set(), Vec::new(), None);
        for record in records.iter().filter(|record| !schedule::is_retired(record, now)) {
            // A key that is open stays open, whatever master key seals it by now.
            let is_open = known.held().iter().find(|held| held.key.kid == record.kid);
            match is_open.map_or_else(|| self.0.vault.open(record).map(Arc::new), |held| Ok(held.key.clone()))
            {
                Ok(key) => held.push(HeldKey {
                    key,
                    created_at: record.created_at,
                    active_at: record.active_at,
                    retires_at: record.retires_at,
                }),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        let set = KeySet::new(held, self.0.policy.access_token_life);
        self.measure(&set, now);
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(Read { rows: records.len(), records, trouble })
    }

    /// Carries out a step; `false` where another node was first and everything has to be looked at again.
    async fn take(
        &self,
        store: &dyn KeyStore,
        step: Step,
        rows: usize,
        now: Timestamp,
    ) -> Result<bool, KeysError> {
        match step {
            Step::Activate(record) => Ok(store.update_signing_key(record).await?),
            Step::Add { algorithm, active_at, displaces } => {
                let record = self.0.vault.make(algorithm, active_at, now).await?;
                let kid = record.kid.clone();
                // First, or a crash between the two would let the displaced key take over some day.
                let is_displaced = match displaces {
                    Some(displaced) => store.remove_signing_key(&displaced, None).await?,
                    None => false,
                };
                let is_added = store.add_signing_key(record, rows - usize::from(is_displaced)).await?;
                if is_added {
                    tracing::info!(kid, algorithm = algorithm.name(), "a new signing key was made");
                }
                Ok(is_added)
            }
        }
    }

    /// Writes down when the keys retire that have a successor now.
    async fn settle(&self, store: &dyn KeyStore, now: Timestamp) -> Result<Vec<KeyView>, KeysError> {
        let records = schedule::in_order(store.signing_keys().await?);
        for record in schedule::settled(&records, &self.0.policy, now) {
            store.update_signing_key(record).await?;
        }
        self.read(store, now).await?;
        Ok(self.view(now))
    }

    /// What is not urgent: who retires when, and keys that are over.
    async fn tidy(
        &self,
        store: &dyn KeyStore,
        records: Vec<SigningKeyRecord>,
        now: Timestamp,
    ) -> Result<(), KeysError> {
        let settled = schedule::settled(&records, &self.0.policy, now);
        let is_settled = settled.is_empty();
        for record in settled {
            store.update_signing_key(record).await?;
        }
        for record in records.iter().filter(|record| schedule::is_retired(record, now)) {
            store.remove_signing_key(&record.kid, None).await?;
            tracing::info!(kid = record.kid, "a signing key has retired");
        }
        if !is_settled {
            self.read(store, now).await?;
        }
        Ok(())
    }

    /// Seals under the current master key what another one seals. At start alone: while nodes are restarted
    /// one by one, those with the old order of master keys would undo it for ever, and the last one to start
    /// finds whatever they made meanwhile.
    async fn seal_anew(&self, store: &dyn KeyStore) -> Result<(), KeysError> {
        let _one_at_a_time = self.0.changing.lock().await;
        for record in store.signing_keys().await? {
            if let Some(anew) = self.0.vault.sealed_anew(&record)? {
                store.update_signing_key(anew).await?;
            }
        }
        Ok(())
    }

    fn measure(&self, set: &KeySet, now: Timestamp) {
        metrics::gauge!("relatch_signing_keys_published").set(set.published(now) as f64);
        let next = set.held().iter().find(|held| held.active_at > now).map(|held| held.active_at);
        let scheduled = || {
            let every = self.0.policy.rotate_every;
            set.current(now).filter(|_| every.0 != 0).map(|held| held.active_at + every)
        };
        let seconds_left =
            next.or_else(scheduled).map_or(f64::INFINITY, |at| at.millis_since(now) as f64 / 1000.0);
        metrics::gauge!("relatch_signing_key_seconds_left").set(seconds_left);
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKeys").field(&self.set()).finish()
    }
}

struct Read {
    records: Vec<SigningKeyRecord>,
    rows: usize,
    trouble: Option<KeysError>,
}

/// How often [`SigningKeys::tend`] wants to be called. A quarter of what [`SPREAD`](super::SPREAD) allows
/// for, so that a few failures in a row do no harm.
pub const TEND_EVERY: Seconds = Seconds(15);

/// How often an unknown key may make us read the store: what a flood of nonsense costs.
pub const RELOAD_COOL_DOWN: Seconds = Seconds(1);

/// How often a change is tried again when other nodes were first. Each time one of them got its way.
const ATTEMPTS_MAX: usize = 4;
