//! Counting tries by key, in a table whose size is fixed before the first one.

use crate::environment::{Entropy, EntropyExt};
use metrics::{counter, describe_counter};
use relatch_token::{Seconds, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often something may be tried: `max` times at once, and `max` times in each span from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    max: u32,
    interval_millis: u64,
}

impl Quota {
    /// At least `max` tries in any `window`; each comes back by itself after its share of the window.
    /// Zero counts as one.
    pub const fn new(max: u32, window: Seconds) -> Self {
        let max = if max == 0 { 1 } else { max };
        // Rounded down: in doubt for whoever tries.
        let interval_millis = window.0 as u64 * 1000 / max as u64;
        Self { max, interval_millis: if interval_millis == 0 { 1 } else { interval_millis } }
    }

    /// How long a budget that was spent takes to be whole again.
    fn span_millis(self) -> u64 {
        self.interval_millis * u64::from(self.max)
    }
}

/// Refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many tries; try again in {} s", .retry_after.0)]
pub struct Limited {
    /// When the next try will be allowed, if none comes in between.
    pub retry_after: Seconds,
}

/// A budget of tries for each key (GCRA, the leaky bucket of ATM).
///
/// One number for each key: the instant at which its budget will be whole again. A refused try costs
/// nothing, so that hammering delays nobody beyond the quota.
///
/// **Memory.** A key takes 16 bytes, and there are never more keys than the table was made for (rounded up
/// to 512). Until the first use of a part, the part takes nothing.
///
/// **Forgetting.** A key has eight places, chosen by a hash whose key nobody knows. When all are taken, the
/// one whose budget is nearest to whole is forgotten. So a flood of new keys, each of them tried once, drives
/// out itself and what was as good as whole; to free a key that has used up its budget, somebody has to use
/// up the budgets of as many keys as most of the table holds, since he cannot tell which ones share its
/// places.
pub struct Limiter {
    name: &'static str,
    quota: Quota,
    hash_key: [u8; 16],
    sets_per_shard: usize,
    shards: Box<[Mutex<Vec<Set>>]>,
}

type Set = [Slot; WAYS];

#[derive(Clone, Copy, Default)]
struct Slot {
    tag: u64,
    /// When the budget is whole again, in Unix milliseconds; in the past: nothing to remember.
    whole_at: u64,
}

impl Limiter {
    /// For at most `keys_max` keys at a time. Refusals are counted under `name`.
    pub fn new(name: &'static str, quota: Quota, keys_max: usize, entropy: &dyn Entropy) -> Self {
        describe_counter!("relatch_limited_total", "Tries that were refused, by the limit that they met.");
        let sets_per_shard = keys_max.div_ceil(WAYS * SHARDS).max(1);
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { name, quota, hash_key: entropy.array(), sets_per_shard, shards }
    }

    /// Spends one try of this key's budget.
    pub fn take(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> Result<(), Limited> {
        self.take_quietly(key, now).inspect_err(|_| self.count_refusal())
    }

    /// The same for who may come again at once: a refusal is counted when it is answered.
    pub(crate) fn take_quietly(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> Result<(), Limited> {
        self.take_of(key, self.quota.max, now)
    }

    /// The same, where no more than `max` of the quota may be spent: in times when less is allowed.
    pub(super) fn take_of(
        &self,
        key: &(impl Hash + ?Sized),
        max: u32,
        now: Timestamp,
    ) -> Result<(), Limited> {
        let (now, span) = (millis(now), self.quota.span_millis());
        let allowed = self.quota.interval_millis * u64::from(max.clamp(1, self.quota.max));
        let place = self.place(key);
        let mut shard = self.lock(&place);
        let slot = self.slot_or_free(&mut shard, &place);
        let known = if slot.tag == place.tag { slot.whole_at } else { 0 };
        // A budget is never more than spent: without the bound, a clock set back would lock everybody out.
        let whole_at = known.clamp(now, now + span) + self.quota.interval_millis;
        if let Some(early) = whole_at.checked_sub(now + allowed).filter(|early| *early > 0) {
            return Err(Limited { retry_after: seconds(early) });
        }
        *slot = Slot { tag: place.tag, whole_at };
        Ok(())
    }

    pub(super) fn count_refusal(&self) {
        counter!("relatch_limited_total", "limit" => self.name).increment(1);
    }

    /// The whole quota, in tries.
    pub(super) fn max(&self) -> u32 {
        self.quota.max
    }

    /// How much of this key's budget is spent, in tries.
    pub(super) fn spent(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> u32 {
        let left = self.left_millis(key, now).div_ceil(self.quota.interval_millis);
        left.try_into().unwrap_or(u32::MAX)
    }

    /// Refuses every try of this key until its budget is whole again.
    pub(super) fn until_whole(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> Result<(), Limited> {
        match self.left_millis(key, now) {
            0 => Ok(()),
            left => Err(Limited { retry_after: seconds(left) }),
        }
    }

    /// Spends so much of this key's budget that it is whole again at `at`, and never sooner than it was.
    pub(super) fn spend_until(&self, key: &(impl Hash + ?Sized), at: Timestamp) {
        let place = self.place(key);
        let mut shard = self.lock(&place);
        let slot = self.slot_or_free(&mut shard, &place);
        let known = if slot.tag == place.tag { slot.whole_at } else { 0 };
        *slot = Slot { tag: place.tag, whole_at: known.max(millis(at)) };
    }

    /// The most memory that all keys together take.
    pub(super) fn bytes_max(&self) -> usize {
        SHARDS * (self.sets_per_shard * size_of::<Set>() + size_of::<Mutex<Vec<Set>>>())
    }

    /// How long until this key's budget is whole again. Never more than a whole budget, whatever the clock did.
    fn left_millis(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> u64 {
        let place = self.place(key);
        let mut shard = self.lock(&place);
        let slot = self.slot_or_free(&mut shard, &place);
        if slot.tag != place.tag {
            return 0;
        }
        slot.whole_at.saturating_sub(millis(now)).min(self.quota.span_millis())
    }

    /// Gives back one try that was taken.
    pub fn give_back(&self, key: &(impl Hash + ?Sized)) {
        self.amend(key, |slot| slot.whole_at = slot.whole_at.saturating_sub(self.quota.interval_millis));
    }

    /// How many tries of this key's budget are spent now.
    pub fn used(&self, key: &(impl Hash + ?Sized), now: Timestamp) -> u32 {
        let place = self.place(key);
        // By looking alone no part of the table is made.
        let slots = self.lock(&place).get(place.set).copied().unwrap_or_default();
        let own = slots.iter().find(|slot| slot.tag == place.tag);
        let whole_at = own.map_or(0, |slot| slot.whole_at);
        let left = whole_at.saturating_sub(millis(now)).min(self.quota.span_millis());
        left.div_ceil(self.quota.interval_millis).try_into().unwrap_or(u32::MAX)
    }

    /// Makes the budget of this key whole.
    pub fn forget(&self, key: &(impl Hash + ?Sized)) {
        self.amend(key, |slot| *slot = Slot::default());
    }

    fn amend(&self, key: &(impl Hash + ?Sized), change: impl FnOnce(&mut Slot)) {
        let place = self.place(key);
        let mut shard = self.lock(&place);
        let slot = self.slot_or_free(&mut shard, &place);
        if slot.tag == place.tag {
            change(slot);
        }
    }

    fn place(&self, key: &(impl Hash + ?Sized)) -> Place {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        key.hash(&mut hasher);
        let hash = hasher.finish128();
        let (shard, set) = (hash.h1 as usize % SHARDS, (hash.h1 >> 32) as usize % self.sets_per_shard);
        Place { shard, set, tag: hash.h2 }
    }

    fn lock(&self, place: &Place) -> MutexGuard<'_, Vec<Set>> {
        // Nothing in here panics half-way, so a poisoned part is as good as any.
        self.shards[place.shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of this key, or the one to forget in its favour.
    fn slot_or_free<'a>(&self, shard: &'a mut Vec<Set>, place: &Place) -> &'a mut Slot {
        if shard.is_empty() {
            shard.resize(self.sets_per_shard, Set::default());
        }
        let set = &mut shard[place.set];
        let own = set.iter().position(|slot| slot.tag == place.tag);
        let nearest_to_whole = || (0..WAYS).min_by_key(|at| set[*at].whole_at).unwrap_or_default();
        let at = own.unwrap_or_else(nearest_to_whole);
        &mut set[at]
    }
}

struct Place {
    shard: usize,
    set: usize,
    tag: u64,
}

fn seconds(millis: u64) -> Seconds {
    Seconds(millis.div_ceil(1000).try_into().unwrap_or(u32::MAX))
}

fn millis(at: Timestamp) -> u64 {
    at.as_millis().try_into().unwrap_or_default()
}

/// Places of one key: with eight, few keys are forgotten before the table is full.
const WAYS: usize = 8;

/// Parts of the table with a lock of their own, so that cores rarely wait for each other.
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn limiter(max: u32, window: u32, keys_max: usize) -> Limiter {
        let quota = Quota::new(max, Seconds(window));
        Limiter::new("test", quota, keys_max, &OsEntropy::open().unwrap())
    }

    fn after(millis: i64) -> Timestamp {
        Timestamp::from_millis(START.as_millis() + millis)
    }

    fn limited(seconds: u32) -> Result<(), Limited> {
        Err(Limited { retry_after: Seconds(seconds) })
    }

    #[test]
    fn what_is_spent_can_be_asked_without_spending_it() {
        let limiter = limiter(10, 300, 1000);
        assert_eq!(limiter.used("ada", START), 0);
        for spent in 1..=10 {
            assert_eq!(limiter.take("ada", START), Ok(()));
            assert_eq!((limiter.used("ada", START), limiter.used("eve", START)), (spent, 0));
        }
        assert_eq!(
            [29_999, 30_000, 299_999, 300_000].map(|at| limiter.used("ada", after(at))),
            [10, 9, 1, 0]
        );
    }

    #[test]
    fn the_budget_is_spent_at_once_and_comes_back_try_by_try() {
        let limiter = limiter(10, 300, 1000);
        for _ in 0..10 {
            assert_eq!(limiter.take("ada", START), Ok(()));
        }
        assert_eq!(limiter.take("ada", START), limited(30));
        assert_eq!(limiter.take("ada", after(500)), limited(30));
        assert_eq!(limiter.take("ada", after(29_999)), limited(1));
        assert_eq!(limiter.take("ada", after(30_000)), Ok(()));
        assert_eq!(limiter.take("ada", after(30_000)), limited(30));
        // Another key has a budget of its own.
        assert_eq!(limiter.take("eve", START), Ok(()));
        // A whole window later, it is whole again and no more than that.
        for _ in 0..10 {
            assert_eq!(limiter.take("ada", after(1_000_000)), Ok(()));
        }
        assert_eq!(limiter.take("ada", after(1_000_000)), limited(30));
    }

    #[test]
    fn refused_tries_cost_nothing() {
        let limiter = limiter(1, 30, 1000);
        assert_eq!(limiter.take("ada", START), Ok(()));
        for at in 0..30_000 {
            assert!(limiter.take("ada", after(at)).is_err());
        }
        assert_eq!(limiter.take("ada", after(30_000)), Ok(()));
    }

    #[test]
    fn the_quota_is_answered_in_any_window_whatever_the_pace() {
        // 100 in 30 s, at every pace from one a millisecond to one in 300.
        for pace in [1, 7, 100, 299, 300] {
            let limiter = limiter(100, 30, 1000);
            let answered: Vec<i64> =
                (0..90_000).step_by(pace).filter(|at| limiter.take("ada", after(*at)).is_ok()).collect();
            for window in (0..60_000).step_by(1000) {
                let within = answered.iter().filter(|at| (window..window + 30_000).contains(*at)).count();
                assert!(within >= 100, "{within} from {window} ms at one in {pace} ms");
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = limiter(2, 60, 1000);
        for _ in 0..50 {
            assert_eq!(limiter.take("ada", START), Ok(()));
            limiter.give_back("ada");
        }
        // Never more than whole.
        limiter.give_back("ada");
        limiter.give_back("unknown");
        assert_eq!(limiter.take("ada", START), Ok(()));
        assert_eq!(limiter.take("ada", START), Ok(()));
        assert_eq!(limiter.take("ada", START), limited(30));
        limiter.forget("ada");
        assert_eq!(limiter.take("ada", START), Ok(()));
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let limiter = limiter(2, 60, 1000);
        assert_eq!(limiter.take("ada", START), Ok(()));
        assert_eq!(limiter.take("ada", after(-86_400_000)), limited(30));
        assert_eq!(limiter.take("ada", after(-86_400_000 + 60_000)), limited(30));
        limiter.forget("ada");
        for at in [Timestamp::EPOCH, Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)] {
            assert_eq!(limiter.take("ada", at), Ok(()), "{at:?}");
            limiter.forget("ada");
        }
    }

    #[test]
    fn extreme_quotas_are_taken_at_their_word() {
        assert_eq!(Quota::new(0, Seconds(0)), Quota { max: 1, interval_millis: 1 });
        let widest = limiter(u32::MAX, u32::MAX, 0);
        assert_eq!(widest.take("ada", START), Ok(()));
        let slowest = limiter(1, u32::MAX, 0);
        assert_eq!(slowest.take("ada", START), Ok(()));
        assert_eq!(slowest.take("ada", START), limited(u32::MAX));
    }

    #[test]
    fn a_million_random_keys_stay_in_bounds_and_free_nobody() {
        const KEYS_MAX: usize = 10_000;
        let limiter = limiter(10, 300, KEYS_MAX);
        for _ in 0..10 {
            assert_eq!(limiter.take("victim", START), Ok(()));
        }
        for flood in 0..1_000_000u32 {
            let _ = limiter.take(&flood, START);
        }
        let bytes: usize = limiter
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().capacity() * size_of::<Set>() + size_of_val(shard))
            .sum();
        assert!(bytes <= (KEYS_MAX + WAYS * SHARDS) * 16 + SHARDS * 64, "{bytes} bytes");
        assert!(bytes <= limiter.bytes_max(), "{bytes} bytes, and {} were stated", limiter.bytes_max());
        assert_eq!(limiter.take("victim", START), limited(30));
    }

    #[test]
    fn a_key_not_forgotten_yet_is_refused_even_beside_spent_ones() {
        // Eight keys spend all, in a table of one set for each shard: a ninth finds a place all the same,
        // and of the eight at most one is forgotten.
        let limiter = limiter(3, 90, 1);
        let mut keys = (0u32..).filter(|key| limiter.place(key).shard == 0);
        let spent: Vec<u32> = keys.by_ref().take(WAYS).collect();
        for key in &spent {
            while limiter.take(key, START).is_ok() {}
        }
        assert_eq!(limiter.take(&keys.next().unwrap(), START), Ok(()));
        let still_spent = spent.iter().filter(|key| limiter.take(*key, START).is_err()).count();
        assert_eq!(still_spent, WAYS - 1);
    }

    #[test]
    fn a_table_of_the_asked_size_remembers_nearly_all_of_its_keys() {
        const KEYS: u32 = 8_000;
        let limiter = limiter(1, 300, KEYS as usize * 5 / 4);
        for key in 0..KEYS {
            assert_eq!(limiter.take(&key, START), Ok(()));
        }
        let forgotten = (0..KEYS).filter(|key| limiter.take(key, START).is_ok()).count();
        assert!(forgotten < KEYS as usize / 5, "{forgotten} of {KEYS}");
    }

    #[test]
    fn a_part_of_a_quota_is_refused_sooner_and_comes_back_at_its_pace() {
        let limiter = limiter(10, 300, 1000);
        for _ in 0..3 {
            assert_eq!(limiter.take_of("ada", 3, START), Ok(()));
        }
        assert_eq!(limiter.take_of("ada", 3, START), limited(30));
        assert_eq!(limiter.spent("ada", START), 3);
        assert_eq!(limiter.take_of("ada", 3, after(30_000)), Ok(()));
        assert_eq!(limiter.take_of("ada", 4, after(30_000)), Ok(()), "the rest is still there");
        assert_eq!(limiter.take_of("eve", 0, START), Ok(()), "nothing at all is never meant");
        assert_eq!((limiter.spent("ada", after(30_000)), limiter.spent("nobody", START)), (4, 0));
    }

    #[test]
    fn what_is_held_until_a_time_is_refused_until_then() {
        let limiter = limiter(1, 30, 1000);
        assert_eq!(limiter.until_whole("ada", START), Ok(()));
        limiter.spend_until("ada", after(4_000));
        limiter.spend_until("ada", after(2_000));
        assert_eq!(limiter.until_whole("ada", START), limited(4));
        assert_eq!(limiter.until_whole("ada", after(3_999)), limited(1));
        assert_eq!(limiter.until_whole("ada", after(4_000)), Ok(()));
        assert_eq!(limiter.until_whole("eve", START), Ok(()));
        assert_eq!(limiter.until_whole("ada", after(-86_400_000)), limited(30), "a clock that was set back");
    }

    #[test]
    fn two_limiters_place_one_key_apart() {
        let places: std::collections::BTreeSet<u64> =
            (0..8).map(|_| limiter(1, 1, 1_000_000).place("ada").tag).collect();
        assert_eq!(places.len(), 8);
    }
}
