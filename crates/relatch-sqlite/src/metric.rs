//! What the store counts and times, under the names that operators see.

use metrics::{Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::{Duration, Instant};

/// Tells the recorder what the numbers mean.
pub(crate) fn describe() {
    describe_histogram!(BATCH, "Writes that were committed together");
    describe_histogram!(
        COMMIT,
        metrics::Unit::Seconds,
        "How long one commit took, the wait for the disk included"
    );
    describe_gauge!(DEPTH, "Writes that wait for the writer");
    describe_counter!(OPERATIONS, "Writes, by what they are and how they ended");
    describe_gauge!(WAL, metrics::Unit::Bytes, "The part of the write-ahead log that is in use");
    describe_histogram!(CHECKPOINT, metrics::Unit::Seconds, "How long one checkpoint took");
}

/// The writer's own, found once instead of at every commit.
pub(crate) struct WriterMetrics {
    pub(crate) batch: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) depth: metrics::Gauge,
    pub(crate) wal: metrics::Gauge,
}

impl WriterMetrics {
    pub(crate) fn new() -> Self {
        Self { batch: histogram!(BATCH), commit: histogram!(COMMIT), depth: gauge!(DEPTH), wal: gauge!(WAL) }
    }
}

/// Counts a write that has ended.
pub(crate) fn count(operation: &'static str, is_done: bool) {
    counter!(OPERATIONS, "operation" => operation, "outcome" => if is_done { "done" } else { "failed" })
        .increment(1);
}

/// Notes how long a checkpoint took.
pub(crate) fn checkpointed(took: Duration) {
    histogram!(CHECKPOINT).record(took);
}

/// How long something took. Nothing is decided by it but when to flush what may be flushed later.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a span that is measured, not a time that decides")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

const BATCH: &str = "relatch_store_batch_operations";
const COMMIT: &str = "relatch_store_commit_seconds";
const DEPTH: &str = "relatch_store_queue_depth";
const OPERATIONS: &str = "relatch_store_operations_total";
const WAL: &str = "relatch_store_wal_bytes";
const CHECKPOINT: &str = "relatch_store_checkpoint_seconds";
