//! The sweep: what is long dead leaves, in small batches; nothing else ever does.

use crate::conformance::{
    Harness, IDLE, LIFE, START, after_millis, at_once, check, end, end_all, event, events_of, feed_of, link,
    load, log_in, move_head, new_session, revoke, session, session_begun, session_id, sign_up,
};
use crate::{Commit, EventFilter, Link, LinkPurpose, Store, SubjectChange, SweepOrder, Swept, UserKey};
use relatch_core::{EventKind, RevokeReason};
use relatch_token::{Seconds, Timestamp};

pub(super) async fn what_died_before_the_limit_leaves_and_not_a_millisecond_sooner(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    let mut too_old = session(&ada, 2);
    too_old.lifetime.expires_at = START + Seconds(60);
    store.create(new_session(too_old)).await.unwrap();
    let revoked = log_in(&*store, &ada, 3).await;
    store.commit(revoke(&revoked, RevokeReason::Logout, START + Seconds(120))).await.unwrap();
    log_in(&*store, &bob, 4).await;
    end(&*store, end_all(bob.id, START + Seconds(180))).await;
    let refreshed = log_in(&*store, &ada, 5).await;
    store.commit(move_head(&refreshed, START + Seconds(240))).await.unwrap();

    let deaths =
        [(2, Seconds(60)), (3, Seconds(120)), (4, Seconds(180)), (1, IDLE), (5, Seconds(IDLE.0 + 240))];
    let mut left = vec![1, 2, 3, 4, 5];
    for (n, died_after) in deaths {
        let died_at = START + died_after;
        assert_eq!(sweep_dead(&*store, died_at).await.sessions, 0, "session {n} left when it had just died");
        assert_eq!(present(&*store, 1..=5).await, left);
        let later = Timestamp::from_millis(died_at.as_millis() + 1);
        assert_eq!(sweep_dead(&*store, later).await.sessions, 1, "session {n} stayed");
        left.retain(|other| *other != n);
        assert_eq!(present(&*store, 1..=5).await, left);
    }
}

pub(super) async fn live_sessions_stay_however_often_it_sweeps(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..30 {
        log_in(&*store, &ada, n).await;
    }
    // The kept one is of a later epoch than it began with.
    let kept = Some(session_id(7));
    end(&*store, SubjectChange { keep: kept, ..end_all(ada.id, START) }).await;
    for n in 30..60 {
        log_in(&*store, &ada, n).await;
    }
    let now = after_millis(IDLE.as_millis() - 1);
    for _ in 0..5 {
        sweep_dead(&*store, now).await;
    }
    let expected: Vec<u64> = [7].into_iter().chain(30..60).collect();
    assert_eq!(present(&*store, 0..=59).await, expected);
    for n in expected {
        assert_eq!(check(&*store, session_id(n), now).await, Ok(()));
    }
}

pub(super) async fn a_batch_is_no_larger_than_asked_for(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..40 {
        let one = log_in(&*store, &ada, n).await;
        store.commit(revoke(&one, RevokeReason::Logout, START)).await.unwrap();
    }
    let order = order(START + LIFE, 7);
    let mut total = Swept::default();
    for batch in 0.. {
        assert!(batch < BATCHES_MAX, "the sweep never comes round");
        let swept = store.sweep(order).await.unwrap();
        for count in [swept.sessions, swept.events, swept.feed, swept.links, swept.devices] {
            assert!(count <= 7, "a batch of {count}");
        }
        add(&mut total, swept);
        if swept.is_round_done {
            break;
        }
    }
    assert_eq!(present(&*store, 0..=39).await, [0u64; 0]);
    assert_eq!((total.sessions, total.events, total.feed), (40, 81, 40));
    assert_eq!(events_of(&*store).await, []);
    assert_eq!(feed_of(&*store).await, []);
}

pub(super) async fn a_round_ends_and_the_next_one_finds_what_died_since(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    assert!(store.sweep(order(START, 10)).await.unwrap().is_round_done, "there is nothing to look at");
    for n in 0..50 {
        let at = after_millis(n * 10);
        let one = session_begun(&ada, n as u64, at);
        store.create(new_session(one.clone())).await.unwrap();
        store.commit(revoke(&one, RevokeReason::Logout, at)).await.unwrap();
    }
    for (limit, left) in [(0, 50), (101, 39), (101, 39), (250, 25), (1000, 0)] {
        sweep_rounds(&*store, SweepOrder { rows_max: 9, ..dead_order(after_millis(limit)) }).await;
        assert_eq!(present(&*store, 0..=49).await.len(), left, "limit {limit}");
    }
}

pub(super) async fn old_events_feed_entries_and_expired_links_leave(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    for at in 1..=20 {
        store.record(event(EventKind::LoginFailed, ada.id, after_millis(at))).await.unwrap();
        end(&*store, end_all(ada.id, after_millis(at))).await;
    }
    let verifying = link(&ada, LinkPurpose::VerifyEmail, 1);
    let later = Link { expires_at: after_millis(3_600_001), ..link(&bob, LinkPurpose::VerifyEmail, 2) };
    store.add_link(verifying.clone()).await.unwrap();
    store.add_link(later.clone()).await.unwrap();

    let now = verifying.expires_at;
    let nothing = SweepOrder { now, events_before: START, feed_before: START, ..dead_order(START) };
    let before = SweepOrder { now: Timestamp::from_millis(now.as_millis() - 1), ..nothing };
    assert_eq!(sweep_rounds(&*store, before).await, Swept { is_round_done: true, ..Swept::default() });
    assert_eq!(store.link(verifying.hash, verifying.purpose, START).await, Ok(Some(verifying.clone())));
    assert_eq!(sweep_rounds(&*store, nothing).await.links, 1);
    assert_eq!(store.link(verifying.hash, verifying.purpose, START).await, Ok(None));
    assert_eq!(store.link(later.hash, later.purpose, now).await, Ok(Some(later)));

    let order = SweepOrder { events_before: after_millis(5), feed_before: after_millis(9), ..nothing };
    let swept = sweep_rounds(&*store, order).await;
    assert_eq!((swept.events, swept.feed), (10, 8), "two sign-ups and eight events; eight entries");
    assert!(events_of(&*store).await.iter().all(|event| event.at >= after_millis(5)));
    assert_eq!(events_of(&*store).await.len(), 32);
    let feed = feed_of(&*store).await;
    assert_eq!((feed.len(), feed[0].at), (12, after_millis(9)));
    assert_eq!(store.user(&UserKey::Id(bob.id)).await, Ok(Some(bob)), "users never leave");
}

pub(super) async fn places_are_not_given_again_after_a_sweep(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    end(&*store, end_all(ada.id, START)).await;
    end(&*store, end_all(ada.id, START)).await;
    let head = store.feed_head().await.unwrap();
    let newest = EventFilter { limit: 1, ..EventFilter::default() };
    let last_event = store.events(newest).await.unwrap()[0].cursor;
    sweep_rounds(&*store, order(START + LIFE, 100)).await;
    assert_eq!(feed_of(&*store).await, []);
    assert_eq!(store.feed_head().await, Ok(head), "followers resume from here");
    let store = harness.crash(store).await;
    assert_eq!(store.feed_head().await, Ok(head), "after a crash");
    end(&*store, end_all(ada.id, after_millis(1))).await;
    let told = store.changes_since(head, 10).await.unwrap();
    assert_eq!(told.len(), 1, "a follower that was at the head misses what comes after it");
    assert_eq!(store.feed_head().await, Ok(told[0].cursor));
    assert!(store.events(newest).await.unwrap()[0].cursor > last_event);
}

pub(super) async fn refreshes_and_logins_go_on_during_a_sweep(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..60 {
        let one = log_in(&*store, &ada, n).await;
        if n % 2 == 0 {
            store.commit(revoke(&one, RevokeReason::Logout, START)).await.unwrap();
        }
    }
    let sweeping = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..20 {
                store.sweep(dead_order(START + Seconds(60))).await.unwrap();
            }
            sweep_dead(&*store, START + Seconds(60)).await;
        }
    });
    at_once((0..30).map(|n| {
        let (store, ada) = (store.clone(), ada.clone());
        async move {
            let id = session_id(n * 2 + 1);
            for step in 0..5 {
                let read = load(&*store, id).await;
                assert_eq!(store.commit(move_head(&read, after_millis(step))).await, Ok(Commit::Done));
            }
            log_in(&*store, &ada, 100 + n).await;
        }
    }))
    .await;
    sweeping.await.unwrap();
    let expected: Vec<u64> = (0..60).filter(|n| n % 2 == 1).chain(100..130).collect();
    assert_eq!(present(&*store, 0..=129).await, expected);
    for n in (1..60).step_by(2) {
        assert_eq!(load(&*store, session_id(n)).await.head.generation.0, 5);
    }
}

/// Everything from before `limit` may leave.
fn order(limit: Timestamp, rows_max: usize) -> SweepOrder {
    SweepOrder { now: limit, dead_before: limit, events_before: limit, feed_before: limit, rows_max }
}

/// Only sessions that were dead before `limit` may leave.
fn dead_order(limit: Timestamp) -> SweepOrder {
    SweepOrder { now: START, dead_before: limit, events_before: START, feed_before: START, rows_max: 10 }
}

async fn sweep_dead(store: &dyn Store, limit: Timestamp) -> Swept {
    sweep_rounds(store, dead_order(limit)).await
}

/// To the end of the round that is under way, and once all around; answers what left in all.
pub(super) async fn sweep_rounds(store: &dyn Store, order: SweepOrder) -> Swept {
    let mut total = Swept::default();
    let mut rounds = 0;
    for batch in 0.. {
        assert!(batch < BATCHES_MAX, "the sweep never comes round");
        let swept = store.sweep(order).await.unwrap();
        add(&mut total, swept);
        rounds += u32::from(swept.is_round_done);
        if rounds == 2 {
            break;
        }
    }
    total
}

fn add(total: &mut Swept, batch: Swept) {
    total.sessions += batch.sessions;
    total.events += batch.events;
    total.feed += batch.feed;
    total.links += batch.links;
    total.devices += batch.devices;
    total.users += batch.users;
    total.is_round_done |= batch.is_round_done;
}

/// Which of these sessions are still there.
async fn present(store: &dyn Store, numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    let mut present = Vec::new();
    for n in numbers {
        if store.load(session_id(n)).await.unwrap().is_some() {
            present.push(n);
        }
    }
    present
}

/// Many more than any check here needs.
const BATCHES_MAX: usize = 1000;
