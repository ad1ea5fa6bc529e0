//! What was revoked while its access tokens still live.

use crate::Clock;
use relatch_token::{AccessClaims, Seconds, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// How many sessions and users are remembered before the memory is folded into one line in time: about 100 MB.
const ENTRIES_MAX: usize = 1_000_000;

/// Below this many entries, looking for outdated ones is not worth the while.
const SWEEP_FROM: usize = 1024;

/// Sessions and users whose access tokens are refused from now on.
///
/// An entry is kept for as long as a token from before it can live (`token_life_max` and the leeway), so the
/// set stays as small as the traffic of logouts. Should it ever hold a million entries, it is folded into
/// [`revoke_everyone`](Self::revoke_everyone): everybody refreshes once, and nothing revoked is forgotten.
///
/// ```
/// # let issuer = "https://auth.example.com";
/// # let verifier = relatch_verifier::Verifier::builder(issuer).audience("api").build()?;
/// # let now = relatch_verifier::Timestamp::from_seconds(1_800_000_000);
/// verifier.revocations().revoke_session("ses_AAAAAAAAAAAAAAAAAAAAAA", now);
/// verifier.revocations().revoke_user("usr_AAAAAAAAAAAAAAAAAAAAAA", now);
/// assert_eq!(verifier.revocations().len(), 2);
/// # Ok::<(), relatch_verifier::ConfigError>(())
/// ```
pub struct Revocations {
    clock: Arc<dyn Clock>,
    kept_for: Seconds,
    entries_max: usize,
    /// A copy of `entries.len()`: while it is zero, nobody needs the lock.
    count: AtomicUsize,
    entries: RwLock<Entries>,
}

impl Revocations {
    pub(crate) fn new(clock: Arc<dyn Clock>, kept_for: Seconds) -> Self {
        let entries = RwLock::new(Entries::default());
        Self { clock, kept_for, entries_max: ENTRIES_MAX, count: AtomicUsize::new(0), entries }
    }

    /// Refuses every token of this session (`sid`), which the issuer revoked at `revoked_at`.
    pub fn revoke_session(&self, sid: &str, revoked_at: Timestamp) {
        self.insert(|entries| keep_latest(&mut entries.sessions, sid, revoked_at));
    }

    /// Refuses every token of this user (`sub`) that was issued before `not_before`.
    ///
    /// Tokens say in whole seconds when they were issued, so one of the same second counts as older: after a
    /// logout everywhere, a token from a new login is good from the next full second on.
    pub fn revoke_user(&self, sub: &str, not_before: Timestamp) {
        self.insert(|entries| keep_latest(&mut entries.users, sub, not_before));
    }

    /// Refuses every token that was issued before `not_before`, whoever has it.
    pub fn revoke_everyone(&self, not_before: Timestamp) {
        self.insert(|entries| entries.everyone = entries.everyone.max(Some(not_before)));
    }

    /// How many revocations are remembered.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a token with these claims was revoked.
    pub(crate) fn cover(&self, claims: &AccessClaims) -> bool {
        if self.is_empty() {
            return false;
        }
        let issued_at = Timestamp::from_seconds(claims.iat);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.sessions.contains_key(claims.sid.as_str())
            || entries.users.get(claims.sub.as_str()).is_some_and(|not_before| issued_at < *not_before)
            || entries.everyone.is_some_and(|not_before| issued_at < not_before)
    }

    fn insert(&self, insertion: impl FnOnce(&mut Entries)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        insertion(&mut entries);
        if entries.len() >= entries.sweep_at_len.clamp(SWEEP_FROM.min(self.entries_max), self.entries_max) {
            entries.sweep(self.clock.now() - self.kept_for);
            if entries.len() >= self.entries_max {
                entries.fold();
            }
            // Sweeping at each doubling costs every insertion a constant share.
            entries.sweep_at_len = entries.len() * 2;
        }
        self.count.store(entries.len(), Ordering::Release);
    }
}

#[derive(Default)]
struct Entries {
    /// By session: when it was revoked.
    sessions: HashMap<Box<str>, Timestamp>,
    /// By user: tokens issued before are dead.
    users: HashMap<Box<str>, Timestamp>,
    /// Tokens of anybody, issued before, are dead.
    everyone: Option<Timestamp>,
    sweep_at_len: usize,
}

impl Entries {
    fn len(&self) -> usize {
        self.sessions.len() + self.users.len() + usize::from(self.everyone.is_some())
    }

    /// Drops the entries whose tokens have all expired.
    fn sweep(&mut self, oldest: Timestamp) {
        self.sessions.retain(|_, revoked_at| *revoked_at >= oldest);
        self.users.retain(|_, not_before| *not_before >= oldest);
        self.everyone = self.everyone.filter(|not_before| *not_before >= oldest);
    }

    /// Makes one line in time of all entries, late enough to cover each of them.
    fn fold(&mut self) {
        // A session may have got its last token in the millisecond in which it was revoked.
        let sessions = self.sessions.drain().map(|(_, revoked_at)| revoked_at + Seconds(1));
        let users = self.users.drain().map(|(_, not_before)| not_before);
        self.everyone = sessions.chain(users).chain(self.everyone).max();
        tracing::warn!("too many revocations to remember one by one: every user has to refresh once");
    }
}

fn keep_latest(entries: &mut HashMap<Box<str>, Timestamp>, name: &str, at: Timestamp) {
    entries.entry(name.into()).and_modify(|known| *known = at.max(*known)).or_insert(at);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims(sub: &str, sid: &str, iat: i64) -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": "i", "aud": "a", "sub": sub, "iat": iat, "exp": iat + 900, "jti": "j", "client_id": "c",
            "sid": sid, "auth_time": iat, "amr": [], "acr": "1",
        }))
        .unwrap()
    }

    fn revocations(entries_max: usize, now: i64) -> Revocations {
        let clock = Arc::new(move || Timestamp::from_seconds(now));
        Revocations { entries_max, ..Revocations::new(clock, Seconds(960)) }
    }

    #[test]
    fn a_revoked_session_is_refused_and_its_neighbour_is_not() {
        let revocations = revocations(100, NOW);
        assert!(revocations.is_empty() && !revocations.cover(&claims("u", "s", NOW)));
        revocations.revoke_session("s", Timestamp::from_seconds(NOW));
        assert!(revocations.cover(&claims("u", "s", NOW)) && !revocations.cover(&claims("u", "t", NOW)));
    }

    #[test]
    fn a_user_line_refuses_what_was_issued_before_it_and_never_moves_back() {
        let revocations = revocations(100, NOW);
        let line = Timestamp::from_millis(NOW * 1000 + 1);
        revocations.revoke_user("u", line);
        revocations.revoke_user("u", Timestamp::EPOCH);
        assert!(revocations.cover(&claims("u", "s", NOW - 1)) && revocations.cover(&claims("u", "s", NOW)));
        revocations.revoke_user("w", Timestamp::from_seconds(NOW));
        assert!(revocations.cover(&claims("w", "s", NOW - 1)) && !revocations.cover(&claims("w", "s", NOW)));
        assert!(!revocations.cover(&claims("u", "s", NOW + 1)) && !revocations.cover(&claims("v", "s", NOW)));
    }

    #[test]
    fn outdated_entries_are_swept_and_living_ones_kept() {
        let revocations = revocations(4000, NOW);
        for n in 0..1023 {
            revocations.revoke_session(&n.to_string(), Timestamp::from_seconds(NOW - 961));
        }
        assert_eq!(revocations.len(), 1023);
        revocations.revoke_session("alive", Timestamp::from_seconds(NOW - 960));
        assert_eq!(revocations.len(), 1);
        assert!(revocations.cover(&claims("u", "alive", NOW - 961)));
    }

    #[test]
    fn a_full_memory_folds_and_forgets_nothing() {
        let revocations = revocations(10, NOW);
        for n in 0..100 {
            revocations.revoke_session(&format!("s{n}"), Timestamp::from_seconds(NOW));
            revocations.revoke_user(&format!("u{n}"), Timestamp::from_seconds(NOW));
            assert!(revocations.len() <= 10);
            assert!((0..=n).all(|m| revocations.cover(&claims("x", &format!("s{m}"), NOW))), "{n}");
            assert!((0..=n).all(|m| revocations.cover(&claims(&format!("u{m}"), "x", NOW - 1))), "{n}");
        }
        assert!(!revocations.cover(&claims("x", "x", NOW + 1)), "new tokens are good");
    }
}
