//! What goes wrong in a store, and how often it really did.

use crate::dice::{Dice, Room};
use crate::timeline::Millis;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a store behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultProfile {
    /// How long a verb takes to the store, and its answer back: from, to.
    pub(crate) latency: (Millis, Millis),
    /// How many verbs in a thousand take [`FaultProfile::slow`] on top.
    pub(crate) slow_per_mille: u64,
    /// From, to.
    pub(crate) slow: (Millis, Millis),
    /// How many in a thousand fail before anything happens.
    pub(crate) unavailable_per_mille: u64,
    /// How many in a thousand fail after all has happened.
    pub(crate) unknown_per_mille: u64,
}

/// How often faults struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultCounts {
    /// Verbs that took long.
    pub(crate) slow: u64,
    /// Verbs that failed and did nothing.
    pub(crate) unavailable: u64,
    /// Verbs that did what they should, and failed.
    pub(crate) unknown: u64,
    /// Crashes.
    pub(crate) crashes: u64,
    /// Moves of heads that crashes lost.
    pub(crate) moves_lost: u64,
}

/// The faults of one store.
pub(crate) struct Faults(Mutex<State>);

struct State {
    profile: FaultProfile,
    is_down: bool,
    counts: FaultCounts,
    dice: Dice,
}

/// What happens to one verb.
pub(crate) struct Fate {
    pub(crate) before: Millis,
    pub(crate) after: Millis,
    pub(crate) fails_before: bool,
    pub(crate) fails_after: bool,
}

impl Faults {
    /// The faults that a seed brings.
    pub(crate) fn new(seed: u64, profile: FaultProfile) -> Self {
        let dice = Dice::new(seed, Room::Store);
        Self(Mutex::new(State { profile, is_down: false, counts: FaultCounts::default(), dice }))
    }

    /// Draws what happens to the next verb.
    pub(crate) fn draw(&self) -> Fate {
        let mut state = self.lock();
        let (profile, dice) = (state.profile, state.dice.clone());
        let is_slow = dice.comes_up(profile.slow_per_mille);
        let extra = if is_slow { dice.between(profile.slow) } else { 0 };
        state.counts.slow += u64::from(is_slow);
        Fate {
            before: dice.between(profile.latency) + extra,
            after: dice.between(profile.latency),
            fails_before: dice.comes_up(profile.unavailable_per_mille),
            fails_after: dice.comes_up(profile.unknown_per_mille),
        }
    }

    /// Whether the store is gone at this instant.
    pub(crate) fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// Takes the store away, or brings it back.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// From now on everything works at once.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.profile = FaultProfile::default();
        state.is_down = false;
    }

    /// Counts what happened.
    pub(crate) fn note(&self, note: impl FnOnce(&mut FaultCounts)) {
        note(&mut self.lock().counts);
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> FaultCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
