//! Where keys come from: one document, fetched rarely, by one request at a time, and kept through outages.

use crate::key_set::{KeySet, KeySetError, VerifyingKey};
use crate::memory::Memory;
use crate::{Algorithm, Clock, Flaw, VerifyError};
use relatch_token::{Seconds, Timestamp};
use reqwest::{Client, StatusCode, Url};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::watch;

/// A key document is a few hundred bytes per key.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// After a failed fetch, how long nobody tries again, and how long a client is told to wait.
const RETRY_GAP: Seconds = Seconds(2);

/// No fetch yet, in the place of a time.
const NEVER: i64 = i64::MIN;

/// How long keys are believed, and how often they are asked for.
pub(crate) struct KeyPolicy {
    pub(crate) algorithms: Vec<Algorithm>,
    /// From this age on keys are fetched anew in the background, from twice this age on requests wait for it.
    pub(crate) refresh_after: Seconds,
    /// Through an outage, keys are believed up to this age.
    pub(crate) stale_max: Seconds,
    /// How long after a fetch for an unknown `kid` no other unknown `kid` causes one.
    pub(crate) unknown_kid_cooldown: Seconds,
}

/// How fresh the issuer's keys are: for a readiness check or a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// How many keys are known.
    pub keys: usize,
    /// When the last successful fetch began; none before the first.
    pub fetched_at: Option<Timestamp>,
    /// When the last fetch began, if it failed.
    pub failed_at: Option<Timestamp>,
}

/// The issuer's keys, as they were last seen.
pub(crate) struct KeySource {
    client: Client,
    url: Url,
    pub(crate) policy: KeyPolicy,
    clock: Arc<dyn Clock>,
    /// To be told when a key is gone.
    memory: Arc<Memory>,
    keys: RwLock<KeySet>,
    /// When the last successful fetch began, in Unix milliseconds, or [`NEVER`]; a copy outside the lock.
    fetched_at: AtomicI64,
    /// How many fetches have ended, well or badly.
    fetches_ended: AtomicU64,
    fetches: Mutex<Fetches>,
}

#[derive(Default)]
struct Fetches {
    /// Closed when the fetch has ended.
    running: Option<watch::Receiver<()>>,
    failed_at: Option<Timestamp>,
    unknown_kid_at: Option<Timestamp>,
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Age,
    UnknownKid,
}

/// How many fetches had ended when a request came in: more since then, and its keys are as new as can be.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u64);

impl KeySource {
    pub(crate) fn new(
        client: Client,
        url: Url,
        policy: KeyPolicy,
        clock: Arc<dyn Clock>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            client,
            url,
            policy,
            clock,
            memory,
            keys: RwLock::default(),
            fetched_at: AtomicI64::new(NEVER),
            fetches_ended: AtomicU64::new(0),
            fetches: Mutex::default(),
        }
    }

    /// Makes sure that the keys are young enough to judge by.
    pub(crate) async fn ready(self: &Arc<Self>, now: Timestamp) -> Result<Seen, VerifyError> {
        let seen = Seen(self.fetches_ended.load(Ordering::Acquire));
        match self.age(now) {
            Age::Fresh => {}
            Age::Due => drop(self.fetch(Cause::Age, now)),
            Age::Overdue => {
                // During an outage requests don't wait: the keys at hand will do.
                let was_failing = self.is_failing();
                if let Some(fetch) = self.fetch(Cause::Age, now)
                    && !was_failing
                {
                    end_of(fetch).await;
                }
            }
            Age::TooOld => {
                if let Some(fetch) = self.fetch(Cause::Age, now) {
                    end_of(fetch).await;
                }
                if self.age(now) == Age::TooOld {
                    return Err(self.unavailable(now));
                }
            }
        }
        Ok(seen)
    }

    /// The key of this name, from a new fetch if need be.
    pub(crate) async fn find(
        self: &Arc<Self>,
        kid: &str,
        seen: Seen,
        now: Timestamp,
    ) -> Result<Arc<VerifyingKey>, VerifyError> {
        if let Some(key) = self.look_up(kid) {
            return Ok(key);
        }
        if self.fetches_ended.load(Ordering::Acquire) == seen.0
            && let Some(fetch) = self.fetch(Cause::UnknownKid, now)
        {
            end_of(fetch).await;
        }
        match self.look_up(kid) {
            Some(key) => Ok(key),
            // The key may be a new one that we could not get to see.
            None if self.is_failing() => Err(self.unavailable(now)),
            None => Err(Flaw::UnknownKey.into()),
        }
    }

    pub(crate) fn status(&self) -> KeyStatus {
        let fetched_at = self.fetched_at.load(Ordering::Acquire);
        KeyStatus {
            keys: self.keys.read().unwrap_or_else(PoisonError::into_inner).len(),
            fetched_at: (fetched_at != NEVER).then_some(Timestamp::from_millis(fetched_at)),
            failed_at: self.lock_fetches().failed_at,
        }
    }

    fn look_up(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).find(kid).cloned()
    }

    fn age(&self, now: Timestamp) -> Age {
        let fetched_at = self.fetched_at.load(Ordering::Acquire);
        if fetched_at == NEVER {
            return Age::TooOld;
        }
        let age = elapsed_millis(Timestamp::from_millis(fetched_at), now);
        let refresh_after = self.policy.refresh_after.as_millis().unsigned_abs();
        if age > self.policy.stale_max.as_millis().unsigned_abs() {
            Age::TooOld
        } else if age < refresh_after {
            Age::Fresh
        } else if age < 2 * refresh_after {
            Age::Due
        } else {
            Age::Overdue
        }
    }

    /// Joins the fetch under way, or starts one; none where it is too soon for another.
    fn fetch(self: &Arc<Self>, cause: Cause, now: Timestamp) -> Option<watch::Receiver<()>> {
        let mut fetches = self.lock_fetches();
        if let Some(running) = fetches.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        let is_soon_after = |at: Option<Timestamp>, gap: Seconds| {
            at.is_some_and(|at| elapsed_millis(at, now) < gap.as_millis().unsigned_abs())
        };
        if is_soon_after(fetches.failed_at, RETRY_GAP) {
            return None;
        }
        if cause == Cause::UnknownKid {
            if is_soon_after(fetches.unknown_kid_at, self.policy.unknown_kid_cooldown) {
                return None;
            }
            fetches.unknown_kid_at = Some(now);
        }
        let (end, running) = watch::channel(());
        fetches.running = Some(running.clone());
        // A task of its own: a client that hangs up must not cut off the fetch that others wait for.
        let source = Arc::clone(self);
        tokio::spawn(async move {
            source.fetch_now().await;
            drop(end);
        });
        Some(running)
    }

    async fn fetch_now(&self) {
        let began_at = self.clock.now();
        let outcome = match self.download().await {
            Ok(document) => KeySet::parse(&document, &self.policy.algorithms).map_err(FetchError::from),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(keys) => {
                self.install(keys);
                self.fetched_at.store(began_at.as_millis(), Ordering::Release);
                self.lock_fetches().failed_at = None;
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(url = %self.url, error, "the token issuer's keys cannot be fetched");
                self.lock_fetches().failed_at = Some(began_at);
            }
        }
        self.fetches_ended.fetch_add(1, Ordering::Release);
    }

    async fn download(&self) -> Result<Vec<u8>, FetchError> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::TooLong);
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }

    fn install(&self, new: KeySet) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let previous = std::mem::take(&mut *keys);
        *keys = new.succeed(&previous);
        drop(keys);
        self.memory.drop_retired();
    }

    fn is_failing(&self) -> bool {
        self.lock_fetches().failed_at.is_some()
    }

    fn unavailable(&self, now: Timestamp) -> VerifyError {
        let waited_for = self.lock_fetches().failed_at.map_or(0, |at| elapsed_millis(at, now) / 1000);
        let left = u64::from(RETRY_GAP.0).saturating_sub(waited_for).max(1);
        VerifyError::Unavailable { retry_after: Seconds(u32::try_from(left).unwrap_or(RETRY_GAP.0)) }
    }

    fn lock_fetches(&self) -> std::sync::MutexGuard<'_, Fetches> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Due,
    Overdue,
    TooOld,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("the answer is of no use: {0}")]
    Content(#[from] KeySetError),
}

/// Time passed, whichever way the clock was set: a clock that jumps back makes things old, not eternal.
fn elapsed_millis(since: Timestamp, now: Timestamp) -> u64 {
    now.millis_since(since).unsigned_abs()
}

/// Waits until nobody holds the other end, which nothing is ever sent through.
async fn end_of(mut fetch: watch::Receiver<()>) {
    while fetch.changed().await.is_ok() {}
}
