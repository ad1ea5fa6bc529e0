//! Opening the database file: the connections, and every reason why there can be none.

use crate::{OpenError, migrate};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

/// Makes the file where it is missing, brings it to the current schema and looks at it briefly.
pub(crate) fn prepare(path: &Path, instance_id: &[u8; 16], busy_for: Duration) -> Result<(), OpenError> {
    make_file(path)?;
    let mut conn = connect(path, busy_for, CACHE_KIB_READER)?;
    let failed = |error: &rusqlite::Error| OpenError::from_sqlite(path, error);
    let no_access = |reason: &str| OpenError::NoAccess { path: path.to_owned(), reason: reason.to_owned() };
    if conn.is_readonly("main").map_err(|e| failed(&e))? {
        return Err(no_access("the file is read-only"));
    }
    // Before the journal mode is changed: that would write into other people's files.
    migrate::schema_version(&conn, path)?;
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|e| failed(&e))?;
    if mode != "wal" {
        let reason = "its file system has no shared memory; use a local disk".to_owned();
        return Err(OpenError::Other { path: path.to_owned(), reason });
    }
    migrate::migrate(&mut conn, path, instance_id)
}

/// The connection that writes, and the one that moves the log into the database.
pub(crate) fn writer(path: &Path, busy_for: Duration) -> Result<Connection, OpenError> {
    let conn = connect(path, busy_for, CACHE_KIB_WRITER)?;
    let set = || -> rusqlite::Result<()> {
        // Checkpoints are the checkpointer's.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        // What was deleted is overwritten where that costs no extra write: old password hashes, secrets.
        conn.pragma_update(None, "secure_delete", "FAST")?;
        conn.pragma_update(None, "synchronous", "FULL")
    };
    set().map_err(|e| OpenError::from_sqlite(path, &e))?;
    Ok(conn)
}

/// A connection that can't write.
pub(crate) fn reader(path: &Path, busy_for: Duration) -> Result<Connection, OpenError> {
    let conn = connect(path, busy_for, CACHE_KIB_READER)?;
    conn.pragma_update(None, "query_only", true).map_err(|e| OpenError::from_sqlite(path, &e))?;
    Ok(conn)
}

/// A connection for a longer work beside the others.
pub(crate) fn aside(path: &Path, busy_for: Duration) -> Result<Connection, OpenError> {
    connect(path, busy_for, CACHE_KIB_READER)
}

fn connect(path: &Path, busy_for: Duration, cache_kib: i64) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.busy_timeout(busy_for)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Plans don't depend on bound values. Without this SQLite compiles most statements anew at each use,
        // which took two thirds of a rotation's time.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        conn.pragma_update(None, "cache_size", -cache_kib)?;
        Ok(conn)
    };
    open().map_err(|e| OpenError::from_sqlite(path, &e))
}

/// Readable by its owner alone; SQLite gives the log beside it the same mode.
pub(crate) fn make_private(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_file(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(OpenError::MissingFolder(folder.to_owned()));
    }
    if path.is_dir() {
        return Err(OpenError::NotAFile(path.to_owned()));
    }
    match make_private(path) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            ErrorKind::StorageFull => Err(OpenError::DiskFull(path.to_owned())),
            _ => Err(OpenError::NoAccess { path: path.to_owned(), reason: error.to_string() }),
        },
    }
}

/// Every commit of the writer makes readers forget their pages, so that a large cache would only lie idle.
const CACHE_KIB_READER: i64 = 512;
/// The writer's pages stay good: the upper levels of every tree and the pages of busy sessions.
const CACHE_KIB_WRITER: i64 = 4096;
/// More than there are statements.
const STATEMENTS_MAX: usize = 96;
