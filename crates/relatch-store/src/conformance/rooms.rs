//! A user has no more sessions than there is room for.

use crate::conformance::dump::Dump;
use crate::conformance::{
    Harness, IDLE, START, after_millis, at_once, check, end, end_all, events_of, feed_of, load, log_in,
    move_head, new_session, reread, revoke, session, session_begun, session_id, sign_up,
};
use crate::{Commit, CreateSession, FeedSubject, NewSession, Room, Store, User, WhenFull};
use relatch_core::{Ended, EventKind, Origin, Revocation, RevokeReason, Session, Transport};
use relatch_token::Timestamp;

pub(super) async fn the_oldest_or_the_most_idle_session_leaves_for_a_new_one(harness: &dyn Harness) {
    for (when_full, leaves) in [(WhenFull::EndOldest, 1), (WhenFull::EndMostIdle, 2)] {
        let store = harness.open().await;
        let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
        for n in 1..=3 {
            assert_eq!(begin(&*store, begun(&ada, n), room(3, when_full)).await, CreateSession::Done);
            begin(&*store, begun(&bob, n + 10), room(3, when_full)).await;
        }
        let first = load(&*store, session_id(1)).await;
        store.commit(move_head(&first, after_millis(50))).await.unwrap();
        assert_eq!(begin(&*store, begun(&ada, 60), room(3, when_full)).await, CreateSession::Done);
        let mut left = vec![60, 3, 2, 1];
        left.retain(|n| *n != leaves);
        assert_eq!(live(&*store, &ada, after_millis(60)).await, left, "{when_full:?}");
        assert_eq!(live(&*store, &bob, after_millis(60)).await.len(), 3, "nobody else pays");
    }
}

pub(super) async fn a_full_user_is_refused_without_a_trace(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 1..=2 {
        begin(&*store, begun(&ada, n), room(2, WhenFull::Refuse)).await;
    }
    let ids: Vec<_> = (1..=3).map(session_id).collect();
    let before = Dump::of(&*store, &ids).await;
    assert_eq!(begin(&*store, begun(&ada, 3), room(2, WhenFull::Refuse)).await, CreateSession::Full);
    assert_eq!(Dump::of(&*store, &ids).await, before);
    assert_eq!(begin(&*store, begun(&ada, 3), room(3, WhenFull::Refuse)).await, CreateSession::Done);
}

pub(super) async fn a_session_of_the_same_browser_leaves_first_and_makes_room_where_nothing_else_does(
    harness: &dyn Harness,
) {
    for when_full in [WhenFull::EndOldest, WhenFull::EndMostIdle, WhenFull::Refuse] {
        let store = harness.open().await;
        let ada = sign_up(&*store, 1).await;
        for n in 1..=3 {
            begin(&*store, begun(&ada, n), room(3, when_full)).await;
        }
        let again = Session { device: begun(&ada, 2).device, ..begun(&ada, 4) };
        assert_eq!(begin(&*store, again, room(3, when_full)).await, CreateSession::Done);
        assert_eq!(live(&*store, &ada, after_millis(4)).await, [4, 3, 1], "{when_full:?}");
        let replaced = Revocation { at: after_millis(4), reason: RevokeReason::Replaced };
        let now = after_millis(4);
        assert_eq!(check(&*store, session_id(2), now).await, Err(Ended::Revoked(replaced)));
    }
    // Sessions without a device are each another's.
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    begin(&*store, of_body(begun(&ada, 1)), room(1, WhenFull::Refuse)).await;
    assert_eq!(begin(&*store, of_body(begun(&ada, 2)), room(1, WhenFull::Refuse)).await, CreateSession::Full);
}

pub(super) async fn each_transport_may_have_a_bound_of_its_own(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let room = Room { cookie_max: Some(2), body_max: Some(1), ..room(3, WhenFull::EndOldest) };
    let mut left: Vec<Vec<u64>> = Vec::new();
    for (n, is_body) in [(1, false), (2, false), (3, true), (4, false), (5, true), (6, false)] {
        let one = if is_body { of_body(begun(&ada, n)) } else { begun(&ada, n) };
        assert_eq!(begin(&*store, one, room).await, CreateSession::Done);
        left.push(live(&*store, &ada, after_millis(n as i64)).await);
    }
    let expected = [&[1][..], &[2, 1], &[3, 2, 1], &[4, 3, 2], &[5, 4, 2], &[6, 5, 4]];
    assert_eq!(left, expected.map(<[u64]>::to_vec));
    let wide = Room { cookie_max: None, body_max: None, ..room };
    begin(&*store, of_body(begun(&ada, 7)), wide).await;
    assert_eq!(live(&*store, &ada, after_millis(7)).await, [7, 6, 5]);
}

pub(super) async fn dead_sessions_take_no_room(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let out = log_in(&*store, &ada, 1).await;
    store.commit(revoke(&out, RevokeReason::Logout, START)).await.unwrap();
    log_in(&*store, &ada, 2).await;
    end(&*store, end_all(ada.id, START)).await;
    log_in(&*store, &ada, 3).await;
    let late = session_begun(&reread(&*store, ada.id).await, 4, START + IDLE);
    let (events, feed) = (events_of(&*store).await.len(), feed_of(&*store).await.len());
    assert_eq!(begin(&*store, late, room(1, WhenFull::Refuse)).await, CreateSession::Done);
    assert_eq!(live(&*store, &ada, START + IDLE).await, [4]);
    assert_eq!((events_of(&*store).await.len(), feed_of(&*store).await.len()), (events + 1, feed));
}

pub(super) async fn a_smaller_room_than_before_is_made_all_at_once(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 1..=20 {
        begin(&*store, begun(&ada, n), room(100, WhenFull::EndOldest)).await;
    }
    begin(&*store, begun(&ada, 21), room(3, WhenFull::EndOldest)).await;
    assert_eq!(live(&*store, &ada, after_millis(21)).await, [21, 20, 19]);
}

pub(super) async fn an_eviction_its_event_and_its_feed_entry_come_together(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut old = begun(&ada, 1);
    old.origin.device_name = Some("old phone".into());
    begin(&*store, old.clone(), room(1, WhenFull::EndOldest)).await;
    let mut new = begun(&ada, 2);
    new.origin = Origin {
        ip: Some([203, 0, 113, 9].into()),
        user_agent: Some("new".into()),
        device_name: Some("new phone".into()),
    };
    begin(&*store, new.clone(), room(1, WhenFull::EndOldest)).await;

    let at = after_millis(2);
    let evicted = Revocation { at, reason: RevokeReason::Evicted };
    assert_eq!(check(&*store, old.id, at).await, Err(Ended::Revoked(evicted)));
    assert_eq!(store.commit(move_head(&old, at)).await, Ok(Commit::Conflict), "decided before it left");
    let told = feed_of(&*store).await;
    assert_eq!((told.len(), told[0].at, &told[0].subject), (1, at, &FeedSubject::Session(old.id)));
    let events = events_of(&*store).await;
    let of_old = events.iter().find(|event| event.kind == EventKind::SessionRevoked).unwrap();
    assert_eq!((of_old.session_id, of_old.reason.as_deref()), (Some(old.id), Some("evicted")));
    let from = Origin { device_name: old.origin.device_name.clone(), ..new.origin.clone() };
    assert_eq!((of_old.at, &of_old.origin), (at, &from));
    assert_eq!(events.last().unwrap().session_id, Some(new.id));
}

pub(super) async fn of_50_logins_at_once_no_more_live_on_than_there_is_room_for(harness: &dyn Harness) {
    for (when_full, begun_max) in [(WhenFull::EndMostIdle, 50), (WhenFull::Refuse, 3)] {
        let store = harness.open().await;
        let ada = sign_up(&*store, 1).await;
        let answers = at_once((0..50).map(|n| {
            let (store, one) = (store.clone(), begun(&ada, n));
            async move { begin(&*store, one, room(3, when_full)).await }
        }))
        .await;
        let done = answers.iter().filter(|answer| **answer == CreateSession::Done).count();
        assert_eq!((done, live(&*store, &ada, after_millis(50)).await.len()), (begun_max, 3));
    }
}

fn room(sessions_max: u32, when_full: WhenFull) -> Room {
    Room { sessions_max, cookie_max: None, body_max: None, when_full }
}

/// Session `n`, begun `n` milliseconds after the start.
fn begun(user: &User, n: u64) -> Session {
    session_begun(user, n, after_millis(n as i64))
}

fn of_body(session: Session) -> Session {
    Session { transport: Transport::Body, device: None, ..session }
}

async fn begin(store: &dyn Store, session: Session, room: Room) -> CreateSession {
    store.create(NewSession { room: Some(room), ..new_session(session) }).await.unwrap()
}

/// The numbers of the sessions that live, the newest first.
async fn live(store: &dyn Store, user: &User, now: Timestamp) -> Vec<u64> {
    let sessions = store.list(user.id, now, 100).await.unwrap();
    let number = |one: &Session| (0..100).find(|n| session(user, *n).id == one.id).unwrap();
    sessions.iter().map(number).collect()
}
