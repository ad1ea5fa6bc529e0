//! What an operator asks of the database file: a backup, a check, figures.
//!
//! Each runs on a thread and a connection of its own, since it may take seconds.

use crate::checkpoint::wal_path;
use crate::error::{Fault, OpenError};
use crate::{SqliteStore, open};
use relatch_store::{Maintenance, StoreError};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

#[async_trait::async_trait]
impl Maintenance for SqliteStore {
    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let (from, to) = (self.path.clone(), to.to_owned());
        aside(move || backup(&from, &to)).await
    }

    async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let path = self.path.clone();
        aside(move || damage(&connect(&path)?).map_err(StoreError::from)).await
    }

    async fn statistics(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let path = self.path.clone();
        let mut figures = aside(move || statistics(&path)).await?;
        let counts = self.writer.counts();
        figures.push(("write_groups", counts.groups.load(Ordering::Relaxed)));
        figures.push(("writes", counts.operations.load(Ordering::Relaxed)));
        Ok(figures)
    }
}

/// A copy as of one moment, compact, readable by its owner alone, and on disk when this returns.
fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    let unavailable = |why: String| StoreError::Unavailable(format!("{}: {why}", to.display()));
    let text = to.to_str().ok_or_else(|| unavailable("name the backup in UTF-8".into()))?;
    let file = open::make_private(to).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => unavailable("that file exists; name a new one".into()),
        _ => unavailable(format!("the backup can't be made there ({error})")),
    })?;
    let copy = || -> Result<(), StoreError> {
        // SQLite writes into an empty file, and reads in one transaction meanwhile: writers go on.
        connect(from)?.execute("VACUUM INTO ?1", [text]).map_err(Fault::from)?;
        file.sync_all().and_then(|()| sync_folder(to)).map_err(|error| unavailable(error.to_string()))
    };
    copy().inspect_err(|_| {
        // Half a backup would be taken for a whole one.
        if let Err(error) = fs::remove_file(to) {
            tracing::warn!(%error, file = %to.display(), "remove this unfinished backup");
        }
    })
}

/// So that the file's name is on disk too.
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn damage(conn: &Connection) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let mut check = conn.prepare("PRAGMA integrity_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        found.extend(Some(row.get::<_, String>(0)?).filter(|line| line != "ok"));
    }
    let mut check = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        found.push(format!("a row of {table} refers to a row of {parent} that is missing"));
    }
    Ok(found)
}

fn statistics(path: &Path) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let conn = connect(path)?;
    let count = |sql: &str| -> Result<u64, StoreError> {
        let rows: i64 = conn.query_row(sql, [], |row| row.get(0)).map_err(Fault::from)?;
        Ok(rows.unsigned_abs())
    };
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    Ok(vec![
        ("sessions", count("SELECT count(*) FROM sessions")?),
        ("users", count("SELECT count(*) FROM users")?),
        ("events", count("SELECT count(*) FROM events")?),
        ("feed", count("SELECT count(*) FROM feed")?),
        ("outbox", count("SELECT count(*) FROM outbox")?),
        ("database_bytes", bytes(path)),
        ("log_bytes", bytes(&wal_path(path))),
        ("free_pages", count("SELECT freelist_count FROM pragma_freelist_count")?),
    ])
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    open::aside(path, BUSY_FOR).map_err(|error: OpenError| StoreError::Unavailable(error.to_string()))
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    let ended = |why: String| StoreError::Unavailable(format!("the thread for it ended early ({why})"));
    thread::Builder::new()
        .name("relatch-maintenance".into())
        .spawn(move || drop(answer.send(work())))
        .map_err(|error| ended(error.to_string()))?;
    answered.await.map_err(|error| ended(error.to_string()))?
}

const BUSY_FOR: Duration = Duration::from_secs(5);
