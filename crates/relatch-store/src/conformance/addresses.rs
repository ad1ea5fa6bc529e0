//! An account moves to another address: proved there, once, and never where somebody else is.

use crate::conformance::{
    Harness, START, address_of, after_millis, at_once, check, end, event, events_of, feed_of, link, log_in,
    new_user, password, reread, reset, session_id, sign_up, user,
};
use crate::{
    AccountStore, CreateUser, EmailChange, Link, LinkAddress, LinkHash, LinkPurpose, NewEvent, Store,
    SubjectEnd, User, UserEmail, UserKey,
};
use relatch_core::{EventKind, Origin};
use relatch_token::Timestamp;

use LinkPurpose::{ChangeEmail, ResetPassword, VerifyEmail};

/// Just before [`link`] expires.
const LAST: Timestamp = after_millis(3_599_999);
/// When it has.
const OVER: Timestamp = after_millis(3_600_000);

pub(super) async fn a_proved_address_becomes_the_users_and_its_event_tells(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let moving = mailed(&*store, &ada, address_of(7), 1).await;
    let origin = Origin { ip: Some([192, 0, 2, 9].into()), ..Origin::default() };
    let done = store.change_email(moving.hash, LAST, origin.clone()).await;
    assert_eq!(done, Ok(EmailChange::Done(ada.id)));
    let LinkAddress { address, unique_key } = address_of(7);
    let now = User {
        email: Some(UserEmail { address, unique_key: unique_key.clone(), verified_at: Some(LAST) }),
        ..ada.clone()
    };
    for key in [UserKey::Id(ada.id), UserKey::Email(unique_key)] {
        let found = store.credentials(&key).await;
        assert_eq!(found, Ok(Some((now.clone(), Some(password(1))))), "{key:?}");
    }
    assert_eq!(store.user(&UserKey::Email(address_of(1).unique_key)).await, Ok(None));
    assert_eq!(reread(&*store, bob.id).await, bob);
    let told = NewEvent { origin, ..event(EventKind::EmailChanged, ada.id, LAST) };
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::BadLink, "a link works once");
}

pub(super) async fn moving_ends_every_other_link_and_no_session(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    log_in(&*store, &ada, 1).await;
    let others = [link(&ada, ResetPassword, 1), link(&ada, VerifyEmail, 2)];
    let of_bob = link(&bob, ResetPassword, 3);
    for other in others.iter().chain([&of_bob]) {
        store.add_link(other.clone()).await.unwrap();
    }
    let moving = mailed(&*store, &ada, address_of(7), 4).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Done(ada.id));
    for other in others {
        assert_eq!(store.link(other.hash, other.purpose, START).await, Ok(None));
    }
    assert_eq!(store.link(of_bob.hash, ResetPassword, START).await, Ok(Some(of_bob)));
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()));
    assert_eq!(feed_of(&*store).await, []);
}

/// A server that read the user before the move adds its link after it.
pub(super) async fn a_link_on_its_way_to_the_old_address_is_void_too(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let moving = mailed(&*store, &ada, address_of(7), 1).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Done(ada.id));
    let (resetting, verifying) = (link(&ada, ResetPassword, 2), link(&ada, VerifyEmail, 3));
    for late in [&resetting, &verifying] {
        store.add_link(late.clone()).await.unwrap();
        assert_eq!(store.link(late.hash, late.purpose, START).await, Ok(None));
    }
    let by_old = reset(ada.id, password(9), resetting.hash, START);
    assert_eq!(store.revoke_subject(by_old).await, Ok(SubjectEnd::Conflict));
    assert_eq!(store.verify_email(verifying.hash, START).await, Ok(None));
    let now = reread(&*store, ada.id).await;
    let resetting = link(&now, ResetPassword, 4);
    store.add_link(resetting.clone()).await.unwrap();
    assert_eq!(store.link(resetting.hash, ResetPassword, START).await, Ok(Some(resetting)), "to the new one");
}

pub(super) async fn a_bad_link_moves_nobody(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let moving = mailed(&*store, &ada, address_of(7), 1).await;
    let verifying = link(&ada, VerifyEmail, 2);
    store.add_link(verifying.clone()).await.unwrap();
    for (hash, at) in [(LinkHash([0; 32]), START), (verifying.hash, START), (moving.hash, OVER)] {
        let done = store.change_email(hash, at, Origin::default()).await;
        assert_eq!(done, Ok(EmailChange::BadLink));
    }
    assert_eq!(store.verify_email(moving.hash, START).await, Ok(None), "it is for moving alone");
    assert_eq!(reread(&*store, ada.id).await, ada);
    assert_eq!(events_of(&*store).await.len(), 1);
    assert_eq!(store.link(moving.hash, ChangeEmail, LAST).await, Ok(Some(moving)));
    assert_eq!(store.link(verifying.hash, VerifyEmail, LAST).await, Ok(Some(verifying)));
}

pub(super) async fn an_address_that_was_taken_meanwhile_is_refused_without_a_trace(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let moving = mailed(&*store, &ada, address_of(2), 1).await;
    let bob = sign_up(&*store, 2).await;
    let events = events_of(&*store).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Taken);
    assert_eq!(store.users(None, 10).await, Ok(vec![ada, bob]));
    assert_eq!(events_of(&*store).await, events);
    assert_eq!(store.link(moving.hash, ChangeEmail, START).await, Ok(Some(moving)), "it was used up");
}

pub(super) async fn moving_to_another_spelling_of_ones_own_address_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let spelling = LinkAddress { address: "ADA.1@example.org".into(), ..address_of(1) };
    let moving = mailed(&*store, &ada, spelling, 1).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Done(ada.id));
    let found = store.user(&UserKey::Email(address_of(1).unique_key)).await.unwrap().unwrap();
    assert_eq!((found.id, found.email.unwrap().address.as_str()), (ada.id, "ADA.1@example.org"));
}

pub(super) async fn an_address_that_was_left_is_free_again(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let moving = mailed(&*store, &ada, address_of(7), 1).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Done(ada.id));
    let eve = User { email: user(1).email, ..user(2) };
    assert_eq!(store.create_user(new_user(eve.clone(), 2)).await, Ok(CreateUser::Done));
    let moving = mailed(&*store, &reread(&*store, ada.id).await, address_of(1), 2).await;
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::Taken);
    assert_eq!(store.user(&UserKey::Email(address_of(1).unique_key)).await, Ok(Some(eve)));
}

pub(super) async fn one_of_50_moves_to_one_address_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let mut moving = Vec::new();
    for n in 0..50 {
        let one = sign_up(&*store, n).await;
        moving.push(mailed(&*store, &one, address_of(777), n).await);
    }
    let answers = at_once(moving.iter().map(|link| {
        let (store, hash) = (store.clone(), link.hash);
        async move { move_by(&*store, hash).await }
    }))
    .await;
    let done: Vec<usize> = (0..50).filter(|n| answers[*n] == EmailChange::Done(moving[*n].user_id)).collect();
    assert_eq!(done.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == EmailChange::Taken).count(), 49);
    let owner = store.user(&UserKey::Email(address_of(777).unique_key)).await.unwrap().unwrap();
    assert_eq!(owner.id, moving[done[0]].user_id);
}

pub(super) async fn of_a_sign_up_and_a_move_to_one_address_one_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    for n in 0..20 {
        let ada = sign_up(&*store, n * 2).await;
        let moving = mailed(&*store, &ada, address_of(n * 2 + 1), n).await;
        let signing_up = tokio::spawn({
            let store = store.clone();
            async move { store.create_user(new_user(user(n * 2 + 1), 1)).await.unwrap() }
        });
        let moved = move_by(&*store, moving.hash).await;
        let outcome = (signing_up.await.unwrap(), moved);
        let one_of_them =
            [(CreateUser::Done, EmailChange::Taken), (CreateUser::EmailTaken, EmailChange::Done(ada.id))];
        assert!(one_of_them.contains(&outcome), "{outcome:?}");
    }
}

pub(super) async fn a_new_password_ends_a_move_that_is_under_way(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let resetting = link(&ada, ResetPassword, 2);
    store.add_link(resetting.clone()).await.unwrap();
    let moving = mailed(&*store, &ada, address_of(7), 1).await;
    end(&*store, reset(ada.id, password(9), resetting.hash, START)).await;
    assert_eq!(store.link(moving.hash, ChangeEmail, START).await, Ok(None));
    assert_eq!(move_by(&*store, moving.hash).await, EmailChange::BadLink);
}

/// Link `n`, by which the user may move to that address, kept.
async fn mailed(store: &dyn Store, user: &User, to: LinkAddress, n: u64) -> Link {
    let moving = Link { to, ..link(user, ChangeEmail, n) };
    store.add_link(moving.clone()).await.unwrap();
    moving
}

async fn move_by(store: &dyn AccountStore, hash: LinkHash) -> EmailChange {
    store.change_email(hash, START, Origin::default()).await.unwrap()
}
