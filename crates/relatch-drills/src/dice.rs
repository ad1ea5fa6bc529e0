//! All chance of a drill, from one printed seed; each actor has a stream of its own.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// A stream of chance.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of one actor under a seed.
    pub(crate) fn new(seed: u64, actor: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(actor);
        Self(stream)
    }

    /// A number under `bound`, which is small against 2^64, so that the bias is of no account. 0 where it is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let drawn = self.0.next_u64();
        usize::try_from(drawn.checked_rem(bound as u64).unwrap_or(0)).unwrap_or(0)
    }

    /// A span from `least` to `most` milliseconds, both included.
    pub(crate) fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.0.next_u64() % (most - least + 1))
    }

    /// A span of so many hundredths of `whole`.
    pub(crate) fn percent_of(&mut self, whole: Duration, least: u64, most: u64) -> Duration {
        let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
        self.millis(millis * least / 100, millis * most / 100)
    }

    /// Whether something happens that does so once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
