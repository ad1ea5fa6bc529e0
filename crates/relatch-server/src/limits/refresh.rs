//! How often one session may refresh.

use super::limiter::{Limited, Limiter, Quota};
use crate::environment::Entropy;
use relatch_token::{Seconds, SessionId, Timestamp};

/// The span that the contract names: at least 100 refreshes in any 30 seconds are answered.
const WINDOW: Seconds = Seconds(30);

/// The budget of refreshes of each session. Never of an address: one office is one address, and what it
/// sends at nine in the morning is a thousand honest refreshes.
///
/// Ask only after the token has proved genuine, or anybody could spend the budget of a session.
pub struct RefreshLimits {
    limiter: Limiter,
    per_session_max: u32,
}

impl RefreshLimits {
    /// At least `per_session_max` refreshes of a session in any 30 seconds, for at most `sessions_max`
    /// sessions at a time.
    pub fn new(per_session_max: u32, sessions_max: usize, entropy: &dyn Entropy) -> Self {
        let limiter = Limiter::new("refresh", Quota::new(per_session_max, WINDOW), sessions_max, entropy);
        Self { limiter, per_session_max }
    }

    /// Counts a refresh of this session.
    pub fn check(&self, session: SessionId, now: Timestamp) -> Result<(), Limited> {
        self.limiter.take(&session, now)
    }

    /// Whether more than half of this session's budget is spent: no client that waits for `refresh_in` does that.
    pub fn is_fast(&self, session: SessionId, now: Timestamp) -> bool {
        self.limiter.used(&session, now) > self.per_session_max / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn a_hundred_refreshes_in_thirty_seconds_are_answered_and_no_other_session_pays() {
        let limits = RefreshLimits::new(100, 1000, &OsEntropy::open().unwrap());
        let [busy, other] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        let now = Timestamp::from_seconds(1_800_000_000);
        for turn in 1..=100 {
            assert_eq!(limits.check(busy, now), Ok(()));
            assert_eq!(limits.is_fast(busy, now), turn > 50, "{turn}");
        }
        assert!(!limits.is_fast(other, now));
        assert_eq!(limits.check(busy, now), Err(Limited { retry_after: Seconds(1) }));
        assert_eq!(limits.check(other, now), Ok(()));
        for _ in 0..100 {
            assert_eq!(limits.check(busy, now + WINDOW), Ok(()));
        }
    }
}
