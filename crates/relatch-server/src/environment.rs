//! The one place where time and randomness enter.

use relatch_token::{Seconds, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Who knows the time.
pub trait Clock: Send + Sync {
    /// The instant at which it is asked.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
///
/// Infallible, so that no caller needs a plan for a world without randomness: a source proves itself when
/// it is opened, and one that breaks later must panic rather than hand out bytes that can be guessed.
pub trait Entropy: Send + Sync {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// What every [`Entropy`] can do, apart from the trait so that `dyn Entropy` stays possible.
pub trait EntropyExt: Entropy {
    /// An array of fresh bytes.
    ///
    /// ```
    /// use relatch_server::environment::{EntropyExt, OsEntropy};
    /// let entropy = OsEntropy::open()?;
    /// let session_id = relatch_token::SessionId::from_bytes(entropy.array());
    /// # Ok::<(), relatch_server::environment::EntropyError>(())
    /// ```
    fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<E: Entropy + ?Sized> EntropyExt for E {}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where time enters")]
    fn now(&self) -> Timestamp {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        })
    }
}

/// The clock of the machine, moved ahead by hand: `relatch dev --test-clock`.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    ahead_millis: AtomicI64,
}

impl ShiftedClock {
    /// Moves the clock forward, never back, and says what it shows then.
    pub fn advance(&self, by: Seconds) -> Timestamp {
        self.ahead_millis.fetch_add(by.as_millis(), Ordering::SeqCst);
        self.now()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.ahead_millis.load(Ordering::SeqCst))
    }
}

/// The random bytes of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct OsEntropy(());

/// The operating system has no random bytes for us.
#[derive(Debug, thiserror::Error)]
#[error(
    "the operating system gives no random bytes ({0}); check that a sandbox does not forbid getrandom(2)"
)]
pub struct EntropyError(getrandom::Error);

impl OsEntropy {
    /// Asks once, so that a machine without randomness is found out at start and not by the first login.
    pub fn open() -> Result<Self, EntropyError> {
        draw(&mut [0; 32]).map_err(EntropyError)?;
        Ok(Self(()))
    }
}

impl Entropy for OsEntropy {
    /// # Panics
    /// When the operating system refuses, which Linux and the BSDs never do after the first success.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = draw(bytes) {
            panic!("{}", EntropyError(error));
        }
    }
}

/// Measures how long something took, for metrics; never a reason for a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "this is the place where time enters")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start, by a clock that never jumps.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place where randomness enters")]
fn draw(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_clock_goes_forward_with_the_system_and_by_hand() {
        let clock = ShiftedClock::default();
        let before = SystemClock.now();
        assert!(clock.now().millis_since(before) < 60_000);
        let shown = clock.advance(Seconds(3600));
        assert!(shown.millis_since(before) >= 3_600_000);
        assert!(clock.now() >= shown);
        assert!(clock.advance(Seconds(u32::MAX)).millis_since(shown) >= Seconds(u32::MAX).as_millis());
    }

    #[test]
    fn the_system_clock_counts_milliseconds_since_1970() {
        // 2026-01-01 and 2200-01-01: a wrong unit misses by a factor of a thousand.
        let now = SystemClock.now().as_seconds();
        assert!((1_767_225_600..7_258_118_400).contains(&now), "{now}");
    }

    #[test]
    fn entropy_fills_everything_and_works_behind_a_dyn() {
        let entropy: &dyn Entropy = &OsEntropy::open().unwrap();
        let draws: [[u8; 32]; 2] = [entropy.array(), entropy.array()];
        assert_ne!(draws[0], draws[1]);
        assert_ne!(draws[0][24..], [0; 8]);
    }

    #[test]
    fn a_stopwatch_never_runs_backwards() {
        let watch = Stopwatch::start();
        let first = watch.elapsed();
        assert!(watch.elapsed() >= first);
    }
}
