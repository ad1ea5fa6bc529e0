//! A few connections that read, taken where they are needed.
//!
//! Reads run on the thread that asks, worker threads of an async runtime included: a point read takes some
//! 10 µs, less than handing it to another thread and back would. Reads that may touch many rows are cut into
//! short ones by their callers.

use crate::error::Fault;
use crate::{OpenError, open};
use relatch_store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The connections that nobody uses at the moment, and a bell for who waits.
pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize, busy_for: Duration) -> Result<Self, OpenError> {
        let idle: Result<Vec<_>, _> = (0..count.max(1)).map(|_| open::reader(path, busy_for)).collect();
        Ok(Self { idle: Mutex::new(idle?), returned: Condvar::new() })
    }

    /// Reads, and sees everything that was acknowledged before the call.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let borrowed = Borrowed { conn: Some(self.take()?), readers: self };
        match &borrowed.conn {
            Some(conn) => Ok(work(conn)?),
            None => Err(exhausted()),
        }
    }

    /// Puts other connections in the place of those that nobody uses, to play an outage.
    #[cfg(test)]
    pub(crate) fn swap(&self, others: Vec<Connection>) -> Vec<Connection> {
        std::mem::replace(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner), others)
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut idle, _) = self
            .returned
            .wait_timeout_while(idle, WAIT_MAX, |idle| idle.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        idle.pop().ok_or_else(exhausted)
    }
}

/// Goes back when it is dropped, after a panic too.
struct Borrowed<'a> {
    conn: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.conn.take());
        self.readers.returned.notify_one();
    }
}

fn exhausted() -> StoreError {
    StoreError::Unavailable("every reading connection is busy; raise `store.readers`".into())
}

/// Reads are short, so that who waits longer than this waits for a disk that hangs.
const WAIT_MAX: Duration = Duration::from_secs(2);
