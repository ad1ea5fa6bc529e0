//! Backups, checkpoints and the sweep, while people refresh.

use super::{log_in, open, sign_up};
use crate::SqliteStore;
use crate::checkpoint::wal_path;
use relatch_store::conformance::{START, move_head, session};
use relatch_store::{Commit, Maintenance, SessionStore, Store, StoreError, SweepOrder, Swept};
use relatch_token::Seconds;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Moves the head of one session again and again until told to stop; answers how often.
async fn refresh_until(
    store: Arc<SqliteStore>,
    mut row: relatch_core::Session,
    stop: Arc<AtomicBool>,
) -> u64 {
    while !stop.load(Ordering::Relaxed) {
        let change = move_head(&row, START);
        assert_eq!(store.commit(change.clone()).await, Ok(Commit::Done));
        change.update.apply(&mut row);
    }
    row.version.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_load_is_whole_private_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("a.db")));
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let stop = Arc::new(AtomicBool::new(false));
    let refreshing = tokio::spawn(refresh_until(Arc::clone(&store), one.clone(), Arc::clone(&stop)));
    let to = folder.path().join("backup.db");
    store.backup(&to).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let refreshes = refreshing.await.unwrap();

    let bytes = fs::read(&to).unwrap();
    let again = store.backup(&to).await;
    assert!(matches!(again, Err(StoreError::Unavailable(why)) if why.contains("exists")));
    assert_eq!(fs::read(&to).unwrap(), bytes, "a backup was overwritten");
    let lost = store.backup(&folder.path().join("nowhere/b.db")).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))));

    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&to).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let copy = open(&to);
    assert_eq!(copy.instance_id().await, store.instance_id().await);
    assert_eq!(copy.damage().await, Ok(Vec::new()));
    let copied = copy.load(one.id).await.unwrap().unwrap().session;
    assert!(copied.version.0 <= refreshes);
    assert_eq!(copy.commit(move_head(&copied, START)).await, Ok(Commit::Done));
}

#[tokio::test]
async fn the_log_stays_short_however_much_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    let ada = sign_up(&store, 1).await;
    // One caller: each login is a group of its own and appends six pages or so, 90 MB in all.
    for n in 0..4_000 {
        log_in(&store, &ada, n).await;
    }
    let log = fs::metadata(wal_path(&path)).unwrap().len();
    assert!(log < 40 << 20, "the log has {log} bytes");
}

#[tokio::test]
async fn a_sweep_removes_in_batches_and_keeps_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("a.db"));
    let ada = sign_up(&store, 1).await;
    let (dead, living) = (1_000, 50);
    for n in 0..dead + living {
        log_in(&store, &ada, n).await;
    }
    let late = START + Seconds(13 * 86_400);
    for n in dead..dead + living {
        let row = session(&ada, n);
        assert_eq!(store.commit(move_head(&row, late)).await, Ok(Commit::Done));
    }
    let now = START + Seconds(15 * 86_400);
    let order = SweepOrder { now, dead_before: now, events_before: START, feed_before: START, rows_max: 300 };
    let mut left = Vec::new();
    loop {
        let Swept { sessions, is_round_done, .. } = store.sweep(order).await.unwrap();
        left.push(sessions);
        if is_round_done {
            break;
        }
    }
    assert_eq!(left, [300, 300, 300, 100]);
    assert_eq!(store.list(ada.id, now, 1_000).await.unwrap().len() as u64, living);
    assert_eq!(store.load(session(&ada, 0).id).await, Ok(None));
    assert_eq!(store.damage().await, Ok(Vec::new()));
}
