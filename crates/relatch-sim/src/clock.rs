//! The server's clock.

use crate::timeline::{Millis, Timeline};
use relatch_server::environment::Clock;
use relatch_token::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// The server's clock: virtual time, moved by steps.
pub(crate) struct SimClock {
    timeline: Timeline,
    steps: AtomicI64,
}

impl SimClock {
    /// A clock that begins with the simulation.
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self { timeline, steps: AtomicI64::new(0) }
    }

    /// Moves it, back where `by` is negative.
    pub(crate) fn step(&self, by: Millis) {
        self.steps.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.timeline.now() + self.steps.load(Ordering::Relaxed))
    }
}

/// When every simulation begins, in Unix milliseconds.
pub(crate) const BEGIN: i64 = 1_800_000_000_000;
