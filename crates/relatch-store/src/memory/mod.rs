//! The store in memory: plain tables behind one lock, the reference that other stores are measured against.
//!
//! No clock, no randomness: the simulator runs on it, and makes it fail on purpose.

mod accounts;
mod devices;
mod factors;
mod keys;
mod log;
mod outbox;
mod sessions;
mod sweep;
mod tables;
mod undo;

use crate::memory::tables::Tables;
use crate::{Store, StoreError};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store that forgets everything when the process ends.
///
/// ```
/// let store = relatch_store::memory::MemoryStore::new([7; 16]);
/// let saved = store.snapshot();
/// store.restore(&saved);
/// ```
pub struct MemoryStore {
    instance_id: [u8; 16],
    inner: Mutex<Inner>,
}

/// Everything that a [`MemoryStore`] held at one moment.
#[derive(Clone)]
pub struct Snapshot(Tables);

struct Inner {
    tables: Tables,
    is_available: bool,
}

impl MemoryStore {
    /// An empty store with that name.
    pub fn new(instance_id: [u8; 16]) -> Self {
        let inner = Inner { tables: Tables::default(), is_available: true };
        Self { instance_id, inner: Mutex::new(inner) }
    }

    /// A copy of everything, at one moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().tables.clone())
    }

    /// Goes back to a copy, as an operator who restores a backup does.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.lock().tables = snapshot.0.clone();
    }

    /// Undoes the newest `count` moves of heads, events included, as a crash may where moves aren't flushed;
    /// what was written durably since then (the end of a session, or of all the others) stands, and so do
    /// the moves of that row before it. Answers how many were lost.
    pub fn lose_last_moves(&self, count: usize) -> usize {
        self.lock().tables.lose_last_moves(count)
    }

    /// From now on every verb fails with [`StoreError::Unavailable`], or works again.
    pub fn set_available(&self, is_available: bool) {
        self.lock().is_available = is_available;
    }

    fn with<T>(&self, verb: impl FnOnce(&mut Tables) -> T) -> Result<T, StoreError> {
        let mut inner = self.lock();
        if !inner.is_available {
            return Err(StoreError::Unavailable("the memory store was told to fail; try again later".into()));
        }
        Ok(verb(&mut inner.tables))
    }

    /// No verb can panic half-way, so that a lock that a panicking test left behind is still sound.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.with(|_| ())
    }

    async fn instance_id(&self) -> Result<[u8; 16], StoreError> {
        self.with(|_| self.instance_id)
    }
}

#[cfg(test)]
mod tests;
