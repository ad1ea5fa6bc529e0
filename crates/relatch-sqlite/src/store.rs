//! The store itself: opened, closed, and its sessions.

use crate::checkpoint::Checkpointer;
use crate::dictionary::Cache;
use crate::error::OpenError;
use crate::readers::Readers;
use crate::writer::Writer;
use crate::{devices, feed, metric, open, sessions, subject, sweep, users};
use relatch_core::{Session, Update};
use relatch_store::{
    Change, Commit, CreateSession, Cursor, Device, DeviceStore, FeedEntry, ForgetDevice, Loaded, NewSession,
    RenameDevice, SessionStore, Store, StoreError, SubjectChange, SubjectEnd, SweepOrder, Swept,
};
use relatch_token::{DeviceHash, SessionId, Timestamp, UserId};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// When a moved head is acknowledged. Everything else is on disk first, whatever stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    #[default]
    Full,
    /// When it is written; it is flushed within 50 ms. A crash of the machine (not of the process) may forget
    /// it, and the client's next refresh puts that right.
    Relaxed,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The random name that a database gets which is made now; one that exists keeps its own.
    pub instance_id: [u8; 16],
    /// When a moved head is acknowledged.
    pub rotation_durability: Durability,
    /// How many connections read at a time.
    pub readers: usize,
    /// How long to wait for another process (a backup, a command line) that holds the database locked.
    pub busy_for: Duration,
}

impl Options {
    /// The usual, for a database that would get that name.
    pub fn new(instance_id: [u8; 16]) -> Self {
        Self {
            instance_id,
            rotation_durability: Durability::Full,
            readers: 4,
            busy_for: Duration::from_secs(5),
        }
    }
}

/// Everything that the server keeps, in one SQLite file.
///
/// Dropping it finishes and answers what it was given, and puts the database in order; that blocks for some
/// milliseconds.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use relatch_sqlite::{Options, SqliteStore};
/// let store = SqliteStore::open(&folder.path().join("relatch.db"), Options::new([7; 16]))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// The order matters: what the writer leaves is the checkpointer's, and who closes last tidies up.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    _checkpointer: Checkpointer,
    pub(crate) readers: Readers,
    pub(crate) cache: Arc<Cache>,
    pub(crate) path: PathBuf,
    /// The row that the sweep looked at last.
    swept_to: Mutex<i64>,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it where it is missing, and brings its schema up to date.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        metric::describe();
        open::prepare(path, &options.instance_id, options.busy_for)?;
        let thread_failed = |error: std::io::Error| OpenError::Other {
            path: path.to_owned(),
            reason: format!("a thread could not be started ({error})"),
        };
        let mut writing = open::writer(path, options.busy_for)?;
        let checkpointing = open::writer(path, options.busy_for)?;
        let readers = Readers::open(path, options.readers, options.busy_for)?;
        let (checkpointer, log) =
            Checkpointer::start(checkpointing, &mut writing, path).map_err(thread_failed)?;
        let writer = Writer::start(writing, log, options.rotation_durability).map_err(thread_failed)?;
        Ok(Self {
            writer,
            _checkpointer: checkpointer,
            readers,
            cache: Arc::default(),
            path: path.to_owned(),
            swept_to: Mutex::new(0),
        })
    }

    /// Looks at the next sessions, a few at a time so that nobody else on this thread waits long; answers
    /// which are dead, and whether those were the last of the round.
    async fn look_for_dead(&self, order: &SweepOrder) -> Result<(Vec<i64>, i64, bool), StoreError> {
        let (mut dead, mut left) = (Vec::new(), order.rows_max.max(1));
        let mut after = *self.swept_to.lock().unwrap_or_else(PoisonError::into_inner);
        while left > 0 {
            let rows = left.min(READ_ROWS);
            let looked =
                self.readers.read(|conn| sweep::look(conn, after, rows, order.dead_before, &self.cache))?;
            dead.extend(looked.dead);
            after = looked.last;
            left -= looked.rows;
            if looked.rows < rows {
                return Ok((dead, 0, true));
            }
            yield_now().await;
        }
        Ok((dead, after, false))
    }

    /// Repeats a removal of at most [`WRITE_ROWS`] rows until nothing is left to remove, or `most` are.
    async fn remove_in_steps(
        &self,
        most: usize,
        step: impl Fn(&rusqlite::Connection, usize) -> Result<u64, crate::error::Fault> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let (mut removed, most) = (0, most as u64);
        while removed < most {
            let rows = (most - removed).min(WRITE_ROWS as u64);
            let left = self.writer.write("sweep", move |conn| step(conn, rows as usize)).await?;
            removed += left;
            if left < rows {
                break;
            }
        }
        Ok(removed)
    }
}

#[async_trait::async_trait]
impl SessionStore for SqliteStore {
    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.readers.read(|conn| sessions::load(conn, id, &self.cache))
    }

    async fn commit(&self, change: Change) -> Result<Commit, StoreError> {
        if let (Update::MoveHead(head), None) = (change.update, &change.event) {
            let (id, expected) = (change.session_id, change.expected);
            return self.writer.move_head(move |conn| sessions::move_head(conn, id, expected, &head)).await;
        }
        self.writer.write("commit", move |conn| sessions::commit(conn, &change)).await
    }

    async fn create(&self, new: NewSession) -> Result<CreateSession, StoreError> {
        self.writer.write("create", move |conn| sessions::create(conn, &new)).await
    }

    async fn list(&self, user: UserId, now: Timestamp, limit: usize) -> Result<Vec<Session>, StoreError> {
        self.readers.read(|conn| sessions::list(conn, user, now, limit, &self.cache))
    }

    async fn revoke_subject(&self, change: SubjectChange) -> Result<SubjectEnd, StoreError> {
        self.writer.write("revoke_subject", move |conn| subject::revoke(conn, &change)).await
    }

    async fn sweep(&self, order: SweepOrder) -> Result<Swept, StoreError> {
        let most = order.rows_max.max(1);
        let (dead, next, is_end) = self.look_for_dead(&order).await?;
        let mut sessions = 0;
        for keys in dead.chunks(WRITE_ROWS) {
            let keys = keys.to_vec();
            let remove = move |conn: &_| sweep::remove(conn, &keys, order.dead_before);
            sessions += self.writer.write("sweep", remove).await?;
        }
        *self.swept_to.lock().unwrap_or_else(PoisonError::into_inner) = next;

        let events =
            self.remove_in_steps(most, move |conn, rows| sweep::remove_events(conn, &order, rows)).await?;
        let feed =
            self.remove_in_steps(most, move |conn, rows| sweep::remove_feed(conn, &order, rows)).await?;
        let links =
            self.remove_in_steps(most, move |conn, rows| crate::links::sweep(conn, order.now, rows)).await?;
        let devices = self
            .remove_in_steps(most, move |conn, rows| crate::devices::sweep(conn, order.dead_before, rows))
            .await?;
        let gone_before = order.events_before;
        let users =
            self.remove_in_steps(most, move |conn, rows| users::sweep(conn, gone_before, rows)).await?;
        let is_round_done =
            is_end && [events, feed, links, devices, users].iter().all(|left| *left < most as u64);
        Ok(Swept { sessions, events, feed, links, devices, users, is_round_done })
    }

    async fn changes_since(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        self.readers.read(|conn| feed::after(conn, after, limit))
    }

    async fn feed_head(&self) -> Result<Cursor, StoreError> {
        self.readers.read(feed::head)
    }
}

#[async_trait::async_trait]
impl DeviceStore for SqliteStore {
    async fn device(&self, user: UserId, hash: DeviceHash) -> Result<Option<Device>, StoreError> {
        self.readers.read(|conn| devices::find(conn, user, hash, &self.cache))
    }

    async fn devices(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        self.readers.read(|conn| devices::list(conn, user, &self.cache))
    }

    async fn rename_device(&self, rename: RenameDevice) -> Result<bool, StoreError> {
        self.writer.write("rename_device", move |conn| devices::rename(conn, &rename)).await
    }

    async fn forget_device(&self, forget: ForgetDevice) -> Result<Option<u64>, StoreError> {
        self.writer.write("forget_device", move |conn| devices::forget(conn, &forget)).await
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    /// Writes for real: a disk that is full or read-only is noticed here before people notice it.
    async fn ping(&self) -> Result<(), StoreError> {
        let ping = "UPDATE instance SET pings = pings + 1";
        self.writer.write("ping", move |conn| Ok(conn.prepare_cached(ping)?.execute([])?)).await?;
        self.instance_id().await.map(drop)
    }

    async fn instance_id(&self) -> Result<[u8; 16], StoreError> {
        let sql = "SELECT id FROM instance";
        self.readers.read(|conn| Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
    }
}

/// Lets others on this thread go first, whatever runtime it is.
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Rows that are read before others on the same thread get a turn: about half a millisecond.
pub(crate) const READ_ROWS: usize = 200;
/// Rows that are removed in one write, so that no refresh waits long behind it: each may touch three pages.
const WRITE_ROWS: usize = 64;
