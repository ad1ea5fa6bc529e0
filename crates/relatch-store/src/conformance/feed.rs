//! The feed of revocations: in order, resumable, nothing skipped.

use crate::conformance::{
    Harness, START, after_millis, at_once, end, end_all, feed_of, log_in, revoke, sign_up, signing_key,
};
use crate::{Commit, Cursor, FeedEntry, FeedSubject, Store, SubjectChange};
use relatch_core::RevokeReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) async fn an_empty_feed_begins_at_zero(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    assert_eq!(store.feed_head().await, Ok(Cursor(0)));
    assert_eq!(feed_of(&*store).await, []);
    assert_eq!(store.changes_since(Cursor(77), 10).await, Ok(vec![]), "after a place that is not yet");
}

pub(super) async fn every_kind_of_revocation_comes_back_in_order(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let (one, kept) = (log_in(&*store, &ada, 1).await, log_in(&*store, &ada, 2).await);
    store.add_signing_key(signing_key(1), 0).await.unwrap();
    store.commit(revoke(&one, RevokeReason::Logout, after_millis(1))).await.unwrap();
    end(&*store, SubjectChange { keep: Some(kept.id), ..end_all(ada.id, after_millis(2)) }).await;
    store.remove_signing_key("2027-01", Some(after_millis(3))).await.unwrap();
    end(&*store, end_all(ada.id, after_millis(4))).await;
    let feed = feed_of(&*store).await;
    let told: Vec<_> = feed.iter().map(|entry| (entry.at, entry.subject.clone())).collect();
    let expected = [
        (after_millis(1), FeedSubject::Session(one.id)),
        (after_millis(2), FeedSubject::User { user_id: ada.id, keep: Some(kept.id) }),
        (after_millis(3), FeedSubject::Key("2027-01".into())),
        (after_millis(4), FeedSubject::User { user_id: ada.id, keep: None }),
    ];
    assert_eq!(told, expected);
    assert!(feed[0].cursor > Cursor(0), "zero is before the first entry");
    assert_eq!(store.feed_head().await, Ok(feed[3].cursor));
}

pub(super) async fn the_feed_resumes_after_every_place(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..20 {
        let one = log_in(&*store, &ada, n).await;
        store.commit(revoke(&one, RevokeReason::Logout, START)).await.unwrap();
    }
    let feed = feed_of(&*store).await;
    assert_eq!(feed.len(), 20);
    assert!(feed.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    for (place, entry) in feed.iter().enumerate() {
        assert_eq!(store.changes_since(entry.cursor, 1000).await.unwrap(), feed[place + 1..]);
        let page = &feed[place + 1..(place + 4).min(20)];
        assert_eq!(store.changes_since(entry.cursor, 3).await.unwrap(), page);
        assert_eq!(store.changes_since(entry.cursor, 0).await.unwrap(), []);
    }
}

/// A follower asks all the while for what came after the last entry it saw. An entry that became visible
/// behind one with a greater place would never be seen by it.
pub(super) async fn a_follower_of_a_busy_feed_misses_nothing(harness: &dyn Harness) {
    const WRITERS: u64 = 8;
    const ENTRIES_EACH: u64 = 20;
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut sessions = Vec::new();
    for n in 0..WRITERS * ENTRIES_EACH {
        sessions.push(log_in(&*store, &ada, n).await);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> =
        (0..2).map(|n| tokio::spawn(follow(store.clone(), is_over.clone(), 1 + n * 999))).collect();
    let written = at_once(sessions.chunks(ENTRIES_EACH as usize).map(|mine| {
        let (store, mine) = (store.clone(), mine.to_vec());
        async move {
            for one in &mine {
                let answer = store.commit(revoke(one, RevokeReason::Logout, START)).await;
                assert_eq!(answer, Ok(Commit::Done));
            }
        }
    }))
    .await;
    assert_eq!(written.len() as u64, WRITERS);
    is_over.store(true, Ordering::SeqCst);
    let feed = feed_of(&*store).await;
    assert_eq!(feed.len() as u64, WRITERS * ENTRIES_EACH);
    for follower in followers {
        assert_eq!(follower.await.unwrap(), feed);
    }
}

/// What a follower saw in the order in which it saw it.
async fn follow(store: Arc<dyn Store>, is_over: Arc<AtomicBool>, page_size: usize) -> Vec<FeedEntry> {
    let mut seen: Vec<FeedEntry> = Vec::new();
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        let head = store.feed_head().await.unwrap();
        let place = seen.last().map_or(Cursor(0), |entry| entry.cursor);
        let page = store.changes_since(place, page_size).await.unwrap();
        let last = page.last().map_or(place, |entry| entry.cursor);
        assert!(page.len() == page_size || last >= head, "the head is {head:?}, the entries end at {last:?}");
        let is_end = page.is_empty();
        seen.extend(page);
        if is_end && was_over {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}
