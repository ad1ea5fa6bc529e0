//! When a delivery that failed is tried again: ever later, never all at once, and not for ever.

use relatch_token::{Seconds, Timestamp};

/// When the attempt after number `attempt` is due; `None` where it is given up. `dice` scatters what failed
/// together over a fifth of the pause, to both sides.
pub(super) fn next_attempt(
    attempt: u32,
    created_at: Timestamp,
    now: Timestamp,
    dice: u16,
) -> Option<Timestamp> {
    let doubled = FIRST_MILLIS << attempt.saturating_sub(1).min(DOUBLINGS_MAX);
    let pause = doubled.min(LONGEST_MILLIS);
    let scatter = pause / 5 * i64::from(dice) / i64::from(u16::MAX) - pause / 10;
    let at = Timestamp::from_millis(now.as_millis() + pause + scatter);
    (at < created_at + GIVEN_UP_AFTER).then_some(at)
}

/// Mail servers try for days (RFC 5321 §4.5.4.1); a link in a message is long dead then.
pub const GIVEN_UP_AFTER: Seconds = Seconds(3 * 86_400);
const FIRST_MILLIS: i64 = 5_000;
/// An hour: who was away for a day is reached soon after coming back.
const LONGEST_MILLIS: i64 = 3_600_000;
/// Keeps the shift from overflowing; the longest pause is reached before.
const DOUBLINGS_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn pauses_double_up_to_an_hour_and_are_scattered_by_a_tenth_to_both_sides() {
        let pause = |attempt, dice| {
            next_attempt(attempt, START, START, dice).unwrap().as_millis() - START.as_millis()
        };
        assert_eq!(
            [1, 2, 3, 10, 11, 40, u32::MAX].map(|attempt| pause(attempt, u16::MAX / 2) / 1000),
            [4, 9, 19, 2559, 3599, 3599, 3599]
        );
        assert_eq!((pause(1, 0), pause(1, u16::MAX)), (4_500, 5_500));
    }

    #[test]
    fn a_delivery_is_given_up_after_three_days_and_not_before() {
        let end = START + GIVEN_UP_AFTER;
        let last = Timestamp::from_millis(end.as_millis() - 4_501);
        assert_eq!(next_attempt(1, START, last, 0), Some(Timestamp::from_millis(end.as_millis() - 1)));
        let late = Timestamp::from_millis(last.as_millis() + 1);
        assert_eq!(next_attempt(1, START, late, 0), None);
        // The number of attempts alone gives nothing up.
        let (mut now, mut attempts) = (START, 0);
        while let Some(next) = next_attempt(attempts + 1, START, now, 9_000) {
            (now, attempts) = (next, attempts + 1);
        }
        assert!((70..100).contains(&attempts), "{attempts} attempts in three days");
    }
}
