//! The end of all sessions of a user: one write, never outrun.

use crate::conformance::{
    Harness, IDLE, START, after_millis, at_once, check, disable, end, end_all, event, events_of, feed_of,
    load, log_in, move_head, new_session, password, reread, revoke, session, session_begun, session_id,
    sign_up, user_id,
};
use crate::{Commit, CreateSession, FeedSubject, SubjectChange, SubjectEnd, SubjectUpdate, UserKey};
use relatch_core::{Ended, Epoch, EventKind, Revocation, RevokeReason, Session, Version};
use relatch_token::Seconds;

pub(super) async fn the_end_of_all_sessions_ends_them_and_nobody_elses(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    for n in 0..3 {
        log_in(&*store, &ada, n).await;
    }
    log_in(&*store, &bob, 3).await;
    let change = end_all(ada.id, after_millis(5));
    let done = SubjectEnd::Done { revoked: 3, epoch: Epoch(1) };
    assert_eq!(store.revoke_subject(change.clone()).await, Ok(done));
    let moved = Revocation { at: after_millis(5), reason: RevokeReason::LogoutAll };
    for n in 0..3 {
        assert_eq!(check(&*store, session_id(n), START).await, Err(Ended::Revoked(moved)));
    }
    assert_eq!(check(&*store, session_id(3), START).await, Ok(()));
    let standing = reread(&*store, ada.id).await.standing;
    assert_eq!((standing.not_before, standing.moved, standing.disabled_at), (Epoch(1), Some(moved), None));
    assert_eq!(reread(&*store, bob.id).await, bob);
    assert_eq!(events_of(&*store).await.last(), Some(&change.event));
    let feed = feed_of(&*store).await;
    assert_eq!(feed.len(), 1);
    let subject = FeedSubject::User { user_id: ada.id, keep: None };
    assert_eq!((feed[0].at, &feed[0].subject), (after_millis(5), &subject));
}

pub(super) async fn only_live_sessions_are_counted(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let revoked = log_in(&*store, &ada, 1).await;
    store.commit(revoke(&revoked, RevokeReason::Logout, START)).await.unwrap();
    let mut too_old = session(&ada, 2);
    too_old.lifetime.expires_at = START + Seconds(60);
    store.create(new_session(too_old)).await.unwrap();
    store.create(new_session(session_begun(&ada, 3, START - IDLE))).await.unwrap();
    log_in(&*store, &ada, 4).await;
    log_in(&*store, &ada, 5).await;
    assert_eq!(end(&*store, end_all(ada.id, START + Seconds(60))).await, 2);
    assert_eq!(end(&*store, end_all(ada.id, START + Seconds(60))).await, 0);
    log_in(&*store, &ada, 6).await;
    assert_eq!(end(&*store, end_all(ada.id, START + Seconds(60))).await, 1);
}

pub(super) async fn the_kept_session_goes_on_and_its_row_has_moved(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let kept = log_in(&*store, &ada, 1).await;
    let other = log_in(&*store, &ada, 2).await;
    for round in 1..=3 {
        let before = load(&*store, kept.id).await;
        let change = SubjectChange { keep: Some(kept.id), ..end_all(ada.id, after_millis(round)) };
        assert_eq!(end(&*store, change).await, u64::from(round == 1));
        let now = load(&*store, kept.id).await;
        let (version, epoch) = (Version(before.version.0 + 1), Epoch(round as u32));
        assert_eq!(now, Session { version, epoch, ..before.clone() });
        assert_eq!(check(&*store, kept.id, START).await, Ok(()));
        assert_eq!(
            store.commit(move_head(&before, START)).await,
            Ok(Commit::Conflict),
            "on the row from before"
        );
        assert_eq!(store.commit(move_head(&now, START)).await, Ok(Commit::Done));
        let keep = Some(kept.id);
        assert_eq!(
            feed_of(&*store).await.last().unwrap().subject,
            FeedSubject::User { user_id: ada.id, keep }
        );
    }
    assert!(check(&*store, other.id, START).await.is_err());
    assert_eq!(store.list(ada.id, START, 10).await.unwrap(), [load(&*store, kept.id).await]);
}

pub(super) async fn what_is_not_a_live_session_of_the_user_is_not_kept(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    // Of a later epoch than Ada ever gets to, so that only its owner speaks against it.
    for _ in 0..9 {
        end(&*store, end_all(bob.id, START)).await;
    }
    let of_bob = log_in(&*store, &bob, 1).await;
    let over = log_in(&*store, &ada, 2).await;
    store.commit(revoke(&over, RevokeReason::Logout, START)).await.unwrap();
    let mut expired = session(&ada, 3);
    expired.lifetime.expires_at = after_millis(1);
    store.create(new_session(expired.clone())).await.unwrap();
    let of_before = log_in(&*store, &ada, 4).await;
    end(&*store, end_all(ada.id, START)).await;
    for keep in [of_bob.id, over.id, expired.id, of_before.id, session_id(99)] {
        let before = store.load(keep).await.unwrap().map(|loaded| loaded.session);
        end(&*store, SubjectChange { keep: Some(keep), ..end_all(ada.id, after_millis(1)) }).await;
        assert_eq!(store.load(keep).await.unwrap().map(|loaded| loaded.session), before);
        let told = feed_of(&*store).await.pop().unwrap().subject;
        assert_eq!(told, FeedSubject::User { user_id: ada.id, keep: None });
    }
    assert_eq!(check(&*store, of_bob.id, START).await, Ok(()));
}

pub(super) async fn an_end_decided_on_another_epoch_writes_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    end(&*store, SubjectChange { expected: Some(Epoch(0)), ..end_all(ada.id, START) }).await;
    log_in(&*store, &ada, 1).await;
    let (before, events, feed) =
        (reread(&*store, ada.id).await, events_of(&*store).await, feed_of(&*store).await);
    for stale in [Epoch(0), Epoch(2)] {
        let update = Some(SubjectUpdate::Password(password(7)));
        let change = SubjectChange { expected: Some(stale), update, ..end_all(ada.id, after_millis(1)) };
        assert_eq!(store.revoke_subject(change).await, Ok(SubjectEnd::Conflict));
    }
    assert_eq!(
        store.revoke_subject(end_all(user_id(2), START)).await,
        Ok(SubjectEnd::Conflict),
        "an unknown user"
    );
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()));
    assert_eq!(store.credentials(&UserKey::Id(ada.id)).await.unwrap(), Some((before, Some(password(1)))));
    assert_eq!(events_of(&*store).await, events);
    assert_eq!(feed_of(&*store).await, feed);
    end(&*store, SubjectChange { expected: Some(Epoch(1)), ..end_all(ada.id, START) }).await;
}

pub(super) async fn one_of_50_ends_decided_on_one_epoch_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let answers = at_once((0..50).map(|n| {
        let update = Some(SubjectUpdate::Password(password(100 + n)));
        let change = SubjectChange { expected: Some(Epoch(0)), update, ..end_all(ada.id, START) };
        let store = store.clone();
        async move { store.revoke_subject(change).await.unwrap() }
    }))
    .await;
    let done: Vec<u64> = (0..50).filter(|n| answers[*n as usize] != SubjectEnd::Conflict).collect();
    assert_eq!(done.len(), 1);
    let (now, hash) = store.credentials(&UserKey::Id(ada.id)).await.unwrap().unwrap();
    assert_eq!(now.standing.not_before, Epoch(1));
    assert!(hash == Some(password(100 + done[0])), "the password is not of the one that was told it is done");
    assert_eq!(feed_of(&*store).await.len(), 1);
}

pub(super) async fn unconditional_ends_are_all_done_each_with_its_epoch(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    let answers = at_once((0..50).map(|n| {
        let (store, change) = (store.clone(), end_all(ada.id, after_millis(n)));
        async move { store.revoke_subject(change).await.unwrap() }
    }))
    .await;
    let mut epochs = Vec::new();
    let mut ended = 0;
    for answer in answers {
        let SubjectEnd::Done { revoked, epoch } = answer else { panic!("a conflict without an expectation") };
        epochs.push(epoch.0);
        ended += revoked;
    }
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=50).collect::<Vec<_>>());
    assert_eq!(ended, 1, "one session ends once");
    assert_eq!(feed_of(&*store).await.len(), 50);
}

pub(super) async fn a_login_checked_before_the_end_never_survives_it(harness: &dyn Harness) {
    let store = harness.open().await;
    for n in 0..40 {
        let ada = sign_up(&*store, n).await;
        let logins: Vec<_> = (0..4)
            .map(|k| {
                let (store, one) = (store.clone(), session(&ada, n * 10 + k));
                tokio::spawn(async move { store.create(new_session(one)).await.unwrap() })
            })
            .collect();
        end(&*store, end_all(ada.id, after_millis(1))).await;
        let late = session(&ada, n * 10 + 9);
        assert_eq!(
            store.create(new_session(late)).await,
            Ok(CreateSession::Conflict),
            "after the end was acknowledged"
        );
        for (k, login) in logins.into_iter().enumerate() {
            let id = session_id(n * 10 + k as u64);
            match login.await.unwrap() {
                CreateSession::Done => {
                    assert!(check(&*store, id, START).await.is_err(), "it was let in for good")
                }
                refused => assert_eq!((refused, store.load(id).await), (CreateSession::Conflict, Ok(None))),
            }
        }
        assert_eq!(store.list(ada.id, START, 10).await, Ok(vec![]));
    }
}

pub(super) async fn a_refresh_racing_the_end_never_survives_it(harness: &dyn Harness) {
    let store = harness.open().await;
    for n in 0..20 {
        let ada = sign_up(&*store, n).await;
        let (one, two) = (log_in(&*store, &ada, n * 2).await.id, log_in(&*store, &ada, n * 2 + 1).await.id);
        let refreshing: Vec<_> = [one, two, one, two]
            .map(|id| {
                let store = store.clone();
                tokio::spawn(async move {
                    for _ in 0..8 {
                        let read = load(&*store, id).await;
                        store.commit(move_head(&read, START)).await.unwrap();
                    }
                })
            })
            .into();
        end(&*store, end_all(ada.id, after_millis(1))).await;
        for id in [one, two] {
            assert!(check(&*store, id, START).await.is_err(), "after the end was acknowledged");
        }
        for task in refreshing {
            task.await.unwrap();
        }
        for id in [one, two] {
            assert!(check(&*store, id, START).await.is_err(), "a refresh brought it back");
        }
    }
}

pub(super) async fn a_disabled_user_is_out_and_stays_out_until_logging_in_anew(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let before = log_in(&*store, &ada, 1).await;
    let change = SubjectChange { keep: Some(before.id), ..disable(ada.id, after_millis(5)) };
    assert_eq!(end(&*store, change).await, 1, "nobody is kept of a user who may not come back");
    let moved = Revocation { at: after_millis(5), reason: RevokeReason::UserDisabled };
    let standing = reread(&*store, ada.id).await.standing;
    assert_eq!((standing.disabled_at, standing.moved), (Some(after_millis(5)), Some(moved)));
    assert_eq!(check(&*store, before.id, START).await, Err(Ended::Revoked(moved)));
    assert_eq!(feed_of(&*store).await[0].subject, FeedSubject::User { user_id: ada.id, keep: None });

    let told = event(EventKind::UserEnabled, ada.id, after_millis(6));
    store.enable_user(ada.id, told.clone()).await.unwrap();
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    let now = reread(&*store, ada.id).await;
    assert_eq!((now.standing.disabled_at, now.standing.not_before), (None, Epoch(1)));
    assert_eq!(check(&*store, before.id, START).await, Err(Ended::Revoked(moved)), "it came back to life");
    log_in(&*store, &ada, 2).await;
    assert_eq!(check(&*store, session_id(2), START).await, Ok(()));
}

pub(super) async fn enabling_whom_nobody_disabled_writes_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let events = events_of(&*store).await;
    for id in [ada.id, user_id(2)] {
        store.enable_user(id, event(EventKind::UserEnabled, id, START)).await.unwrap();
    }
    assert_eq!(reread(&*store, ada.id).await, ada);
    assert_eq!(events_of(&*store).await, events);
}

pub(super) async fn a_new_password_replaces_the_old_one_as_all_sessions_end(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    let change = SubjectChange {
        expected: Some(Epoch(0)),
        reason: RevokeReason::PasswordChanged,
        update: Some(SubjectUpdate::Password(password(9))),
        ..end_all(ada.id, after_millis(1))
    };
    assert_eq!(end(&*store, change).await, 1);
    let (now, hash) = store.credentials(&UserKey::Id(ada.id)).await.unwrap().unwrap();
    assert!(hash == Some(password(9)));
    assert_eq!(now.email, ada.email, "a new password proves no address");
    assert_eq!(store.credentials(&UserKey::Id(bob.id)).await.unwrap(), Some((bob, Some(password(2)))));
    let again = Session { epoch: Epoch(1), ..session(&ada, 2) };
    assert_eq!(
        store.create(new_session(again)).await,
        Ok(CreateSession::Done),
        "the session that the change begins"
    );
}
