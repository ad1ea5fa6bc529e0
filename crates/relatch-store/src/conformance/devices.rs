//! Devices are met, recognised, named and forgotten.

use crate::conformance::dump::Dump;
use crate::conformance::sweeps::sweep_rounds;
use crate::conformance::{
    Harness, IDLE, LIFE, START, after_millis, at_once, check, delete, device_id, end, end_all, event,
    events_of, feed_of, load, log_in, move_head, new_session, reread, revoke, session, session_begun,
    session_id, sign_up, user_id,
};
use crate::{
    Commit, CreateSession, DEVICES_PER_USER_MAX, Device, FeedSubject, ForgetDevice, NewSession, RenameDevice,
    Store, SweepOrder, User,
};
use relatch_core::{Ended, EventKind, Origin, RevokeReason, Session, Transport};
use relatch_token::{DeviceHash, DeviceId, Seconds, Timestamp};

pub(super) async fn a_device_is_known_by_its_user_alone_and_by_another_id_to_each(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let one = log_in(&*store, &ada, 1).await;
    let hash = one.device.unwrap();
    let expected = Device {
        id: device_id(&one),
        hash,
        name: None,
        is_renamed: false,
        user_agent: one.origin.user_agent.clone(),
        first_seen_at: START,
        last_seen_at: START,
        expires_at: one.lifetime.expires_at,
    };
    assert_eq!(store.device(ada.id, hash).await, Ok(Some(expected.clone())));
    assert_eq!(store.devices(ada.id).await, Ok(vec![expected]));
    for nobody in [bob.id, user_id(3)] {
        assert_eq!(store.device(nobody, hash).await, Ok(None));
        assert_eq!(store.devices(nobody).await, Ok(vec![]));
    }
    assert_eq!(store.device(ada.id, DeviceHash([0; 8])).await, Ok(None));

    let shared = Session { device: Some(hash), ..session(&bob, 2) };
    begin(&*store, shared.clone()).await;
    let of_bob = store.device(bob.id, hash).await.unwrap().unwrap();
    assert_eq!(of_bob.id, device_id(&shared));
    // Neither a body session, nor one that is not to be remembered, nor one that was refused is met.
    begin(&*store, of_body(session(&ada, 3))).await;
    store.create(NewSession { device_id: None, ..new_session(session(&ada, 4)) }).await.unwrap();
    assert_eq!(store.create(new_session(session(&ada, 1))).await, Ok(CreateSession::Conflict));
    assert_eq!(store.devices(ada.id).await.unwrap().len(), 1);
}

pub(super) async fn a_device_remembers_the_last_login_and_what_was_last_heard_when_a_session_ended(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let first = log_in(&*store, &ada, 1).await;
    let mut again = Session { device: first.device, ..session_begun(&ada, 2, after_millis(50)) };
    again.origin.user_agent = Some("a newer browser".into());
    begin(&*store, again.clone()).await;
    let device = async || store.device(ada.id, first.device.unwrap()).await.unwrap().unwrap();
    let met = device().await;
    assert_eq!((met.id, met.first_seen_at, met.last_seen_at), (device_id(&first), START, after_millis(50)));
    assert_eq!(met.user_agent.as_deref(), Some("a newer browser"));
    assert_eq!(met.expires_at, again.lifetime.expires_at);

    store.commit(move_head(&first, after_millis(90))).await.unwrap();
    assert_eq!(device().await, met, "a refresh wrote to the device");
    let moved = load(&*store, first.id).await;
    store.commit(revoke(&moved, RevokeReason::Logout, after_millis(500))).await.unwrap();
    assert_eq!(device().await.last_seen_at, after_millis(90));
    store.commit(move_head(&again, after_millis(95))).await.unwrap();
    end(&*store, end_all(ada.id, after_millis(600))).await;
    assert_eq!(device().await.last_seen_at, after_millis(95));
    assert_eq!(device().await.id, met.id, "logged out, and still known");
}

pub(super) async fn a_name_that_its_user_chose_outlasts_logins_and_a_given_one_does_not(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let named = |n: u64, name: Option<&str>| {
        let mut one =
            Session { device: session(&ada, 1).device, ..session_begun(&ada, n, after_millis(n as i64)) };
        one.origin.device_name = name.map(str::to_owned);
        one
    };
    let name = async || store.devices(ada.id).await.unwrap()[0].name.clone();
    for (n, given, expected) in [
        (1, None, None),
        (2, Some("Firefox"), Some("Firefox")),
        (3, None, Some("Firefox")),
        (4, Some("Fox"), Some("Fox")),
    ] {
        begin(&*store, named(n, given)).await;
        assert_eq!(name().await.as_deref(), expected);
    }
    let id = device_id(&named(1, None));
    let events = events_of(&*store).await.len();
    assert_eq!(store.rename_device(rename(&ada, id, "Ada’s laptop 💻")).await, Ok(true));
    assert_eq!(events_of(&*store).await.split_off(events), [rename(&ada, id, "").event]);
    begin(&*store, named(5, Some("Fox"))).await;
    assert_eq!(name().await.as_deref(), Some("Ada’s laptop 💻"));
    for n in 1..=4 {
        let session = load(&*store, session_id(n)).await;
        assert_eq!(session.origin.device_name.as_deref(), Some("Ada’s laptop 💻"), "session {n}");
        assert_eq!(store.commit(move_head(&session, after_millis(10))).await, Ok(Commit::Done));
    }
}

pub(super) async fn a_session_without_a_known_device_is_a_device_by_itself(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let app = of_body(session(&ada, 1));
    begin(&*store, app.clone()).await;
    let browser = log_in(&*store, &ada, 2).await;
    let id = DeviceId::of_session(app.id);
    assert_eq!(store.rename_device(rename(&ada, id, "phone")).await, Ok(true));
    assert_eq!(load(&*store, app.id).await.origin.device_name.as_deref(), Some("phone"));
    assert_eq!(store.devices(ada.id).await.unwrap().len(), 1, "it is no device that is known");
    // A session of a device that is known is none by itself.
    let of_browser = DeviceId::of_session(browser.id);
    assert_eq!(store.rename_device(rename(&ada, of_browser, "x")).await, Ok(false));
    assert_eq!(store.forget_device(forget(&ada, of_browser)).await, Ok(None));
    assert_eq!(store.forget_device(forget(&ada, id)).await, Ok(Some(1)));
    assert_eq!(store.forget_device(forget(&ada, id)).await, Ok(None), "it ended with its session");
    assert_eq!(store.rename_device(rename(&ada, id, "x")).await, Ok(false));
    assert_eq!(check(&*store, browser.id, START).await, Ok(()));
}

pub(super) async fn forgetting_a_device_ends_its_sessions_and_nobody_elses(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let mut one = session(&ada, 1);
    one.origin.device_name = Some("laptop".into());
    begin(&*store, one.clone()).await;
    let twin = Session { device: one.device, ..session(&ada, 2) };
    begin(&*store, twin.clone()).await;
    let over = Session { device: one.device, ..session(&ada, 3) };
    begin(&*store, over.clone()).await;
    store.commit(revoke(&over, RevokeReason::PasswordReset, START)).await.unwrap();
    let other = log_in(&*store, &ada, 4).await;
    let of_bob = Session { device: one.device, ..session(&bob, 5) };
    begin(&*store, of_bob.clone()).await;
    let (events, feed) = (events_of(&*store).await.len(), feed_of(&*store).await.len());

    let mut order = ForgetDevice { asking: Some(twin.id), ..forget(&ada, device_id(&one)) };
    order.event.origin.ip = Some([203, 0, 113, 7].into());
    assert_eq!(store.forget_device(order.clone()).await, Ok(Some(2)));
    assert_eq!(store.device(ada.id, one.device.unwrap()).await, Ok(None));
    let reason = async |id| match check(&*store, id, START).await {
        Err(Ended::Revoked(revocation)) => Some((revocation.at, revocation.reason)),
        _ => None,
    };
    let at = order.event.at;
    assert_eq!(reason(one.id).await, Some((at, RevokeReason::EndedByUser)));
    assert_eq!(reason(twin.id).await, Some((at, RevokeReason::Logout)), "the one that asked");
    assert_eq!(reason(over.id).await, Some((START, RevokeReason::PasswordReset)));
    for lives in [&other, &of_bob] {
        assert_eq!(check(&*store, lives.id, START).await, Ok(()));
    }
    assert_eq!(store.commit(move_head(&one, at)).await, Ok(Commit::Conflict), "decided before");
    assert!(store.device(bob.id, one.device.unwrap()).await.unwrap().is_some());
    let told = events_of(&*store).await.split_off(events);
    let kinds: Vec<_> = told.iter().map(|event| (event.kind, event.session_id)).collect();
    assert!(kinds.contains(&(EventKind::SessionRevoked, Some(one.id))), "{kinds:?}");
    assert!(kinds.contains(&(EventKind::Logout, Some(twin.id))), "{kinds:?}");
    assert_eq!((told.len(), told.last()), (3, Some(&order.event)));
    let of_one = told.iter().find(|event| event.session_id == Some(one.id)).unwrap();
    let from = Origin { device_name: Some("laptop".into()), ..order.event.origin.clone() };
    assert_eq!(of_one.origin, from);
    let mut fed: Vec<_> = feed_of(&*store).await.split_off(feed).into_iter().map(|it| it.subject).collect();
    let mut expected = vec![FeedSubject::Session(one.id), FeedSubject::Session(twin.id)];
    fed.sort_by_key(|subject| format!("{subject:?}"));
    expected.sort_by_key(|subject| format!("{subject:?}"));
    assert_eq!(fed, expected);

    let again = Session { device: one.device, ..session(&ada, 6) };
    begin(&*store, again.clone()).await;
    let met = store.device(ada.id, one.device.unwrap()).await.unwrap().unwrap();
    assert!(met.id == device_id(&again) && met.id != device_id(&one), "it was known again");
}

pub(super) async fn a_device_of_another_user_is_neither_named_nor_forgotten(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let one = log_in(&*store, &ada, 1).await;
    let app = of_body(session(&ada, 2));
    begin(&*store, app.clone()).await;
    let ids = [one.id, app.id];
    let before = Dump::of(&*store, &ids).await;
    for id in [device_id(&one), DeviceId::of_session(app.id), DeviceId::from_bytes([0; 16])] {
        assert_eq!(store.rename_device(rename(&bob, id, "mine")).await, Ok(false));
        assert_eq!(store.forget_device(forget(&bob, id)).await, Ok(None));
    }
    assert_eq!(Dump::of(&*store, &ids).await, before);
}

pub(super) async fn one_of_20_who_forget_a_device_at_once_does(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let one = log_in(&*store, &ada, 1).await;
    let answers = at_once((0..20).map(|_| {
        let (store, order) = (store.clone(), forget(&ada, device_id(&one)));
        async move { store.forget_device(order).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Some(1)).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 19);
}

pub(super) async fn a_login_that_races_forgetting_leaves_no_session_on_a_device_that_is_not_known(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..20 {
        let one = log_in(&*store, &ada, n * 10).await;
        let late = Session { device: one.device, ..session(&ada, n * 10 + 1) };
        let login = tokio::spawn({
            let store = store.clone();
            let late = late.clone();
            async move { store.create(new_session(late)).await.unwrap() }
        });
        store.forget_device(forget(&ada, device_id(&one))).await.unwrap();
        assert_eq!(login.await.unwrap(), CreateSession::Done);
        let is_known = store.device(ada.id, one.device.unwrap()).await.unwrap().is_some();
        assert_eq!(check(&*store, late.id, START).await.is_ok(), is_known);
        assert!(check(&*store, one.id, START).await.is_err());
    }
}

pub(super) async fn who_meets_one_device_too_many_forgets_the_one_seen_longest_ago(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    begin(&*store, session(&bob, 9999)).await;
    let most = DEVICES_PER_USER_MAX as u64;
    for n in 0..most {
        begin(&*store, session_begun(&ada, n, after_millis(n as i64))).await;
    }
    // The first one comes back, so that the second is the one that was seen longest ago.
    let first = Session { device: session(&ada, 0).device, ..session_begun(&ada, 5000, after_millis(5000)) };
    begin(&*store, first.clone()).await;
    assert_eq!(store.devices(ada.id).await.unwrap().len(), DEVICES_PER_USER_MAX);
    begin(&*store, session_begun(&ada, 6000, after_millis(6000))).await;
    let known = store.devices(ada.id).await.unwrap();
    assert_eq!((known.len(), known[0].id), (DEVICES_PER_USER_MAX, device_id(&session(&ada, 6000))));
    assert!(known.iter().any(|device| Some(device.hash) == first.device));
    assert!(!known.iter().any(|device| Some(device.hash) == session(&ada, 1).device));
    assert_eq!(store.devices(bob.id).await.unwrap().len(), 1);
    // Its session lives on, as a device by itself.
    let by_itself = DeviceId::of_session(session_id(1));
    assert_eq!(store.rename_device(rename(&ada, by_itself, "lost")).await, Ok(true));
}

pub(super) async fn devices_leave_with_their_last_session_and_with_their_user(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let one = log_in(&*store, &ada, 1).await;
    store.commit(revoke(&one, RevokeReason::Logout, START)).await.unwrap();
    let at = |dead_before: Timestamp| SweepOrder {
        now: dead_before,
        dead_before,
        events_before: START,
        feed_before: START,
        rows_max: 10,
    };
    assert_eq!(sweep_rounds(&*store, at(START + IDLE)).await.devices, 0);
    assert_eq!(sweep_rounds(&*store, at(START + LIFE)).await.devices, 0);
    assert_eq!(store.devices(ada.id).await.unwrap().len(), 1, "its session has left, and it is known");
    let later = Timestamp::from_millis((START + LIFE).as_millis() + 1);
    assert_eq!(sweep_rounds(&*store, at(later)).await.devices, 1);
    assert_eq!(store.devices(ada.id).await, Ok(vec![]));

    let of_bob = log_in(&*store, &bob, 2).await;
    end(&*store, delete(bob.id, START + Seconds(1))).await;
    assert_eq!(store.devices(bob.id).await, Ok(vec![]));
    assert_eq!(store.device(bob.id, of_bob.device.unwrap()).await, Ok(None));
    assert_eq!(store.rename_device(rename(&bob, device_id(&of_bob), "x")).await, Ok(false));
    let again = reread(&*store, ada.id).await;
    let store = harness.crash(store).await;
    log_in(&*store, &again, 3).await;
    let store = harness.crash(store).await;
    assert_eq!(store.devices(ada.id).await.unwrap().len(), 1);
}

async fn begin(store: &dyn Store, session: Session) {
    assert_eq!(store.create(new_session(session)).await, Ok(CreateSession::Done));
}

fn of_body(session: Session) -> Session {
    Session { transport: Transport::Body, device: None, ..session }
}

fn rename(user: &User, device_id: DeviceId, name: &str) -> RenameDevice {
    let event = event(EventKind::DeviceRenamed, user.id, after_millis(7000));
    RenameDevice { user_id: user.id, device_id, name: name.into(), event }
}

fn forget(user: &User, device_id: DeviceId) -> ForgetDevice {
    let event = event(EventKind::DeviceForgotten, user.id, after_millis(7000));
    ForgetDevice { user_id: user.id, device_id, asking: None, event }
}
