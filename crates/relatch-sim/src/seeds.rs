//! Many seeds at a time: each on one thread from beginning to end, as many threads as there are cores.

use anyhow::{Result, anyhow};
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Plays every seed and answers in their order. `goes_on` is asked before each; where it says no, the rest is left.
pub(crate) fn play<T: Send>(
    seeds: Range<u64>,
    goes_on: impl Fn() -> bool + Sync,
    one: impl Fn(u64) -> Result<T> + Sync,
) -> Result<Vec<(u64, T)>> {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let work = || -> Result<Vec<(u64, T)>> {
        let mut done = Vec::new();
        while !is_over.load(Ordering::Relaxed) && goes_on() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            match one(seed) {
                Ok(outcome) => done.push((seed, outcome)),
                Err(error) => {
                    is_over.store(true, Ordering::Relaxed);
                    return Err(error.context(format!("seed {seed} could not be played")));
                }
            }
        }
        Ok(done)
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all = thread::scope(|scope| -> Result<Vec<(u64, T)>> {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a simulation panicked; its seed is above"))??);
        }
        Ok(all)
    })?;
    all.sort_by_key(|(seed, _)| *seed);
    Ok(all)
}
