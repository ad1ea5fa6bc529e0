//! An account is deleted: at once, for good, and nothing personal is left.

use crate::conformance::dump::Dump;
use crate::conformance::sessions::full;
use crate::conformance::sweeps::sweep_rounds;
use crate::conformance::{
    Harness, IDLE, LIFE, START, after_millis, at_once, check, delete, disable, end, end_all, event,
    events_of, feed_of, link, load, log_in, move_head, new_session, new_user, password, reread, reset,
    revoke, session, session_id, sign_up, user, user_id,
};
use crate::{
    Commit, CreateSession, CreateUser, EmailChange, EventFilter, FeedSubject, LinkPurpose, NewEvent, Store,
    StoreError, SubjectChange, SubjectEnd, SubjectUpdate, SweepOrder, User, UserKey,
};
use relatch_core::{Ended, Epoch, EventKind, Origin, Revocation, RevokeReason, Session};
use relatch_token::Seconds;

pub(super) async fn a_deleted_user_is_nobody_to_every_verb(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (with_everything(&*store).await, sign_up(&*store, 2).await);
    let links = [LinkPurpose::ResetPassword, LinkPurpose::VerifyEmail, LinkPurpose::ChangeEmail]
        .map(|purpose| link(&ada, purpose, purpose as u64));
    for one in &links {
        store.add_link(one.clone()).await.unwrap();
    }
    end(&*store, delete(ada.id, after_millis(1))).await;
    let events = events_of(&*store).await;

    let by_address = UserKey::Email("ada.1@example.org".into());
    for key in [UserKey::Id(ada.id), by_address, UserKey::External("ext-1".into())] {
        assert_eq!(store.user(&key).await, Ok(None), "{key:?}");
        assert_eq!(store.credentials(&key).await, Ok(None), "{key:?}");
    }
    assert_eq!(store.users(None, 10).await, Ok(vec![bob.clone()]));
    assert_eq!(store.users(Some(ada.id), 10).await, Ok(vec![bob]), "a list that was at them goes on");
    for one in &links {
        store.add_link(one.clone()).await.unwrap();
        assert_eq!(store.link(one.hash, one.purpose, START).await, Ok(None));
    }
    assert_eq!(store.verify_email(links[1].hash, START).await, Ok(None));
    let moved = store.change_email(links[2].hash, START, Origin::default()).await;
    assert_eq!(moved, Ok(EmailChange::BadLink));
    let told = |kind| event(kind, ada.id, after_millis(2));
    store.enable_user(ada.id, told(EventKind::UserEnabled)).await.unwrap();
    let upgraded = told(EventKind::PasswordUpgraded);
    store.upgrade_password(ada.id, &password(1), password(2), upgraded).await.unwrap();
    store.record(told(EventKind::LoginFailed)).await.unwrap();
    for again in [delete(ada.id, START), end_all(ada.id, START), disable(ada.id, START)] {
        assert_eq!(store.revoke_subject(again).await, Ok(SubjectEnd::Conflict));
    }
    let by_link = reset(ada.id, password(3), links[0].hash, START);
    assert_eq!(store.revoke_subject(by_link).await, Ok(SubjectEnd::Conflict));
    for epoch in [Epoch(0), Epoch(1), Epoch(2)] {
        let late = Session { epoch, ..session(&ada, 50) };
        assert_eq!(store.create(new_session(late)).await, Ok(CreateSession::Conflict));
    }
    assert_eq!(store.list(ada.id, START, 10).await, Ok(vec![]));
    assert_eq!(events_of(&*store).await, events, "something that did not happen was told");
}

pub(super) async fn every_session_of_a_deleted_user_is_revoked_and_verifiers_hear_of_it(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let one = log_in(&*store, &ada, 1).await;
    let other = log_in(&*store, &ada, 2).await;
    let over = log_in(&*store, &ada, 3).await;
    store.commit(revoke(&over, RevokeReason::Logout, START)).await.unwrap();
    log_in(&*store, &bob, 4).await;
    let change = SubjectChange { keep: Some(one.id), ..delete(ada.id, after_millis(5)) };
    assert_eq!(end(&*store, change).await, 2, "nobody is kept");
    let deleted = Revocation { at: after_millis(5), reason: RevokeReason::UserDeleted };
    for session in [&one, &other] {
        assert_eq!(check(&*store, session.id, START).await, Err(Ended::Revoked(deleted)));
        // What was decided before finds that it has ended, whichever way it asks.
        for late in [move_head(session, START), revoke(session, RevokeReason::Logout, START)] {
            assert_eq!(store.commit(late).await, Ok(Commit::Conflict));
        }
    }
    let logged_out = Revocation { at: START, reason: RevokeReason::Logout };
    assert_eq!(check(&*store, over.id, START).await, Err(Ended::Revoked(logged_out)));
    assert_eq!(check(&*store, session_id(4), START).await, Ok(()));
    let told = feed_of(&*store).await.pop().unwrap();
    let subject = FeedSubject::User { user_id: ada.id, keep: None };
    assert_eq!((told.at, told.subject), (after_millis(5), subject));
}

pub(super) async fn nothing_personal_is_left_of_a_deleted_user(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (with_everything(&*store).await, sign_up(&*store, 2).await);
    let of_bob = full(&session(&bob, 9));
    store.create(new_session(of_bob.clone())).await.unwrap();
    let from = full(&session(&ada, 1)).origin;
    store
        .record(NewEvent { origin: from.clone(), ..event(EventKind::LoginFailed, ada.id, START) })
        .await
        .unwrap();
    let before = events_of(&*store).await;
    let told = NewEvent { origin: from, ..event(EventKind::UserDeleted, ada.id, after_millis(1)) };
    end(&*store, SubjectChange { event: told.clone(), ..delete(ada.id, after_millis(1)) }).await;

    // Ids, kinds and times are kept, in their places; who and from where are not.
    let forgotten = |event: NewEvent| NewEvent { origin: Origin::default(), ..event };
    let expected: Vec<_> = before
        .into_iter()
        .chain([told])
        .map(|event| if event.user_id == ada.id { forgotten(event) } else { event })
        .collect();
    assert_eq!(events_of(&*store).await, expected);
    let of_ada = EventFilter { user_id: Some(ada.id), limit: 100, ..EventFilter::default() };
    assert!(store.events(of_ada).await.unwrap().len() > 3, "an operator still finds what happened");
    for n in 1..=4 {
        let loaded = store.load(session_id(n)).await.unwrap().unwrap();
        let User { id, email, name, external_id, .. } = loaded.user;
        assert_eq!((id, email, name, external_id), (ada.id, None, None, None));
        assert_eq!((loaded.session.origin, loaded.session.claims.len()), (Origin::default(), 0), "{n}");
    }
    assert_eq!(load(&*store, of_bob.id).await, of_bob);
}

pub(super) async fn a_deletion_decided_on_another_epoch_writes_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = with_everything(&*store).await;
    end(&*store, end_all(ada.id, START)).await;
    let ids: Vec<_> = (1..=4).map(session_id).collect();
    let before = Dump::of(&*store, &ids).await;
    for stale in [Epoch(0), Epoch(2)] {
        let change = SubjectChange { expected: Some(stale), ..delete(ada.id, START) };
        assert_eq!(store.revoke_subject(change).await, Ok(SubjectEnd::Conflict));
    }
    assert_eq!(Dump::of(&*store, &ids).await, before);
    end(&*store, SubjectChange { expected: Some(Epoch(1)), ..delete(ada.id, START) }).await;
}

pub(super) async fn a_deleted_users_address_and_external_id_are_free_and_the_id_is_not(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let ada = with_everything(&*store).await;
    end(&*store, delete(ada.id, START)).await;
    let twin = store.create_user(new_user(ada.clone(), 2)).await;
    assert!(matches!(twin, Err(StoreError::Unavailable(_))), "{twin:?}");
    let again = User { id: user_id(77), ..ada.clone() };
    assert_eq!(store.create_user(new_user(again.clone(), 2)).await, Ok(CreateUser::Done));
    let found = store.credentials(&UserKey::Email("ada.1@example.org".into())).await;
    assert_eq!(found, Ok(Some((again.clone(), Some(password(2))))));
    log_in(&*store, &again, 60).await;
    assert!(check(&*store, session_id(1), START).await.is_err(), "the old sessions are another's");
    let of_again = EventFilter { user_id: Some(again.id), limit: 100, ..EventFilter::default() };
    assert_eq!(store.events(of_again).await.unwrap().len(), 2, "a sign-up and a login, and no past");
}

pub(super) async fn a_disabled_user_can_be_deleted_and_not_enabled(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    end(&*store, disable(ada.id, after_millis(1))).await;
    assert_eq!(end(&*store, delete(ada.id, after_millis(2))).await, 0);
    store.enable_user(ada.id, event(EventKind::UserEnabled, ada.id, START)).await.unwrap();
    let deleted = Revocation { at: after_millis(2), reason: RevokeReason::UserDeleted };
    assert_eq!(check(&*store, session_id(1), START).await, Err(Ended::Revoked(deleted)));
    assert_eq!(store.user(&UserKey::Id(ada.id)).await, Ok(None));
}

pub(super) async fn one_of_50_deletions_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let answers = at_once((0..50).map(|n| {
        let (store, change) = (store.clone(), delete(ada.id, after_millis(n)));
        async move { store.revoke_subject(change).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer != SubjectEnd::Conflict).count(), 1);
    assert_eq!((feed_of(&*store).await.len(), events_of(&*store).await.len()), (1, 2));
}

pub(super) async fn nothing_that_races_a_deletion_survives_it(harness: &dyn Harness) {
    let store = harness.open().await;
    for n in 0..20 {
        let ada = sign_up(&*store, n).await;
        let one = log_in(&*store, &ada, n * 10).await;
        let racing = tokio::spawn({
            let (store, ada) = (store.clone(), ada.clone());
            async move {
                for k in 1..4 {
                    store.create(new_session(session(&ada, n * 10 + k))).await.unwrap();
                    let read = load(&*store, one.id).await;
                    store.commit(move_head(&read, START)).await.unwrap();
                    let update = Some(SubjectUpdate::Password(password(9)));
                    store.revoke_subject(SubjectChange { update, ..end_all(ada.id, START) }).await.unwrap();
                }
            }
        });
        end(&*store, delete(ada.id, after_millis(1))).await;
        for _ in 0..2 {
            assert_eq!(store.user(&UserKey::Id(ada.id)).await, Ok(None));
            for id in (n * 10..n * 10 + 4).map(session_id) {
                let loaded = store.load(id).await.unwrap();
                assert!(loaded.is_none_or(|it| it.session.check(&it.user.standing, START).is_err()));
            }
            while !racing.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        racing.await.unwrap();
    }
}

pub(super) async fn a_deletion_survives_a_crash(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = with_everything(&*store).await;
    end(&*store, delete(ada.id, START)).await;
    let ids: Vec<_> = (1..=4).map(session_id).collect();
    let before = Dump::of(&*store, &ids).await;
    let store = harness.crash(store).await;
    assert_eq!(Dump::of(&*store, &ids).await, before);
    assert_eq!(store.user(&UserKey::Id(ada.id)).await, Ok(None));
}

pub(super) async fn what_is_left_of_a_deleted_user_leaves_with_their_last_event(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    end(&*store, delete(ada.id, START + IDLE)).await;
    let at = |dead, events| SweepOrder {
        now: START + LIFE,
        dead_before: dead,
        events_before: events,
        feed_before: START,
        rows_max: 10,
    };
    let (early, late) = (START + IDLE, START + IDLE + Seconds(1));
    for (dead, events) in [(START, early), (late, early)] {
        assert_eq!(sweep_rounds(&*store, at(dead, events)).await.users, 0);
        let twin = store.create_user(new_user(User { email: None, ..ada.clone() }, 2)).await;
        assert!(twin.is_err(), "the id was given again while something speaks of its first owner");
    }
    assert_eq!(sweep_rounds(&*store, at(late, late)).await.users, 1);
    assert_eq!(sweep_rounds(&*store, at(late, late)).await.users, 0);
    assert_eq!(
        store.user(&UserKey::Id(bob.id)).await,
        Ok(Some(bob)),
        "who lives stays, with events or without"
    );
}

/// User 1 with an external id and four sessions: with and without a device, from addresses of both kinds and
/// from none, one of them over.
async fn with_everything(store: &dyn Store) -> User {
    let ada = User { external_id: Some("ext-1".into()), ..user(1) };
    assert_eq!(store.create_user(new_user(ada.clone(), 1)).await, Ok(CreateUser::Done));
    let sessions: [Session; 4] = std::array::from_fn(|n| {
        let mut one = full(&session(&ada, n as u64 + 1));
        one.device = if n < 2 { Some(relatch_token::DeviceHash([7; 8])) } else { None };
        one.origin.ip = [Some([0; 16].into()), None, Some([192, 0, 2, 1].into()), None][n];
        one
    });
    for one in &sessions {
        assert_eq!(store.create(new_session(one.clone())).await, Ok(CreateSession::Done));
    }
    store.commit(revoke(&sessions[3], RevokeReason::Logout, START)).await.unwrap();
    assert_eq!(reread(store, ada.id).await, ada);
    ada
}
