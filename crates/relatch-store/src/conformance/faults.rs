//! Crashes and outages: what was acknowledged stays, and doubt is an error.

use crate::conformance::dump::Dump;
use crate::conformance::factors::{codes, confirm, factor};
use crate::conformance::sessions::full;
use crate::conformance::{
    Harness, START, after_millis, api_key, at_once, check, client, client_id, delivery, delivery_id,
    device_id, disable, end, end_all, event, feed_of, link, load, log_in, move_head, new_session, new_user,
    password, reread, revoke, session, session_id, sign_up, signing_key, user, user_id,
};
use crate::{
    ChannelKind, Commit, Cursor, EventFilter, ForgetDevice, LinkPurpose, RecoveryHash, RenameDevice,
    Settlement, Step, Store, StoreError, SubjectChange, SweepOrder, UserKey,
};
use relatch_core::{Epoch, EventKind, Origin, RevokeReason};
use relatch_token::{DeviceHash, SessionId};
use std::sync::Arc;

pub(super) async fn an_open_store_answers_and_keeps_its_name(harness: &dyn Harness) {
    let store = harness.open().await;
    assert_eq!(store.ping().await, Ok(()));
    let name = store.instance_id().await.unwrap();
    assert_ne!(name, [0; 16], "nobody drew it");
    assert_eq!(store.instance_id().await, Ok(name));
    let store = harness.crash(store).await;
    assert_eq!(store.instance_id().await, Ok(name));
    assert_eq!(store.ping().await, Ok(()));
}

pub(super) async fn a_crash_loses_nothing_that_was_acknowledged(harness: &dyn Harness) {
    let store = harness.open().await;
    let ids = write_some_of_everything(&*store).await;
    let before = Dump::of(&*store, &ids).await;
    let store = harness.crash(store).await;
    assert_eq!(Dump::of(&*store, &ids).await, before);
    assert_eq!(store.feed_head().await.unwrap(), feed_of(&*store).await.last().unwrap().cursor);
    let verifying = link(&user(1), LinkPurpose::VerifyEmail, 1);
    assert_eq!(store.link(verifying.hash, verifying.purpose, START).await, Ok(Some(verifying)));
    let store = harness.crash(store).await;
    assert_eq!(Dump::of(&*store, &ids).await, before, "after a second crash");
    log_in(&*store, &user(1), 50).await;
}

pub(super) async fn many_writers_lose_nothing_to_a_crash_right_after(harness: &dyn Harness) {
    let mut store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut next = 0;
    for _ in 0..3 {
        // What each writer was told is done: session, generation, whether it is revoked.
        let acknowledged = at_once((0..8).map(|n| {
            let (store, ada, first) = (store.clone(), ada.clone(), next + n * 10);
            async move { write_and_note(&*store, &ada, first).await }
        }))
        .await;
        next += 80;
        store = harness.crash(store).await;
        for (id, generation, is_revoked) in acknowledged.into_iter().flatten() {
            assert_eq!(load(&*store, id).await.head.generation.0, generation);
            assert_eq!(check(&*store, id, START).await.is_err(), is_revoked);
        }
    }
}

async fn write_and_note(store: &dyn Store, ada: &crate::User, first: u64) -> Vec<(SessionId, u64, bool)> {
    let mut acknowledged = Vec::new();
    for n in first..first + 5 {
        let id = log_in(store, ada, n).await.id;
        for step in 0..n % 3 {
            let read = load(store, id).await;
            assert_eq!(store.commit(move_head(&read, after_millis(step as i64))).await, Ok(Commit::Done));
        }
        let is_revoked = n % 2 == 0;
        if is_revoked {
            let read = load(store, id).await;
            assert_eq!(store.commit(revoke(&read, RevokeReason::Logout, START)).await, Ok(Commit::Done));
        }
        acknowledged.push((id, n % 3, is_revoked));
    }
    acknowledged
}

pub(super) async fn an_outage_is_an_error_of_every_verb_and_harms_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let ids = write_some_of_everything(&*store).await;
    let before = Dump::of(&*store, &ids).await;
    harness.set_available(false).await;
    for (verb, error) in every_verb(&store, ids[0]).await {
        assert!(matches!(error, Some(StoreError::Unavailable(_))), "{verb} answered {error:?}");
    }
    harness.set_available(true).await;
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(Dump::of(&*store, &ids).await, before, "a verb that failed changed something");
    let left = every_verb(&store, ids[0]).await;
    let failed: Vec<_> = left.into_iter().filter(|(_, error)| error.is_some()).collect();
    assert_eq!(failed, [], "the outage is over");
}

/// What each verb fails with. Each would answer if the store could.
async fn every_verb(store: &Arc<dyn Store>, id: SessionId) -> Vec<(&'static str, Option<StoreError>)> {
    let ada = user(1);
    let key = UserKey::Id(ada.id);
    let told = event(EventKind::LoginFailed, ada.id, START);
    let verifying = link(&ada, LinkPurpose::VerifyEmail, 70);
    let step = Step { follower: "notices".into(), from: Cursor(0), to: Cursor(1), deliveries: vec![] };
    let order =
        SweepOrder { now: START, dead_before: START, events_before: START, feed_before: START, rows_max: 5 };
    macro_rules! verbs {
        ($($verb:ident($($argument:expr),*))*) => { vec![$((stringify!($verb), store.$verb($($argument),*).await.err())),*] };
    }
    verbs! {
        ping()
        instance_id()
        load(id)
        load(session_id(99))
        commit(move_head(&session(&ada, 1), START))
        create(new_session(session(&ada, 70)))
        list(ada.id, START, 10)
        device(ada.id, DeviceHash([1; 8]))
        devices(ada.id)
        rename_device(RenameDevice {
            user_id: ada.id,
            device_id: device_id(&session(&ada, 1)),
            name: "a name".into(),
            event: event(EventKind::DeviceRenamed, ada.id, START),
        })
        forget_device(ForgetDevice {
            user_id: ada.id,
            device_id: device_id(&session(&ada, 1)),
            asking: None,
            event: event(EventKind::DeviceForgotten, ada.id, START),
        })
        revoke_subject(end_all(ada.id, START))
        sweep(order)
        changes_since(Default::default(), 10)
        feed_head()
        create_user(new_user(user(70), 70))
        user(&key)
        user(&UserKey::Id(user_id(99)))
        credentials(&key)
        users(None, 10)
        upgrade_password(ada.id, &password(1), password(2), told.clone())
        enable_user(ada.id, told.clone())
        add_link(verifying.clone())
        post_link(verifying.clone(), None, vec![])
        link(verifying.hash, verifying.purpose, START)
        verify_email(verifying.hash, START)
        change_email(verifying.hash, START, Origin::default())
        second_factors(ada.id)
        add_factor(factor(&ada, 70), Epoch(0), 3)
        confirm_factor(confirm(&factor(&ada, 70), START))
        accept_step(ada.id, factor(&ada, 70).id, 1)
        use_recovery_code(ada.id, RecoveryHash([0; 32]), told.clone())
        count_wrong_code(ada.id, told.clone())
        replace_recovery_codes(ada.id, Epoch(0), codes(70), told.clone())
        remove_factor(ada.id, Epoch(0), factor(&ada, 70).id, told.clone())
        remove_factors(ada.id, told.clone())
        factors_not_under(1, 10)
        reseal_factor(factor(&ada, 70).id, factor(&ada, 70).seed, factor(&ada, 71).seed)
        signing_keys()
        add_signing_key(signing_key(70), 1)
        update_signing_key(signing_key(1))
        remove_signing_key("2027-01", Some(START))
        add_api_key(api_key(70))
        api_key(api_key(1).hash)
        api_keys()
        revoke_api_key("key_1", START)
        put_client(client("web"))
        client(&client_id("web"))
        clients()
        remove_client(&client_id("web"))
        record(told.clone())
        events(EventFilter { limit: 10, ..EventFilter::default() })
        enqueue(vec![delivery(70)])
        take_due(ChannelKind::Webhook, START, after_millis(1), 10)
        settle(delivery_id(1), 1, Settlement::Delivered)
        waiting(ChannelKind::Mail)
        events_after(Cursor(0), 10)
        mark("notices")
        follow(step.clone())
        followers()
        forget_follower("nobody")
    }
}

/// Answers the sessions that were written; the first is live.
async fn write_some_of_everything(store: &dyn Store) -> Vec<SessionId> {
    let (ada, bob) = (sign_up(store, 1).await, sign_up(store, 2).await);
    let eve = sign_up(store, 3).await;
    let one = full(&session(&ada, 1));
    store.create(new_session(one.clone())).await.unwrap();
    store.commit(move_head(&one, after_millis(1))).await.unwrap();
    let two = log_in(store, &ada, 2).await;
    store.commit(revoke(&two, RevokeReason::Logout, after_millis(2))).await.unwrap();
    let (three, four) = (log_in(store, &bob, 3).await, log_in(store, &bob, 4).await);
    end(store, SubjectChange { keep: Some(four.id), ..end_all(bob.id, after_millis(3)) }).await;
    let five = log_in(store, &eve, 5).await;
    end(store, disable(eve.id, after_millis(4))).await;
    store.add_link(link(&ada, LinkPurpose::VerifyEmail, 1)).await.unwrap();
    let verified = link(&bob, LinkPurpose::VerifyEmail, 2);
    store.add_link(verified.clone()).await.unwrap();
    store.verify_email(verified.hash, after_millis(5)).await.unwrap();
    let upgraded = event(EventKind::PasswordUpgraded, bob.id, after_millis(6));
    store.upgrade_password(bob.id, &password(2), password(22), upgraded).await.unwrap();
    store.add_signing_key(signing_key(1), 0).await.unwrap();
    store.add_api_key(api_key(1)).await.unwrap();
    store.put_client(client("web")).await.unwrap();
    store.mark("notices").await.unwrap();
    store.enqueue(vec![delivery(1)]).await.unwrap();
    store.record(event(EventKind::LoginFailed, ada.id, after_millis(7))).await.unwrap();
    assert_eq!(reread(store, ada.id).await, ada);
    [one, two, three, four, five].map(|session| session.id).into()
}
