//! Passwords: what may become one, how it is kept, and who has the right one.

mod breached;
mod common;
mod hash;
mod pool;
mod rules;
mod scheme;
mod stored;

pub use breached::{BreachedError, BreachedFilter, Imported, import as import_breached};
pub use hash::{CostError, PasswordCost, PasswordVerdict};
pub use pool::Busy;
pub use rules::{ATTEMPT_BYTES_MAX, NewPassword, OwnWords, PasswordRefusal, PasswordRules};
pub use scheme::HashError;
pub use stored::StoredHash;

use crate::environment::Entropy;
use hash::Hasher;
use pool::Pool;
use relatch_token::Secret;
use rules::Attempt;
use std::sync::Arc;
use stored::OutOfMemory;

/// Hashes and compares passwords on threads of their own.
///
/// Memory stays under `threads` times the cost of one hash (of an imported hash, at most 1 GiB), plus the
/// queue. Its metrics are described when it is made, so install the recorder before.
///
/// ```
/// use relatch_server::environment::OsEntropy;
/// use relatch_server::password::{OwnWords, PasswordCost, PasswordRules, Passwords};
/// # use relatch_token::Secret;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let entropy = std::sync::Arc::new(OsEntropy::open()?);
/// let passwords = Passwords::start(PasswordCost::default(), Passwords::default_threads(), 1024, entropy)?;
/// let own = OwnWords { email: "ada@example.com", service: "Relatch" };
/// let chosen = PasswordRules::default().check("correct horse", own)?;
/// let stored = passwords.hash(chosen).await?;
/// let attempt = Secret::new("correct horse".to_owned());
/// assert!(passwords.verify(Some(stored), attempt).await?.matches);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Passwords {
    hasher: Arc<Hasher>,
    pool: Pool,
}

/// Why passwords can't be served.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// The cost of a hash can't be used.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// No threads to be had.
    #[error(
        "can't start the password threads ({0}); lower `passwords.threads` or the limits on this process"
    )]
    Threads(#[from] std::io::Error),
}

impl Passwords {
    /// Starts the threads. Over `queue_max` waiting passwords, further ones are answered [`Busy`].
    pub fn start(
        cost: PasswordCost,
        threads: usize,
        queue_max: usize,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, PasswordsError> {
        let hasher = Arc::new(Hasher::new(cost, entropy)?);
        Ok(Self { hasher, pool: Pool::start(threads, queue_max)? })
    }

    /// Half of the cores, so that the other half is left for refreshes; at least one.
    pub fn default_threads() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
    }

    /// Makes the hash to store of a password that was chosen.
    pub async fn hash(&self, password: NewPassword) -> Result<StoredHash, Busy> {
        let hasher = Arc::clone(&self.hasher);
        self.pool.run(move || hasher.hash(&password)).await?.map_err(report)
    }

    /// Judges an attempt. Give `None` for an account that doesn't exist or has no password: the answer is no,
    /// and takes as long as any other.
    pub async fn verify(
        &self,
        stored: Option<StoredHash>,
        attempt: Secret<String>,
    ) -> Result<PasswordVerdict, Busy> {
        let Some(attempt) = Attempt::parse(attempt) else {
            return Ok(PasswordVerdict::NO_MATCH);
        };
        let hasher = Arc::clone(&self.hasher);
        self.pool.run(move || hasher.verify(stored.as_ref(), attempt)).await?.map_err(report)
    }

    /// Answers what was taken, takes no more, and ends the threads.
    pub async fn stop(&self) {
        self.pool.stop().await;
    }
}

fn report(error: OutOfMemory) -> Busy {
    tracing::error!("{error}");
    Busy::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{OsEntropy, Stopwatch};
    use std::time::Duration;

    fn passwords(cost: PasswordCost) -> Passwords {
        Passwords::start(cost, 1, 64, Arc::new(OsEntropy::open().unwrap())).unwrap()
    }

    fn secret(typed: &str) -> Secret<String> {
        Secret::new(typed.to_owned())
    }

    #[tokio::test]
    async fn nobody_has_a_password_that_nobody_may_choose() {
        let passwords = passwords(PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 });
        // An imported bcrypt hash whose 72 bytes this attempt begins with, past every bound.
        let stored =
            StoredHash::parse("$2b$04$vWjX1kjaiii3ef7k8GkyxOETuZk3zseN5gDhDUybOivB0C9n8Smoq").unwrap();
        for attempt in [secret(&"z".repeat(ATTEMPT_BYTES_MAX + 1)), secret("z\0z")] {
            assert!(!passwords.verify(Some(stored.clone()), attempt).await.unwrap().matches);
        }
        assert!(passwords.verify(Some(stored), secret(&"z".repeat(72))).await.unwrap().matches);
    }

    #[tokio::test]
    async fn an_unknown_account_takes_as_long_as_a_wrong_password() {
        // What the machine does besides only ever adds time, so the fastest of either kind tell the truth: they
        // meet within a fifth after some rounds, or never.
        const ROUNDS: std::ops::Range<u32> = 20..1000;
        let passwords = passwords(PasswordCost { memory_kib: 1024, iterations: 2, parallelism: 1 });
        let own = OwnWords { email: "", service: "" };
        let stored =
            passwords.hash(PasswordRules::default().check("correct horse", own).unwrap()).await.unwrap();
        for typed in ["wrong horse", "wrong hörse", "wrong ho\u{308}rse"] {
            let mut fastest = [Duration::MAX; 2];
            for round in 0..=ROUNDS.end {
                for (account, fastest) in [Some(&stored), None].into_iter().zip(&mut fastest) {
                    let watch = Stopwatch::start();
                    let verdict = passwords.verify(account.cloned(), secret(typed)).await.unwrap();
                    assert!(!verdict.matches);
                    *fastest = watch.elapsed().min(*fastest);
                }
                let [known, unknown] = fastest;
                if round >= ROUNDS.start && known.max(unknown) < known.min(unknown) * 6 / 5 {
                    break;
                }
                assert!(
                    round < ROUNDS.end,
                    "{typed}: {known:?} where the account exists, {unknown:?} where not"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_stopped_pool_answers_busy_and_not_no() {
        let passwords = passwords(PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 });
        passwords.stop().await;
        assert_eq!(passwords.verify(None, secret("correct horse")).await.err(), Some(Busy::Stopping));
    }
}
