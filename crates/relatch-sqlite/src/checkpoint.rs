//! Moving the write-ahead log into the database, off the writer's thread, so that the log stays short.
//!
//! SQLite starts the log anew only when all of it has been moved, and a busy writer appends to it all the
//! while. So the checkpointer moves nearly everything, and the writer, between two groups, the small rest.

use crate::metric::{self, Stopwatch};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, DEFAULT_NAME};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// The checkpointer's thread, which ends after the [`Log`] is dropped. Dropping this waits for it.
pub(crate) struct Checkpointer {
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// `conn` is the checkpointer's own. The writer keeps the [`Log`], which counts what `writer` appends.
    pub(crate) fn start(conn: Connection, writer: &mut Connection, path: &Path) -> io::Result<(Self, Log)> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let counted = Arc::clone(&shared);
        let hook = move |_: &mut _, frames: i32| {
            counted.frames.store(frames.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(io::Error::other)?;
        let log = Log {
            shared: Arc::clone(&shared),
            wake,
            path: wal_path(path),
            file: None,
            frames_before: 0,
            wake_at: FRAMES_SOFT,
        };
        let work = move || checkpoint(&conn, &woken, &shared);
        let thread = thread::Builder::new().name("relatch-checkpoint".into()).spawn(work)?;
        Ok((Self { thread: Some(thread) }, log))
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that shortens the write-ahead log had panicked");
        }
    }
}

/// The file in which SQLite keeps the log.
pub(crate) fn wal_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

#[derive(Default)]
struct Shared {
    /// Pages in the log as of the last commit.
    frames: AtomicU32,
    is_running: AtomicBool,
    /// The checkpointer has left a small rest for the writer.
    is_nearly_done: AtomicBool,
}

/// The log as the writer sees it.
pub(crate) struct Log {
    shared: Arc<Shared>,
    wake: SyncSender<()>,
    path: PathBuf,
    file: Option<File>,
    frames_before: u32,
    /// At how many frames to wake the checkpointer next.
    wake_at: u32,
}

impl Log {
    /// Called between two groups: wakes the checkpointer, or finishes what it has left. Answers how many
    /// bytes of the log are in use.
    pub(crate) fn tend(&mut self, conn: &Connection) -> u64 {
        let frames = self.shared.frames.load(Ordering::Relaxed);
        if frames < self.frames_before {
            self.wake_at = FRAMES_SOFT;
        }
        self.frames_before = frames;
        if self.shared.is_nearly_done.swap(false, Ordering::AcqRel) {
            self.finish(conn, CheckpointMode::PASSIVE);
            self.shared.is_running.store(false, Ordering::Release);
        } else if frames >= self.wake_at {
            // Where readers keep the log from starting anew, there is no use in trying at every commit.
            self.wake_at = frames + FRAMES_SOFT / 2;
            if frames >= FRAMES_HARD {
                self.finish(conn, CheckpointMode::RESTART);
            } else if !self.shared.is_running.swap(true, Ordering::AcqRel) {
                // It sleeps, or has ended: then the hard bound is what is left.
                let _ = self.wake.try_send(());
            }
        }
        u64::from(frames) * FRAME_BYTES
    }

    /// Waits until every commit so far is on disk.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        self.file.insert(file).sync_data()
    }

    fn finish(&self, conn: &Connection, mode: CheckpointMode) {
        let watch = Stopwatch::start();
        let outcome = conn.wal_checkpoint_v2(DEFAULT_NAME, mode);
        metric::checkpointed(watch.elapsed());
        complain(outcome);
    }
}

fn checkpoint(conn: &Connection, woken: &Receiver<()>, shared: &Shared) {
    while woken.recv().is_ok() {
        for _ in 0..PASSES_MAX {
            let watch = Stopwatch::start();
            let outcome = conn.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::PASSIVE);
            metric::checkpointed(watch.elapsed());
            match outcome {
                Ok((frames, moved)) if frames - moved > FRAMES_REST => {}
                outcome => {
                    complain(outcome);
                    break;
                }
            }
        }
        shared.is_nearly_done.store(true, Ordering::Release);
    }
}

/// A log that can't be shortened harms nobody yet: the next attempt comes with the next commits.
fn complain(outcome: rusqlite::Result<(i32, i32)>) {
    match outcome {
        Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) => {
            tracing::warn!(%error, "the write-ahead log could not be moved into the database");
        }
        _ => {}
    }
}

/// A page and its header in the log.
const FRAME_BYTES: u64 = 4096 + 24;
/// Where the checkpointer starts: 16 MB.
const FRAMES_SOFT: u32 = 4_000;
/// Where the writer stops for it: 64 MB.
const FRAMES_HARD: u32 = 16_000;
/// A rest that the writer moves in about a millisecond.
const FRAMES_REST: i32 = 256;
/// Each pass leaves what was appended during it, a fraction of the pass before.
const PASSES_MAX: usize = 4;
