//! Mailed links: for one purpose, for a while, once.

use crate::conformance::{
    Harness, START, after_millis, at_once, check, end, end_all, event, events_of, feed_of, link, log_in,
    new_user, password, reread, reset, session_id, sign_up, user,
};
use crate::{CreateUser, Link, LinkHash, LinkPurpose, SubjectEnd, User, UserEmail, UserKey};
use relatch_core::{Epoch, EventKind};
use relatch_token::Timestamp;

use LinkPurpose::{ResetPassword, VerifyEmail};

/// Just before [`link`] expires.
const LAST: Timestamp = after_millis(3_599_999);
/// When it has.
const OVER: Timestamp = after_millis(3_600_000);

pub(super) async fn a_link_is_good_until_it_expires_and_looking_does_not_use_it_up(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for (n, purpose) in [ResetPassword, VerifyEmail].into_iter().enumerate() {
        let link = link(&ada, purpose, n as u64);
        store.add_link(link.clone()).await.unwrap();
        for now in [START, LAST, LAST] {
            assert_eq!(store.link(link.hash, purpose, now).await, Ok(Some(link.clone())));
        }
        for now in [OVER, after_millis(3_600_001)] {
            assert_eq!(store.link(link.hash, purpose, now).await, Ok(None));
        }
    }
    assert_eq!(store.link(LinkHash([0; 32]), VerifyEmail, START).await, Ok(None));
}

pub(super) async fn a_link_is_good_for_its_purpose_alone(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let (resetting, verifying) = (link(&ada, ResetPassword, 1), link(&ada, VerifyEmail, 2));
    store.add_link(resetting.clone()).await.unwrap();
    store.add_link(verifying.clone()).await.unwrap();
    assert_eq!(store.link(resetting.hash, VerifyEmail, START).await, Ok(None));
    assert_eq!(store.link(verifying.hash, ResetPassword, START).await, Ok(None));
    assert_eq!(store.verify_email(resetting.hash, START).await, Ok(None));
    let by_other = reset(ada.id, password(9), verifying.hash, START);
    assert_eq!(store.revoke_subject(by_other).await, Ok(SubjectEnd::Conflict));
    assert_eq!(reread(&*store, ada.id).await, ada);
    assert_eq!(store.link(resetting.hash, ResetPassword, START).await, Ok(Some(resetting)));
    assert_eq!(store.link(verifying.hash, VerifyEmail, START).await, Ok(Some(verifying)));
}

pub(super) async fn a_newer_link_replaces_older_ones_of_the_same_user_and_purpose(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let old = link(&ada, ResetPassword, 1);
    let new = Link { expires_at: OVER, ..link(&ada, ResetPassword, 2) };
    let others = [link(&ada, VerifyEmail, 3), link(&bob, ResetPassword, 4)];
    store.add_link(old.clone()).await.unwrap();
    for other in &others {
        store.add_link(other.clone()).await.unwrap();
    }
    store.add_link(new.clone()).await.unwrap();
    assert_eq!(store.link(old.hash, ResetPassword, START).await, Ok(None));
    for good in others.into_iter().chain([new]) {
        assert_eq!(store.link(good.hash, good.purpose, START).await, Ok(Some(good)));
    }
}

pub(super) async fn a_reset_link_dies_with_its_epoch_and_a_verification_does_not(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let (resetting, verifying) = (link(&ada, ResetPassword, 1), link(&ada, VerifyEmail, 2));
    store.add_link(resetting.clone()).await.unwrap();
    store.add_link(verifying.clone()).await.unwrap();
    end(&*store, end_all(ada.id, START)).await;
    assert_eq!(store.link(resetting.hash, ResetPassword, START).await, Ok(None));
    let late = reset(ada.id, password(9), resetting.hash, START);
    assert_eq!(store.revoke_subject(late).await, Ok(SubjectEnd::Conflict));
    assert_eq!(store.link(verifying.hash, VerifyEmail, START).await, Ok(Some(verifying.clone())));
    assert_eq!(store.verify_email(verifying.hash, START).await, Ok(Some(ada.id)));
}

pub(super) async fn a_verification_proves_the_address_once(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    let verifying = link(&ada, VerifyEmail, 1);
    store.add_link(verifying.clone()).await.unwrap();
    assert_eq!(store.verify_email(verifying.hash, LAST).await, Ok(Some(ada.id)));
    let proved = ada.email.map(|email| UserEmail { verified_at: Some(LAST), ..email });
    assert_eq!(reread(&*store, ada.id).await.email, proved);
    assert_eq!(reread(&*store, bob.id).await, bob);
    let events = events_of(&*store).await;
    assert_eq!(events.last(), Some(&event(EventKind::EmailVerified, ada.id, LAST)));
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()), "sessions live on");
    assert_eq!(store.link(verifying.hash, VerifyEmail, START).await, Ok(None));
    assert_eq!(store.verify_email(verifying.hash, LAST).await, Ok(None));
    assert_eq!(events_of(&*store).await, events);
}

pub(super) async fn a_proved_address_keeps_its_first_proof(harness: &dyn Harness) {
    let store = harness.open().await;
    let email = user(1).email.map(|email| UserEmail { verified_at: Some(after_millis(-5)), ..email });
    let ada = User { email: email.clone(), ..user(1) };
    assert_eq!(store.create_user(new_user(ada.clone(), 1)).await, Ok(CreateUser::Done));
    let (verifying, resetting) = (link(&ada, VerifyEmail, 1), link(&ada, ResetPassword, 2));
    store.add_link(verifying.clone()).await.unwrap();
    store.add_link(resetting.clone()).await.unwrap();
    assert_eq!(store.verify_email(verifying.hash, START).await, Ok(Some(ada.id)));
    end(&*store, reset(ada.id, password(9), resetting.hash, START)).await;
    assert_eq!(reread(&*store, ada.id).await.email, email);
}

pub(super) async fn an_expired_verification_changes_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let verifying = link(&ada, VerifyEmail, 1);
    store.add_link(verifying.clone()).await.unwrap();
    assert_eq!(store.verify_email(verifying.hash, OVER).await, Ok(None));
    assert_eq!(store.verify_email(LinkHash([7; 32]), START).await, Ok(None));
    assert_eq!(reread(&*store, ada.id).await, ada);
    assert_eq!(events_of(&*store).await.len(), 1);
}

pub(super) async fn one_of_50_submissions_of_a_verification_counts(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let verifying = link(&ada, VerifyEmail, 1);
    store.add_link(verifying.clone()).await.unwrap();
    let answers = at_once((0..50).map(|n| {
        let (store, hash) = (store.clone(), verifying.hash);
        async move { store.verify_email(hash, after_millis(n)).await.unwrap() }
    }))
    .await;
    let done: Vec<_> = (0..50).filter(|n| answers[*n] == Some(ada.id)).collect();
    assert_eq!(done.len(), 1);
    let verified_at = Some(after_millis(done[0] as i64));
    assert_eq!(reread(&*store, ada.id).await.email.unwrap().verified_at, verified_at);
    assert_eq!(events_of(&*store).await.len(), 2);
}

pub(super) async fn a_reset_by_link_sets_the_password_and_proves_the_address(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    let resetting = link(&ada, ResetPassword, 1);
    store.add_link(resetting.clone()).await.unwrap();
    let change = reset(ada.id, password(9), resetting.hash, after_millis(4));
    assert_eq!(end(&*store, change.clone()).await, 1);
    let (now, hash) = store.credentials(&UserKey::Id(ada.id)).await.unwrap().unwrap();
    assert!(hash == Some(password(9)));
    assert_eq!(now.email.unwrap().verified_at, Some(after_millis(4)));
    assert!(check(&*store, session_id(1), START).await.is_err());
    assert_eq!(events_of(&*store).await.last(), Some(&change.event));
    assert_eq!(store.link(resetting.hash, ResetPassword, START).await, Ok(None));
    assert_eq!(store.revoke_subject(change).await, Ok(SubjectEnd::Conflict), "a link works once");
}

pub(super) async fn a_reset_by_a_bad_link_writes_nothing(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    let (of_ada, of_bob) = (link(&ada, ResetPassword, 1), link(&bob, ResetPassword, 2));
    store.add_link(of_ada.clone()).await.unwrap();
    store.add_link(of_bob.clone()).await.unwrap();
    let events = events_of(&*store).await;
    for (hash, at) in [(of_bob.hash, START), (LinkHash([0; 32]), START), (of_ada.hash, OVER)] {
        let change = reset(ada.id, password(9), hash, at);
        assert_eq!(store.revoke_subject(change).await, Ok(SubjectEnd::Conflict));
    }
    assert_eq!(
        store.credentials(&UserKey::Id(ada.id)).await.unwrap(),
        Some((ada.clone(), Some(password(1))))
    );
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()));
    assert_eq!(events_of(&*store).await, events);
    assert_eq!(feed_of(&*store).await, []);
    assert_eq!(store.link(of_bob.hash, ResetPassword, START).await, Ok(Some(of_bob)), "it was used up");
    assert_eq!(store.link(of_ada.hash, ResetPassword, LAST).await, Ok(Some(of_ada)), "it was used up");
}

pub(super) async fn a_reset_link_works_to_its_last_millisecond(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let resetting = link(&ada, ResetPassword, 1);
    store.add_link(resetting.clone()).await.unwrap();
    end(&*store, reset(ada.id, password(9), resetting.hash, LAST)).await;
}

pub(super) async fn one_of_50_submissions_of_a_reset_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let resetting = link(&ada, ResetPassword, 1);
    store.add_link(resetting.clone()).await.unwrap();
    let answers = at_once((0..50).map(|n| {
        let (store, change) = (store.clone(), reset(ada.id, password(100 + n), resetting.hash, START));
        async move { store.revoke_subject(change).await.unwrap() }
    }))
    .await;
    let done: Vec<u64> = (0..50).filter(|n| answers[*n as usize] != SubjectEnd::Conflict).collect();
    assert_eq!(done.len(), 1);
    let (now, hash) = store.credentials(&UserKey::Id(ada.id)).await.unwrap().unwrap();
    assert_eq!(now.standing.not_before, Epoch(1));
    assert!(hash == Some(password(100 + done[0])), "the password is not of the one that was told it is done");
    assert_eq!(events_of(&*store).await.len(), 2);
}
