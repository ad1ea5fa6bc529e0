//! The outbox: what is queued leaves once it was delivered and no sooner, and followers miss no event.

use crate::conformance::sweeps::sweep_rounds;
use crate::conformance::{
    Harness, START, after_millis, at_once, delete, delivery, delivery_id, end, event, events_of, link,
    log_in, new_user, sign_up, user, user_id,
};
use crate::{
    Channel, ChannelKind, CreateUser, Cursor, Delivery, Enqueue, EventFilter, Follow, LinkPurpose, NewUser,
    Settlement, Step, Store, SweepOrder, UNREAD_KEPT, User, Waiting,
};
use relatch_core::EventKind;
use relatch_token::Timestamp;
use std::collections::BTreeSet;

pub(super) async fn every_field_of_a_delivery_comes_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mail = Delivery { user_id: Some(ada.id), attempts: 7, ..delivery(1) };
    let hook = Delivery {
        channel: Channel::Webhook("billing ü".into()),
        payload: Vec::new(),
        created_at: after_millis(-999),
        ..delivery(2)
    };
    let large = Delivery { payload: vec![0; 60_000], ..delivery(3) };
    let all = vec![mail.clone(), hook.clone(), large.clone()];
    assert_eq!(store.enqueue(all).await, Ok(Enqueue::Done));
    let lease = after_millis(500);
    let taken = |one: Delivery| Delivery { due_at: lease, attempts: one.attempts + 1, ..one };
    let mails = store.take_due(ChannelKind::Mail, START, lease, 10).await;
    assert_eq!(mails, Ok(vec![taken(mail), taken(large)]));
    let hooks = store.take_due(ChannelKind::Webhook, START, lease, 10).await;
    assert_eq!(hooks, Ok(vec![taken(hook)]));
}

pub(super) async fn what_is_due_is_taken_longest_due_first_and_not_a_millisecond_sooner(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    for (n, due) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 40)] {
        let one = Delivery { due_at: after_millis(due), ..delivery(n) };
        assert_eq!(store.enqueue(vec![one]).await, Ok(Enqueue::Done));
    }
    assert_eq!(take(&*store, 9, 9_000, 10).await, NOTHING);
    assert_eq!(take(&*store, 10, 9_000, 1).await, [2], "of two that are due at once, the first queued");
    assert_eq!(take(&*store, 29, 9_000, 10).await, [4, 3]);
    assert_eq!(take(&*store, 30, 9_000, 10).await, [1]);
    assert_eq!(take(&*store, 40, 9_000, 0).await, NOTHING);
}

pub(super) async fn a_lease_ends_and_each_take_counts_an_attempt(harness: &dyn Harness) {
    let store = harness.open().await;
    store.enqueue(vec![delivery(1)]).await.unwrap();
    for attempt in 1..=3 {
        let now = i64::from(attempt) * 100;
        let lease = after_millis(now + 100);
        let taken = store.take_due(ChannelKind::Mail, after_millis(now), lease, 10).await.unwrap();
        assert_eq!((taken.len(), taken[0].attempts, taken[0].due_at), (1, attempt, lease));
        assert_eq!(take(&*store, now + 99, 9_000, 10).await, NOTHING, "within the lease");
    }
}

pub(super) async fn an_attempt_ends_as_it_was_said(harness: &dyn Harness) {
    let store = harness.open().await;
    store.enqueue((1..=3).map(delivery).collect()).await.unwrap();
    assert_eq!(take(&*store, 0, 100, 10).await, [1, 2, 3]);
    let retry = Settlement::Retry { at: after_millis(50) };
    for (n, settlement) in [(1, Settlement::Delivered), (2, Settlement::GivenUp), (3, retry)] {
        assert_eq!(store.settle(delivery_id(n), 1, settlement).await, Ok(true));
    }
    assert_eq!(take(&*store, 49, 9_000, 10).await, NOTHING);
    assert_eq!(take(&*store, 50, 9_000, 10).await, [3]);
    for (n, settlement) in [(1, Settlement::Delivered), (2, Settlement::GivenUp), (4, retry)] {
        assert_eq!(store.settle(delivery_id(n), 1, settlement).await, Ok(false), "it is not there");
    }
}

pub(super) async fn a_late_word_counts_only_where_it_arrived(harness: &dyn Harness) {
    let store = harness.open().await;
    store.enqueue(vec![delivery(1)]).await.unwrap();
    assert_eq!(take(&*store, 0, 100, 10).await, [1]);
    assert_eq!(take(&*store, 100, 200, 10).await, [1], "the first one was slow");
    for late in [Settlement::Retry { at: START }, Settlement::GivenUp] {
        assert_eq!(store.settle(delivery_id(1), 1, late).await, Ok(false), "{late:?}");
    }
    assert_eq!(take(&*store, 199, 9_000, 10).await, NOTHING);
    assert_eq!(store.settle(delivery_id(1), 1, Settlement::Delivered).await, Ok(true));
    assert_eq!(store.settle(delivery_id(1), 2, Settlement::Delivered).await, Ok(false));
    assert_eq!(take(&*store, 9_000, 9_001, 10).await, NOTHING);
}

pub(super) async fn of_many_takers_at_once_each_delivery_has_one(harness: &dyn Harness) {
    let store = harness.open().await;
    store.enqueue((0..200).map(delivery).collect()).await.unwrap();
    let taken = at_once((0..50).map(|_| {
        let store = store.clone();
        async move { take(&*store, 0, 100, 7).await }
    }))
    .await;
    let all: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200));
}

pub(super) async fn a_delivery_is_kept_once_however_often_it_is_queued(harness: &dyn Harness) {
    let store = harness.open().await;
    let again = Delivery { payload: vec![9], due_at: after_millis(5), ..delivery(1) };
    assert_eq!(store.enqueue(vec![delivery(1), again.clone()]).await, Ok(Enqueue::Done));
    assert_eq!(store.enqueue(vec![again]).await, Ok(Enqueue::Done));
    let taken = store.take_due(ChannelKind::Mail, START, after_millis(9), 10).await.unwrap();
    assert_eq!((taken.len(), &taken[0].payload), (1, &delivery(1).payload));
}

pub(super) async fn a_full_channel_takes_no_more_and_nothing_of_that_call(harness: &dyn Harness) {
    let store = harness.open().await;
    let most = Delivery::WAITING_MAX as u64;
    for first in (0..most - 1).step_by(1000) {
        let some = (first..(first + 1000).min(most - 1)).map(delivery).collect();
        assert_eq!(store.enqueue(some).await, Ok(Enqueue::Done));
    }
    assert_eq!(store.enqueue(vec![delivery(most), delivery(most + 1)]).await, Ok(Enqueue::Full));
    assert_eq!(store.waiting(ChannelKind::Mail).await.unwrap().count, most - 1);
    let from = store.mark("notices").await.unwrap();
    let step = |deliveries| Step { follower: "notices".into(), from, to: Cursor(from.0 + 1), deliveries };
    assert_eq!(store.follow(step(vec![delivery(most), delivery(most + 1)])).await, Ok(Follow::Full));
    assert_eq!(store.mark("notices").await, Ok(from), "what it read is read again");
    assert_eq!(store.enqueue(vec![delivery(most)]).await, Ok(Enqueue::Done));
    let other = Delivery { channel: Channel::Webhook("a".into()), ..delivery(most + 2) };
    assert_eq!(store.enqueue(vec![other]).await, Ok(Enqueue::Done), "other channels have room");
    assert_eq!(store.enqueue(vec![delivery(1)]).await, Ok(Enqueue::Done), "it is there already");
}

pub(super) async fn what_waits_is_counted_by_kind(harness: &dyn Harness) {
    let store = harness.open().await;
    assert_eq!(store.waiting(ChannelKind::Mail).await, Ok(Waiting::default()));
    for (n, created, due) in [(1, 20, 50), (2, 10, 70), (3, 30, 60)] {
        let times = (after_millis(created), after_millis(due));
        let one = Delivery { created_at: times.0, due_at: times.1, ..delivery(n) };
        store.enqueue(vec![one]).await.unwrap();
    }
    let expected =
        Waiting { count: 3, oldest_at: Some(after_millis(10)), next_due_at: Some(after_millis(50)) };
    assert_eq!(store.waiting(ChannelKind::Mail).await, Ok(expected));
    assert_eq!(store.waiting(ChannelKind::Webhook).await, Ok(Waiting::default()));
    assert_eq!(take(&*store, 50, 80, 1).await, [1]);
    let expected = Waiting { next_due_at: Some(after_millis(60)), ..expected };
    assert_eq!(store.waiting(ChannelKind::Mail).await, Ok(expected), "what is under way still waits");
}

pub(super) async fn what_waits_for_a_deleted_user_leaves_with_them(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let of = |user, n| Delivery { user_id: Some(user), ..delivery(n) };
    store.enqueue(vec![of(ada.id, 1), of(bob.id, 2), delivery(3)]).await.unwrap();
    let from = store.mark("notices").await.unwrap();
    assert_eq!(take(&*store, 0, 10, 1).await, [1]);
    end(&*store, delete(ada.id, after_millis(1))).await;
    assert_eq!(store.settle(delivery_id(1), 1, Settlement::Retry { at: START }).await, Ok(false));
    assert_eq!(store.enqueue(vec![of(ada.id, 4), of(user_id(77), 5), delivery(6)]).await, Ok(Enqueue::Done));
    let deliveries = vec![of(ada.id, 7), of(bob.id, 8)];
    let step = Step { follower: "notices".into(), from, to: Cursor(from.0 + 1), deliveries };
    assert_eq!(store.follow(step).await, Ok(Follow::Done));
    assert_eq!(take(&*store, 100, 9_000, 10).await, [2, 3, 6, 8]);
}

pub(super) async fn a_link_its_message_and_its_event_come_together(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let (one, other) = (link(&ada, LinkPurpose::ResetPassword, 1), link(&ada, LinkPurpose::ResetPassword, 2));
    let told = event(EventKind::PasswordResetRequested, ada.id, after_millis(1));
    let of_ada = |n| Delivery { user_id: Some(ada.id), ..delivery(n) };
    let posted = store.post_link(one.clone(), Some(told.clone()), vec![of_ada(1), delivery(2)]).await;
    assert_eq!(posted, Ok(Enqueue::Done));
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    assert_eq!(store.post_link(other.clone(), None, vec![of_ada(3)]).await, Ok(Enqueue::Done));
    let gone = store.link(one.hash, one.purpose, START).await;
    assert_eq!(gone, Ok(None), "a newer link of the purpose replaces it");
    assert_eq!(store.link(other.hash, other.purpose, START).await, Ok(Some(other)));
    assert_eq!(take(&*store, 0, 9_000, 10).await, [1, 2, 3]);

    end(&*store, delete(bob.id, after_millis(2))).await;
    let events = events_of(&*store).await;
    let late = link(&bob, LinkPurpose::ResetPassword, 3);
    let told = event(EventKind::PasswordResetRequested, bob.id, after_millis(3));
    assert_eq!(store.post_link(late, Some(told), vec![delivery(4)]).await, Ok(Enqueue::Done));
    assert_eq!((events_of(&*store).await, take(&*store, 0, 9_000, 10).await), (events, vec![]));
}

pub(super) async fn a_welcome_comes_with_its_user_alone(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = user(1);
    let proof = link(&ada, LinkPurpose::VerifyEmail, 1);
    let welcome = Some((proof.clone(), Delivery { user_id: Some(ada.id), ..delivery(1) }));
    let new = NewUser { welcome, ..new_user(ada.clone(), 1) };
    assert_eq!(store.create_user(new).await, Ok(CreateUser::Done));
    assert_eq!(store.link(proof.hash, proof.purpose, START).await, Ok(Some(proof)));
    let twin = User { id: user_id(2), ..ada };
    let proof = link(&twin, LinkPurpose::VerifyEmail, 2);
    let new = NewUser { welcome: Some((proof.clone(), delivery(2))), ..new_user(twin, 2) };
    assert_eq!(store.create_user(new).await, Ok(CreateUser::EmailTaken));
    assert_eq!(store.link(proof.hash, proof.purpose, START).await, Ok(None));
    assert_eq!(take(&*store, 0, 9_000, 10).await, [1]);
}

pub(super) async fn a_new_follower_begins_behind_the_newest_event(harness: &dyn Harness) {
    let store = harness.open().await;
    assert_eq!(store.mark("first").await, Ok(Cursor(0)), "there never was an event");
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    let mark = store.mark("notices").await.unwrap();
    assert_eq!(store.events_after(mark, 10).await, Ok(vec![]));
    store.record(event(EventKind::LoginFailed, ada.id, after_millis(1))).await.unwrap();
    assert_eq!(store.mark("notices").await, Ok(mark), "it stays until the follower moves it");
    let read = store.events_after(mark, 10).await.unwrap();
    assert_eq!((read.len(), read[0].event.kind), (1, EventKind::LoginFailed));
    assert_eq!(store.events_after(Cursor(0), 10).await.unwrap().len(), 3);
    let all = [("first".to_owned(), Cursor(0)), ("notices".to_owned(), mark)];
    assert_eq!(store.followers().await, Ok(all.to_vec()));
    assert_eq!(store.forget_follower("first").await, Ok(true));
    assert_eq!(store.forget_follower("first").await, Ok(false));
    assert_eq!(store.mark("first").await, Ok(read[0].cursor), "who comes back begins anew");
}

pub(super) async fn events_are_read_oldest_first_page_by_page(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    at_once((0..250).map(|n| {
        let (store, told) = (store.clone(), event(EventKind::LoginFailed, ada.id, after_millis(n)));
        async move { store.record(told).await.unwrap() }
    }))
    .await;
    let (mut read, mut after) = (Vec::new(), Cursor(0));
    loop {
        let page = store.events_after(after, usize::MAX).await.unwrap();
        assert!(page.len() <= EventFilter::LIMIT_MAX);
        let Some(last) = page.last() else { break };
        after = last.cursor;
        read.extend(page);
    }
    assert!(read.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    let told: Vec<_> = read.into_iter().map(|event| event.event).collect();
    assert_eq!(told, events_of(&*store).await);
    assert_eq!(store.events_after(Cursor(0), 3).await.unwrap().len(), 3);
    assert_eq!(store.events_after(Cursor(u64::MAX), 3).await, Ok(vec![]));
}

pub(super) async fn a_mark_moves_with_what_follows_or_not_at_all(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let from = store.mark("notices").await.unwrap();
    for n in 0..3 {
        store.record(event(EventKind::LoginFailed, ada.id, after_millis(n))).await.unwrap();
    }
    let to = store.events_after(from, 10).await.unwrap()[1].cursor;
    let step = |from, to, n| Step { follower: "notices".into(), from, to, deliveries: vec![delivery(n)] };
    for stale in [Cursor(from.0 + 1), Cursor(from.0 - 1)] {
        assert_eq!(store.follow(step(stale, to, 1)).await, Ok(Follow::Conflict));
    }
    assert_eq!(store.follow(step(from, Cursor(from.0 - 1), 1)).await, Ok(Follow::Conflict), "backwards");
    let nobody = Step { follower: "nobody".into(), ..step(from, to, 1) };
    assert_eq!(store.follow(nobody).await, Ok(Follow::Conflict));
    assert_eq!(store.waiting(ChannelKind::Mail).await.unwrap().count, 0, "a conflict writes nothing");
    assert_eq!(store.follow(step(from, to, 2)).await, Ok(Follow::Done));
    assert_eq!(store.follow(step(from, to, 3)).await, Ok(Follow::Conflict), "the same step again");
    let store = harness.crash(store).await;
    assert_eq!(store.mark("notices").await, Ok(to));
    assert_eq!(take(&*store, 0, 9_000, 10).await, [2]);
    assert_eq!(store.events_after(to, 10).await.unwrap().len(), 1);
}

pub(super) async fn one_of_20_nodes_that_read_the_same_events_keeps_what_follows(harness: &dyn Harness) {
    let store = harness.open().await;
    let from = store.mark("notices").await.unwrap();
    let answers = at_once((0..20).map(|n| {
        let (store, deliveries) = (store.clone(), vec![delivery(n)]);
        let step = Step { follower: "notices".into(), from, to: Cursor(from.0 + 5), deliveries };
        async move { store.follow(step).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Follow::Done).count(), 1);
    assert_eq!(store.waiting(ChannelKind::Mail).await.unwrap().count, 1);
}

pub(super) async fn the_sweep_leaves_what_a_follower_has_not_read(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    store.mark("reads").await.unwrap();
    let from = store.mark("lags").await.unwrap();
    for n in 1..=4 {
        store.record(event(EventKind::LoginFailed, ada.id, after_millis(n))).await.unwrap();
    }
    let to = store.events_after(from, 10).await.unwrap()[1].cursor;
    let step = Step { follower: "lags".into(), from, to, deliveries: vec![] };
    assert_eq!(store.follow(step).await, Ok(Follow::Done));
    assert_eq!(store.forget_follower("reads").await, Ok(true));
    sweep_rounds(&*store, events_order(after_millis(5))).await;
    assert_eq!(store.events_after(Cursor(0), 10).await.unwrap().len(), 2, "the two that it has not read");
    sweep_rounds(&*store, events_order(after_millis(4) + UNREAD_KEPT)).await;
    assert_eq!(store.events_after(Cursor(0), 10).await.unwrap().len(), 1, "nor is it waited for for ever");
    assert_eq!(store.forget_follower("lags").await, Ok(true));
    sweep_rounds(&*store, events_order(after_millis(5))).await;
    assert_eq!(events_of(&*store).await, []);
}

/// Takes mails, times in milliseconds after [`START`]; answers the numbers of those that were taken.
async fn take(store: &dyn Store, now: i64, lease_until: i64, limit: usize) -> Vec<u64> {
    let (now, lease_until) = (after_millis(now), after_millis(lease_until));
    let taken = store.take_due(ChannelKind::Mail, now, lease_until, limit).await.unwrap();
    taken.iter().map(|one| (0..300).find(|n| delivery_id(*n) == one.id).unwrap()).collect()
}

fn events_order(limit: Timestamp) -> SweepOrder {
    SweepOrder { now: START, dead_before: START, events_before: limit, feed_before: START, rows_max: 10 }
}

const NOTHING: [u64; 0] = [];
