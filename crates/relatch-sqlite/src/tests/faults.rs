//! What the disk, the file and our own bugs can do to a store that runs: every doubt is unavailability.

use super::{log_in, open, options, sign_up};
use crate::{Durability, Options, SqliteStore};
use relatch_core::RevokeReason;
use relatch_store::conformance::{START, after_millis, move_head, new_session, revoke, session};
use relatch_store::{Commit, CreateSession, Loaded, Maintenance, SessionStore, Store, StoreError};
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;

fn says(answer: Result<impl std::fmt::Debug, StoreError>, part: &str) {
    match answer {
        Err(StoreError::Unavailable(why)) => assert!(why.contains(part), "{why:?} lacks {part:?}"),
        other => panic!("answered {other:?}"),
    }
}

async fn figure(store: &SqliteStore, name: &str) -> u64 {
    let figures = store.statistics().await.unwrap();
    figures.into_iter().find(|(found, _)| *found == name).unwrap().1
}

#[tokio::test]
async fn a_panic_of_the_writer_is_unavailability_and_never_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let broken = |_: &Connection| -> Result<(), crate::error::Fault> { panic!("a bug, on purpose") };
    says(store.writer.write("test", broken).await, "the thread that writes");
    says(store.commit(move_head(&one, START)).await, "the thread that writes");
    says(store.ping().await, "the thread that writes");
    assert!(store.load(one.id).await.unwrap().is_some(), "reading goes on");
    drop(store);
    let store = open(&path);
    assert_eq!(store.commit(move_head(&one, START)).await, Ok(Commit::Done));
}

#[tokio::test]
async fn a_full_disk_is_unavailability_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("a.db"));
    let ada = sign_up(&store, 1).await;
    let full = |conn: &Connection| Ok(conn.pragma_update(None, "max_page_count", 60)?);
    store.writer.write("test", full).await.unwrap();
    let mut begun = 0;
    let refusal = loop {
        match store.create(new_session(session(&ada, begun))).await {
            Ok(done) => assert_eq!(done, CreateSession::Done),
            Err(refusal) => break refusal,
        }
        begun += 1;
        assert!(begun < 10_000, "the disk was never full");
    };
    says(Err::<(), _>(refusal), "the disk is full");
    let one = store.load(session(&ada, 0).id).await.unwrap().unwrap().session;
    assert_eq!(store.commit(move_head(&one, START)).await, Ok(Commit::Done), "what needs no room goes on");

    let space = |conn: &Connection| Ok(conn.pragma_update(None, "max_page_count", 1_000_000)?);
    store.writer.write("test", space).await.unwrap();
    log_in(&store, &ada, begun).await;
    for n in 0..=begun {
        assert!(store.load(session(&ada, n).id).await.unwrap().is_some(), "session {n} was acknowledged");
    }
    assert_eq!(store.damage().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_write_that_fails_half_way_leaves_nothing_and_the_others_of_its_group_stand() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("a.db")));
    let ada = sign_up(&store, 1).await;
    // Keeps the writer busy, so that what follows is one group.
    let lock = Connection::open(folder.path().join("a.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let blocked = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.ping().await }
    });
    let half = |conn: &Connection| -> Result<(), crate::error::Fault> {
        conn.execute("UPDATE users SET name = 'half'", [])?;
        conn.execute("INSERT INTO instance (key, id) VALUES (2, x'00')", [])?;
        Ok(())
    };
    let (one, two) = (session(&ada, 1), session(&ada, 2));
    let group = async {
        tokio::join!(
            store.create(new_session(one.clone())),
            store.writer.write("test", half),
            store.create(new_session(two.clone()))
        )
    };
    let unlock = async { lock.execute_batch("ROLLBACK").unwrap() };
    let ((first, failed, last), ()) = tokio::join!(group, unlock);
    assert_eq!((first, last), (Ok(CreateSession::Done), Ok(CreateSession::Done)));
    says(failed, "constraint");
    assert_eq!(blocked.await.unwrap(), Ok(()));
    let Loaded { user, .. } = store.load(one.id).await.unwrap().unwrap();
    assert_eq!(user, ada, "half a write stayed");
}

#[tokio::test]
async fn a_file_that_turns_read_only_is_unavailability() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("a.db"));
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let read_only = |conn: &Connection| Ok(conn.pragma_update(None, "query_only", true)?);
    store.writer.write("test", read_only).await.unwrap();
    says(store.commit(move_head(&one, START)).await, "can't be written");
    says(store.ping().await, "can't be written");
    assert!(store.load(one.id).await.unwrap().is_some());
}

#[tokio::test]
async fn another_process_that_holds_the_lock_is_unavailability_until_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path, Options { busy_for: Duration::ZERO, ..options() }).unwrap();
    let ada = sign_up(&store, 1).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    says(store.create(new_session(session(&ada, 1))).await, "another process");
    other.execute_batch("COMMIT").unwrap();
    log_in(&store, &ada, 1).await;
}

#[tokio::test]
async fn damage_is_corruption_and_the_check_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let shorten = |conn: &Connection| Ok(conn.execute("UPDATE sessions SET head = x'00'", [])?);
    store.writer.write("test", shorten).await.unwrap();
    assert!(matches!(store.load(one.id).await, Err(StoreError::Corrupt(_))));
    let orphan = |conn: &Connection| Ok(conn.execute("DELETE FROM users", [])?);
    says(store.writer.write("test", orphan).await, "FOREIGN KEY");
    assert_eq!(store.damage().await, Ok(Vec::new()), "the file itself is sound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_that_wait_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("a.db")));
    let ada = sign_up(&store, 1).await;
    let before = (figure(&store, "write_groups").await, figure(&store, "writes").await);
    let callers = (0..64).map(|n| {
        let (store, ada) = (Arc::clone(&store), ada.clone());
        tokio::spawn(async move {
            let mut row = log_in(&store, &ada, n).await;
            for step in 0..20 {
                let change = move_head(&row, after_millis(step));
                assert_eq!(store.commit(change.clone()).await, Ok(Commit::Done));
                change.update.apply(&mut row);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let groups = figure(&store, "write_groups").await - before.0;
    let writes = figure(&store, "writes").await - before.1;
    assert_eq!(writes, 64 * 21);
    assert!(writes >= groups * 4, "{writes} writes took {groups} commits");
}

#[tokio::test]
async fn relaxed_moves_are_flushed_soon_and_the_end_of_a_session_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let options = Options { rotation_durability: Durability::Relaxed, ..options() };
    let store = SqliteStore::open(&path, options).unwrap();
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    assert_eq!(store.commit(move_head(&one, START)).await, Ok(Commit::Done));
    assert_eq!(synchronous(&store).await, 2, "a change that isn't a move waits for the disk");
    let moved = store.load(one.id).await.unwrap().unwrap().session;
    assert_eq!(store.commit(revoke(&moved, RevokeReason::Logout, START)).await, Ok(Commit::Done));
    assert_eq!(store.commit(move_head(&moved, START)).await, Ok(Commit::Conflict));
    let seen = |conn: &Connection| Ok(conn.pragma_query_value(None, "synchronous", |row| row.get(0))?);
    assert_eq!(store.writer.move_head(seen).await, Ok(1), "a move does not");
    // Longer than a move may stay in memory: the writer has flushed by itself and goes on.
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(store.ping().await, Ok(()));
}

async fn synchronous(store: &SqliteStore) -> i64 {
    let read = |conn: &Connection| Ok(conn.pragma_query_value(None, "synchronous", |row| row.get(0))?);
    store.writer.write("test", read).await.unwrap()
}
