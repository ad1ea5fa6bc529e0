//! The one thread that writes: it takes what waits, commits once, answers all.
//!
//! A commit costs one wait for the disk, whatever is in it. While one group waits, the next one gathers, so
//! that groups grow with the load and nobody waits for company when there is none.

use crate::Durability;
use crate::checkpoint::Log;
use crate::error::Fault;
use crate::job::{Job, Kind, Task, writer_is_gone};
use crate::metric::{Stopwatch, WriterMetrics};
use relatch_store::StoreError;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// Hands writes to the thread. Dropping it lets the thread finish what it was given, and waits for that.
pub(crate) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
}

/// What the thread has done so far.
#[derive(Default)]
pub(crate) struct Counts {
    waiting: AtomicUsize,
    pub(crate) groups: AtomicU64,
    pub(crate) operations: AtomicU64,
}

impl Writer {
    pub(crate) fn start(conn: Connection, log: Log, durability: Durability) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let group = Group {
            conn,
            log,
            metrics: WriterMetrics::new(),
            counts: Arc::clone(&counts),
            is_relaxed: durability == Durability::Relaxed,
            unflushed_for: None,
            waits_for_disk: true,
        };
        let thread = thread::Builder::new().name("relatch-writer".into()).spawn(move || group.run(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counts })
    }

    /// Runs `work` in the next group, all of it or nothing, and answers when it is on disk.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(Kind::Change(operation), work).await
    }

    /// As [`write`](Self::write), for the one statement that moves a head: it may be on disk a little later,
    /// where that is configured.
    pub(crate) async fn move_head<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(Kind::MoveHead, work).await
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    async fn submit<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(writer_is_gone)?;
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        queue.try_send(Box::new(Task::new(kind, work, answer))).map_err(|refused| {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            match refused {
                TrySendError::Full(_) => StoreError::Unavailable(
                    "too many writes wait for the disk; it is slower than what is asked of it".into(),
                ),
                TrySendError::Disconnected(_) => writer_is_gone(),
            }
        })?;
        // A thread that ends drops what it was given, and with it the other half of this channel.
        answered.await.map_err(|_| writer_is_gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the thread that writes to the database had panicked; what it had not answered is not written"
            );
        }
    }
}

/// What the thread owns.
struct Group {
    conn: Connection,
    log: Log,
    metrics: WriterMetrics,
    counts: Arc<Counts>,
    is_relaxed: bool,
    /// Runs since the first commit that isn't on disk yet.
    unflushed_for: Option<Stopwatch>,
    /// Whether the connection is set to wait for the disk at each commit.
    waits_for_disk: bool,
}

impl Group {
    fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(first) = self.next(jobs) {
            group.push(first);
            while group.len() < GROUP_MAX
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.note_taken(group.len());
            let committed = self.commit(&mut group);
            for job in group.drain(..) {
                job.answer(&committed);
            }
            let log_bytes = self.log.tend(&self.conn);
            self.metrics.wal.set(log_bytes as f64);
        }
        self.flush();
    }

    /// The next job; `None` when the store is being dropped and everything is done. While a relaxed commit
    /// isn't on disk, waits no longer than it may stay so.
    fn next(&mut self, jobs: &Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
        while let Some(since) = self.unflushed_for {
            match jobs.recv_timeout(FLUSH_AFTER.saturating_sub(since.elapsed())) {
                // A full group after group would never let the wait run out.
                Ok(job) if since.elapsed() < FLUSH_AFTER => return Some(job),
                Ok(job) => {
                    self.flush();
                    return Some(job);
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        jobs.recv().ok()
    }

    /// Runs the jobs in one transaction. After an error none of them is written (or, where the disk failed in
    /// the middle, nobody knows).
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let watch = Stopwatch::start();
        let may_be_lazy = self.is_relaxed && group.iter().all(|job| job.kind() == Kind::MoveHead);
        let outcome = self.transact(group, !may_be_lazy).map_err(StoreError::from);
        if outcome.is_err() && !self.conn.is_autocommit() {
            // Nothing to add where this fails too: the connection says so at the next group.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        if outcome.is_ok() {
            self.unflushed_for = if may_be_lazy { self.unflushed_for.or(Some(watch)) } else { None };
        }
        self.metrics.commit.record(watch.elapsed());
        outcome
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>], waits_for_disk: bool) -> Result<(), Fault> {
        if self.waits_for_disk != waits_for_disk {
            self.conn.pragma_update(None, "synchronous", if waits_for_disk { "FULL" } else { "NORMAL" })?;
            self.waits_for_disk = waits_for_disk;
        }
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for job in group {
            job.run(&self.conn);
            // On some errors SQLite gives the whole transaction up, what ran before included.
            if self.conn.is_autocommit() {
                return Err(StoreError::Unavailable(job.failure()).into());
            }
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn note_taken(&self, taken: usize) {
        let waiting = self.counts.waiting.fetch_sub(taken, Ordering::Relaxed) - taken;
        self.counts.groups.fetch_add(1, Ordering::Relaxed);
        self.counts.operations.fetch_add(taken as u64, Ordering::Relaxed);
        self.metrics.depth.set(waiting as f64);
        self.metrics.batch.record(taken as f64);
    }

    fn flush(&mut self) {
        if self.unflushed_for.take().is_some()
            && let Err(error) = self.log.flush()
        {
            tracing::error!(%error, "moved heads could not be flushed; the next commit tries again");
        }
    }
}

/// More than a machine's worth of requests in flight: beyond it, waiting would only add to the delay.
const QUEUE_MAX: usize = 8_192;
/// A group this large takes some milliseconds; a larger one would make everybody wait for little gain.
const GROUP_MAX: usize = 512;
/// How long a moved head may be away from the disk where durability is relaxed.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
