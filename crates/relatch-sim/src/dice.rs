//! All chance of a simulation, from one seed: what is random in one room does not move what is random in another.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use relatch_server::environment::Entropy;
use std::sync::{Arc, Mutex, PoisonError};

/// Where chance is needed. Each has a stream of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// The server's random bytes.
    Entropy = 1,
    /// Latency, loss and copies of messages.
    Network = 2,
    /// Latency and faults of the store.
    Store = 3,
    /// What the actors do and when.
    Actors = 4,
    /// Which actors and faults there are.
    Cast = 5,
}

/// A stream of chance; clones draw from the same one.
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<ChaCha8Rng>>);

impl Dice {
    /// The stream of one room under a seed.
    pub(crate) fn new(seed: u64, room: Room) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(room as u64);
        Self(Arc::new(Mutex::new(stream)))
    }

    /// A number under `bound`, which is small against 2^64, so that the bias is of no account. 0 where it is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64();
        drawn.checked_rem(bound).unwrap_or(0)
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&self, (least, most): (i64, i64)) -> i64 {
        let width = u64::try_from(most - least + 1).unwrap_or(1);
        least + i64::try_from(self.below(width)).unwrap_or(0)
    }

    /// Whether something happens that does so `per_mille` times in a thousand.
    pub(crate) fn comes_up(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }
}

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
