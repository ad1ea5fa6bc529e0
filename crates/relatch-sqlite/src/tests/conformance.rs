//! The suite of `relatch-store`, with crashes and outages made of what SQLite does.

use super::options;
use crate::SqliteStore;
use crate::checkpoint::wal_path;
use relatch_store::Store;
use relatch_store::conformance::Harness;
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct SqliteHarness {
    folder: tempfile::TempDir,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    store: Option<Arc<SqliteStore>>,
    /// How often the store was opened.
    times: usize,
    outage: Option<Outage>,
}

/// What keeps the store from reading and writing.
struct Outage {
    readers: Vec<Connection>,
    lock: Connection,
}

impl SqliteHarness {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), open: Mutex::default() }
    }

    fn path(&self, times: usize) -> PathBuf {
        self.folder.path().join(format!("{times}.db"))
    }

    fn open_next(&self) -> Arc<SqliteStore> {
        let mut open = self.open.lock().unwrap();
        open.times += 1;
        let store = Arc::new(SqliteStore::open(&self.path(open.times), options()).unwrap());
        open.store = Some(Arc::clone(&store));
        store
    }
}

#[async_trait::async_trait]
impl Harness for SqliteHarness {
    async fn open(&self) -> Arc<dyn Store> {
        self.open_next()
    }

    /// Copies the files under the living store: what SIGKILL would leave, nothing was closed or tidied.
    async fn crash(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let times = self.open.lock().unwrap().times;
        let (from, to) = (self.path(times), self.path(times + 1));
        fs::copy(&from, &to).unwrap();
        fs::copy(wal_path(&from), wal_path(&to)).unwrap();
        drop(store);
        self.open_next()
    }

    /// An outage: another process holds the write lock, and what the readers see are empty databases.
    async fn set_available(&self, is_available: bool) {
        let (store, path) = {
            let open = self.open.lock().unwrap();
            (open.store.clone().unwrap(), self.path(open.times))
        };
        if is_available {
            let outage = self.open.lock().unwrap().outage.take().unwrap();
            store.readers.swap(outage.readers);
            return outage.lock.execute_batch("ROLLBACK").unwrap();
        }
        let impatient = |conn: &Connection| Ok(conn.busy_timeout(Duration::ZERO)?);
        store.writer.write("test", impatient).await.unwrap();
        let lock = Connection::open(path).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let broken = (0..4).map(|_| Connection::open_in_memory().unwrap()).collect();
        let readers = store.readers.swap(broken);
        self.open.lock().unwrap().outage = Some(Outage { readers, lock });
    }
}

relatch_store::conformance_suite!(SqliteHarness::new());
