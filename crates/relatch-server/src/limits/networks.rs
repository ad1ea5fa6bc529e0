//! From which network each session was refreshed last, in a table whose size is fixed before the first one.

use crate::environment::{Entropy, EntropyExt};
use relatch_core::network_of;
use relatch_token::{Seconds, SessionId, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last network of each session.
///
/// Sessions share places, and the later one takes the place of the earlier: what is forgotten is a signal that
/// does not fire. A place takes 24 bytes; until the first use of a part of the table, the part takes nothing.
pub struct LastNetworks {
    hash_key: [u8; 16],
    places_per_shard: usize,
    shards: Box<[Mutex<Vec<Seen>>]>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    session: u64,
    network: u64,
    at_millis: i64,
}

impl LastNetworks {
    /// For about `sessions_max` sessions at a time.
    pub fn new(sessions_max: usize, entropy: &dyn Entropy) -> Self {
        Self {
            hash_key: entropy.array(),
            places_per_shard: sessions_max.div_ceil(SHARDS).max(1),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Remembers a refresh, and says whether the one before came from another network less than `window` ago.
    pub fn has_moved(&self, session: SessionId, ip: IpAddr, window: Seconds, now: Timestamp) -> bool {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        session.hash(&mut hasher);
        let hash = hasher.finish128();
        let (shard, place) = (hash.h1 as usize % SHARDS, (hash.h1 >> 32) as usize % self.places_per_shard);
        let seen = Seen { session: hash.h2, network: network_of(ip), at_millis: now.as_millis() };
        let mut places = self.lock(shard);
        if places.is_empty() {
            places.reserve_exact(self.places_per_shard);
            places.resize(self.places_per_shard, Seen::default());
        }
        let before = std::mem::replace(&mut places[place], seen);
        let age = now.as_millis() - before.at_millis;
        before.session == seen.session
            && before.network != seen.network
            && (0..window.as_millis()).contains(&age)
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Vec<Seen>> {
        // Nothing in here panics half-way, so a poisoned part is as good as any.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts of the table with a lock of their own, so that cores rarely wait for each other.
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn another_network_inside_the_window_counts_and_at_its_end_no_longer() {
        let networks = LastNetworks::new(1000, &OsEntropy::open().unwrap());
        let start = Timestamp::from_seconds(1_800_000_000);
        let [ada, bob] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        let window = Seconds(30);
        let moved = |session, ip: &str, millis: i64| {
            let now = Timestamp::from_millis(start.as_millis() + millis);
            networks.has_moved(session, ip.parse().unwrap(), window, now)
        };
        assert!(!moved(ada, "192.0.2.1", 0), "nothing was seen before");
        assert!(!moved(ada, "192.0.2.200", 1), "one network");
        assert!(!moved(bob, "198.51.100.1", 2), "another session");
        assert!(moved(ada, "198.51.100.1", 30_000));
        assert!(moved(ada, "2001:db8::1", 59_999));
        assert!(!moved(ada, "192.0.2.1", 89_999), "a window later");
        assert!(!moved(ada, "198.51.100.1", 0), "the clock was set back");
        assert!(!networks.has_moved(ada, "192.0.2.1".parse().unwrap(), Seconds(0), start), "the strict rule");
    }

    #[test]
    fn the_table_never_grows() {
        let networks = LastNetworks::new(128, &OsEntropy::open().unwrap());
        let now = Timestamp::from_seconds(1_800_000_000);
        for n in 0..10_000u128 {
            networks.has_moved(
                SessionId::from_bytes(n.to_be_bytes()),
                [192, 0, 2, 1].into(),
                Seconds(30),
                now,
            );
        }
        let places: usize = (0..SHARDS).map(|shard| networks.lock(shard).capacity()).sum();
        assert!(places <= 128 + SHARDS, "{places}");
    }
}
