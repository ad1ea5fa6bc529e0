//! The memory store keeps what every store promises, and loses only what it was told to lose.

use super::{MemoryStore, undo};
use crate::conformance::{
    Harness, START, after_millis, end, end_all, event, events_of, load, log_in, move_head, revoke, sign_up,
};
use crate::{Change, Commit, SessionStore, Store, SubjectChange};
use relatch_core::{EventKind, RevokeReason, State, Version};
use std::sync::{Arc, Mutex};

crate::conformance_suite!(Memory::default());

/// A crash is a copy into a new store: the reference writes everything durably.
#[derive(Default)]
struct Memory(Mutex<Option<Arc<MemoryStore>>>);

impl Memory {
    fn keep(&self, store: MemoryStore) -> Arc<dyn Store> {
        let store = Arc::new(store);
        *self.0.lock().unwrap() = Some(store.clone());
        store
    }

    fn kept(&self) -> Arc<MemoryStore> {
        self.0.lock().unwrap().clone().unwrap()
    }
}

#[async_trait::async_trait]
impl Harness for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        self.keep(MemoryStore::new([7; 16]))
    }

    async fn crash(&self, _: Arc<dyn Store>) -> Arc<dyn Store> {
        let next = MemoryStore::new([7; 16]);
        next.restore(&self.kept().snapshot());
        self.keep(next)
    }

    async fn set_available(&self, is_available: bool) {
        self.kept().set_available(is_available);
    }
}

#[tokio::test]
async fn lost_moves_are_undone_newest_first_with_their_events() {
    let store = MemoryStore::new([7; 16]);
    let ada = sign_up(&store, 1).await;
    let mut rows = vec![log_in(&store, &ada, 1).await];
    for step in 0..4 {
        let read = rows[step].clone();
        let told = event(EventKind::SessionHealed, ada.id, after_millis(step as i64));
        let change = Change { event: Some(told), ..move_head(&read, after_millis(step as i64)) };
        assert_eq!(store.commit(change).await, Ok(Commit::Done));
        rows.push(load(&store, read.id).await);
    }
    assert_eq!(store.lose_last_moves(0), 0);
    assert_eq!(load(&store, rows[0].id).await, rows[4]);
    assert_eq!(store.lose_last_moves(1), 1);
    assert_eq!(load(&store, rows[0].id).await, rows[3]);
    assert_eq!(events_of(&store).await.len(), 2 + 3);
    assert_eq!(store.lose_last_moves(100), 3);
    assert_eq!(load(&store, rows[0].id).await, rows[0]);
    assert_eq!(events_of(&store).await.len(), 2);
}

#[tokio::test]
async fn revocations_and_what_was_written_with_them_are_never_lost() {
    let store = MemoryStore::new([7; 16]);
    let ada = sign_up(&store, 1).await;
    let (over, kept) = (log_in(&store, &ada, 1).await, log_in(&store, &ada, 2).await);
    for one in [&over, &kept] {
        store.commit(move_head(one, START)).await.unwrap();
    }
    let read = load(&store, over.id).await;
    store.commit(revoke(&read, RevokeReason::Logout, START)).await.unwrap();
    end(&store, SubjectChange { keep: Some(kept.id), ..end_all(ada.id, START) }).await;
    let before = (load(&store, over.id).await, load(&store, kept.id).await);
    assert_eq!(store.lose_last_moves(100), 0);
    assert_eq!((load(&store, over.id).await, load(&store, kept.id).await), before);
    assert_ne!(before.0.state, State::Live);
    assert_eq!(before.1.version, Version(2));
}

#[tokio::test]
async fn what_can_be_lost_is_bounded() {
    let store = MemoryStore::new([7; 16]);
    let ada = sign_up(&store, 1).await;
    let id = log_in(&store, &ada, 1).await.id;
    for step in 0..=undo::MOVES_MAX {
        let read = load(&store, id).await;
        store.commit(move_head(&read, after_millis(step as i64))).await.unwrap();
    }
    assert_eq!(store.lose_last_moves(usize::MAX), undo::MOVES_MAX);
    assert_eq!(load(&store, id).await.version, Version(1));
}

#[tokio::test]
async fn a_snapshot_brings_everything_back() {
    let store = MemoryStore::new([7; 16]);
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let backup = store.snapshot();
    store.commit(revoke(&one, RevokeReason::Logout, START)).await.unwrap();
    log_in(&store, &ada, 2).await;
    store.restore(&backup);
    assert_eq!(load(&store, one.id).await, one);
    assert_eq!(store.list(ada.id, START, 10).await, Ok(vec![one]));
    assert_eq!(events_of(&store).await.len(), 2);
}
