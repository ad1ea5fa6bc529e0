//! The audit: complete, newest first, page by page.

use crate::conformance::{
    Harness, START, after_millis, at_once, event, events_of, session_id, sign_up, user_id,
};
use crate::{Cursor, Event, EventFilter, NewEvent, Store};
use relatch_core::{EventKind, Origin};

pub(super) async fn every_field_of_an_event_comes_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let full = NewEvent {
        session_id: Some(session_id(1)),
        origin: Origin {
            ip: Some("::ffff:192.0.2.128".parse().unwrap()),
            user_agent: Some("curl/8 ü 𝄞".into()),
            device_name: Some("Ада’s phone 📱".into()),
        },
        reason: Some("by key_… \"quoted\"".into()),
        ..event(EventKind::LoginFailed, ada.id, after_millis(-999))
    };
    let bare = event(EventKind::LoginFailed, ada.id, START);
    let edits: [fn(&mut NewEvent, &NewEvent); 7] = [
        |_, _| (),
        |one, full| *one = full.clone(),
        |one, full| one.session_id = full.session_id,
        |one, full| one.origin.ip = full.origin.ip,
        |one, full| one.origin.user_agent = full.origin.user_agent.clone(),
        |one, full| one.origin.device_name = full.origin.device_name.clone(),
        |one, full| one.reason = full.reason.clone(),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        let mut one = bare.clone();
        edit(&mut one, &full);
        store.record(one.clone()).await.unwrap();
        assert_eq!(events_of(&*store).await.last(), Some(&one), "edit {n}");
    }
}

pub(super) async fn every_kind_of_event_comes_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let told = EventKind::ALL.map(|kind| event(kind, ada.id, START));
    for one in told.clone() {
        store.record(one).await.unwrap();
    }
    assert_eq!(events_of(&*store).await[1..], told);
}

pub(super) async fn events_of_unknown_users_are_ignored(harness: &dyn Harness) {
    let store = harness.open().await;
    sign_up(&*store, 1).await;
    assert_eq!(store.record(event(EventKind::LoginFailed, user_id(2), START)).await, Ok(()));
    assert_eq!(events_of(&*store).await.len(), 1);
}

pub(super) async fn events_are_listed_newest_first_page_by_page(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..25 {
        // The order is that of writing, whatever the clock said.
        store.record(event(EventKind::LoginFailed, ada.id, after_millis((n * 7) % 10))).await.unwrap();
    }
    let all = page(&*store, EventFilter { limit: 100, ..EventFilter::default() }).await;
    assert_eq!(all.len(), 26);
    assert!(all.windows(2).all(|pair| pair[0].cursor > pair[1].cursor));
    assert!(all[25].cursor > Cursor(0));
    let times: Vec<_> = all[..25].iter().rev().map(|event| event.event.at).collect();
    assert_eq!(times, (0..25).map(|n| after_millis((n * 7) % 10)).collect::<Vec<_>>());
    for (place, one) in all.iter().enumerate() {
        let filter = EventFilter { before: Some(one.cursor), limit: 4, ..EventFilter::default() };
        assert_eq!(page(&*store, filter).await, all[place + 1..(place + 5).min(26)]);
    }
}

pub(super) async fn events_are_filtered_by_user_and_session(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    for n in 0..30 {
        let owner = if n % 2 == 0 { ada.id } else { bob.id };
        let session_id = (n % 3 > 0).then(|| session_id(n as u64 % 5));
        let told = NewEvent { session_id, ..event(EventKind::LoginFailed, owner, after_millis(n)) };
        store.record(told).await.unwrap();
    }
    let all = page(&*store, EventFilter { limit: 100, ..EventFilter::default() }).await;
    for user_id in [None, Some(ada.id), Some(bob.id), Some(user_id(3))] {
        for session_id in [None, Some(session_id(1)), Some(session_id(4)), Some(session_id(77))] {
            for before in [None, Some(all[10].cursor)] {
                let filter = EventFilter { user_id, session_id, before, limit: 3 };
                let wanted = all.iter().filter(|kept| {
                    user_id.is_none_or(|user| kept.event.user_id == user)
                        && session_id.is_none_or(|session| kept.event.session_id == Some(session))
                        && before.is_none_or(|before| kept.cursor < before)
                });
                let expected: Vec<_> = wanted.take(3).cloned().collect();
                assert_eq!(page(&*store, filter).await, expected, "{filter:?}");
            }
        }
    }
}

pub(super) async fn a_page_holds_no_more_than_asked_for_nor_than_the_cap(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    at_once((0..250).map(|n| {
        let (store, told) = (store.clone(), event(EventKind::LoginFailed, ada.id, after_millis(n)));
        async move { store.record(told).await.unwrap() }
    }))
    .await;
    let cap = EventFilter::LIMIT_MAX;
    for (limit, expected) in
        [(0, 0), (1, 1), (cap - 1, cap - 1), (cap, cap), (cap + 1, cap), (usize::MAX, cap)]
    {
        let filter = EventFilter { limit, ..EventFilter::default() };
        assert_eq!(page(&*store, filter).await.len(), expected, "limit {limit}");
    }
}

pub(super) async fn events_recorded_at_once_are_all_there(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    at_once((0..64).map(|n| {
        let (store, told) = (store.clone(), event(EventKind::LoginFailed, ada.id, after_millis(n)));
        async move { store.record(told).await.unwrap() }
    }))
    .await;
    let mut times: Vec<_> = events_of(&*store).await[1..].iter().map(|event| event.at).collect();
    times.sort_unstable();
    assert_eq!(times, (0..64).map(after_millis).collect::<Vec<_>>());
}

async fn page(store: &dyn Store, filter: EventFilter) -> Vec<Event> {
    store.events(filter).await.unwrap()
}
