//! Times as JSON spells them: RFC 3339, UTC, whole seconds.

use relatch_token::Timestamp;

/// `2026-11-22T03:48:46Z`. What no calendar holds is cut to the nearest that one does.
pub fn rfc3339(at: Timestamp) -> String {
    let bounds = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    let seconds = at.as_seconds().clamp(bounds.0, bounds.1);
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_whole_seconds_and_never_a_panic() {
        assert_eq!(rfc3339(Timestamp::from_millis(1_800_000_000_999)), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
        for extreme in [i64::MIN, i64::MAX] {
            assert!(rfc3339(Timestamp::from_millis(extreme)).ends_with('Z'));
        }
    }
}
