//! How long things live: the idle and the absolute limit, and the access token within them.

use relatch_token::{Seconds, Timestamp};

/// The limits of one session, fixed at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// How long it lives after the head last moved (sliding).
    pub idle: Seconds,
    /// When it ends whatever happens (absolute).
    pub expires_at: Timestamp,
}

impl Lifetime {
    /// The end of the idle time that began at `head_at`, never after the absolute end.
    pub fn idle_expires_at(&self, head_at: Timestamp) -> Timestamp {
        (head_at + self.idle).min(self.expires_at)
    }
}

/// When an access token issued now ends: after its life, but never after its session.
pub fn access_expires_at(
    lifetime: &Lifetime,
    head_at: Timestamp,
    life: Seconds,
    now: Timestamp,
) -> Timestamp {
    (now + life).min(lifetime.idle_expires_at(head_at))
}

/// The hint when to refresh, in seconds from now: at four fifths of the access token's life, moved by up to
/// a tenth either way, so that a fleet of clients neither stampedes nor can be kept in step with.
///
/// `jitter` is a random number; every value is as good as another. The answer is never under one second.
pub fn refresh_in(expires_in: Seconds, jitter: u16) -> Seconds {
    let aim = u64::from(expires_in.0) * 4 / 5;
    let per_mille = 900 + u64::from(jitter) * 200 / u64::from(u16::MAX);
    Seconds(u32::try_from((aim * per_mille / 1000).max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_never_outlives_its_session() {
        let start = Timestamp::from_seconds(1000);
        let limits = Lifetime { idle: Seconds(600), expires_at: start + Seconds(3600) };
        assert_eq!(access_expires_at(&limits, start, Seconds(60), start), start + Seconds(60));
        let late = start + Seconds(580);
        assert_eq!(access_expires_at(&limits, start, Seconds(60), late), start + Seconds(600));
        let end = start + Seconds(3590);
        assert_eq!(access_expires_at(&limits, end, Seconds(60), end), start + Seconds(3600));
    }

    #[test]
    fn the_hint_stays_within_a_tenth_and_before_expiry() {
        for jitter in [0, 1, 30_000, u16::MAX] {
            let hint = refresh_in(Seconds(900), jitter).0;
            assert!((648..=792).contains(&hint), "{hint}");
        }
        assert_eq!(refresh_in(Seconds(900), 0), Seconds(648));
        assert_eq!(refresh_in(Seconds(900), u16::MAX), Seconds(792));
        assert_eq!(refresh_in(Seconds(0), 0), Seconds(1));
    }
}
