//! One server for one database file: two would each sign, sweep and count limits for themselves.

use crate::config::{StoreConfig, StoreUrl};
use anyhow::Context;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The right to be the server of a database, until it is dropped or the process ends, however it ends: it is
/// an advisory lock (`flock`) on a file of its own, which the command line and backups don't care for.
#[derive(Debug)]
pub(crate) struct OnlyServer(#[expect(dead_code, reason = "it holds the lock")] Option<File>);

impl OnlyServer {
    /// Waits a little for a server that is just stopping, so that a restart that overlaps goes well.
    pub(crate) async fn claim(store: &StoreConfig) -> anyhow::Result<Self> {
        let StoreUrl::Sqlite(database) = &store.url;
        let path = lock_file(database);
        // Where the folder is missing, opening the database says so better.
        if !database.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
            return Ok(Self(None));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).with_context(|| {
            format!("{} can't be opened; the server needs to write beside its database", path.display())
        })?;
        let mut tries = 0;
        loop {
            tries += 1;
            match file.try_lock() {
                Ok(()) => return Ok(Self(Some(file))),
                Err(TryLockError::WouldBlock) if tries < TRIES_MAX => {
                    if tries == 1 {
                        tracing::info!(database = %database.display(), "waiting for another server to stop");
                    }
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                Err(TryLockError::WouldBlock) => anyhow::bail!(
                    "another server runs on {}; stop it first, or give this one a database of its own (`store.url`)",
                    database.display()
                ),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| {
                        format!("{} can't be locked; keep the database on a local disk", path.display())
                    });
                }
            }
        }
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Five seconds in all: as long as a server that is told to stop usually takes for its last answers.
const TRIES_MAX: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
