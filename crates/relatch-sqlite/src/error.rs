//! What SQLite says, as sentences that say what to do next.

use relatch_store::StoreError;
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why a database can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder isn't there.
    #[error("there is no folder {}: create it, or name another path", .0.display())]
    MissingFolder(PathBuf),
    /// The path names something else than a file.
    #[error("{} is not a file: name the database file, not its folder", .0.display())]
    NotAFile(PathBuf),
    /// The operating system refuses.
    #[error(
        "{} can't be read and written: make the server's user the owner of the file and its folder, and check \
         that the disk is not mounted read-only ({reason})", path.display()
    )]
    NoAccess {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file of some other program.
    #[error("{} is not a database of Relatch: name another path, or move that file away", .0.display())]
    NotADatabase(PathBuf),
    /// Written by a newer Relatch.
    #[error(
        "{} has schema {found} and this program knows schemas up to {known}: run the newer Relatch that wrote \
         it, or restore a backup from before", path.display()
    )]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known here.
        known: i64,
    },
    /// Damaged.
    #[error("{} is damaged: keep a copy of it, then restore a backup ({reason})", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// In use in a way that keeps everybody else out.
    #[error("{} is locked by another process: end that process, then start again", .0.display())]
    Locked(PathBuf),
    /// No space left.
    #[error("the disk of {} is full: free some space, then start again", .0.display())]
    DiskFull(PathBuf),
    /// Anything else.
    #[error("{} can't be opened: {reason}", path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// What SQLite or the system said.
        reason: String,
    },
}

impl OpenError {
    /// What SQLite said while the file at `path` was opened.
    pub(crate) fn from_sqlite(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(path),
            Some(ErrorCode::DiskFull) => Self::DiskFull(path),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NoAccess { path, reason }
            }
            _ => Self::Other { path, reason },
        }
    }
}

/// What can go wrong while a connection is used: SQLite fails, or we do.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => at_run_time(&error),
            Fault::Store(error) => error,
        }
    }
}

/// What SQLite said at run time.
fn at_run_time(error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error;
    let unreadable = matches!(
        error,
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::Utf8Error(..)
    );
    if unreadable {
        return corrupt(error);
    }
    let unavailable = |what: &str| StoreError::Unavailable(what.to_owned());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => unavailable("the disk is full; free some space"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => unavailable(
            "the database file can't be written; check the owner of the file and its folder, and that the \
             disk is not mounted read-only",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unavailable("another process holds the database locked; end it, or wait for it")
        }
        Some(ErrorCode::SystemIoFailure) => {
            StoreError::Unavailable(format!("the disk failed; look into the system's log ({error})"))
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => corrupt(error),
        _ => StoreError::Unavailable(format!("SQLite failed: {error}")),
    }
}

/// The database holds what it can't hold.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}; run `relatch doctor`, and restore a backup where it finds damage"))
}
