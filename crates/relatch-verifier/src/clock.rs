//! What time it is: the machine's clock, or one that a test moves by hand.

use relatch_token::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time. Every function `Fn() -> Timestamp` is one.
///
/// ```
/// use relatch_verifier::{Clock, Timestamp};
///
/// let stopped = || Timestamp::from_seconds(1_800_000_000);
/// assert_eq!(stopped.now().as_seconds(), 1_800_000_000);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the verifier reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: every token is then not yet valid, and none is accepted.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
