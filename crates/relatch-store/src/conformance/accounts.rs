//! Accounts: found by every key, unique, passwords replaced only knowingly.

use crate::conformance::{
    Harness, START, after_millis, at_once, check, event, events_of, log_in, new_user, password, reread,
    session_id, sign_up, user, user_id,
};
use crate::{CreateUser, NewUser, User, UserEmail, UserKey};
use relatch_core::EventKind;
use relatch_token::Secret;

pub(super) async fn every_field_of_a_user_comes_back_by_every_key(harness: &dyn Harness) {
    let store = harness.open().await;
    let full = User {
        email: Some(UserEmail {
            address: "Ünï.Ço∂é+tag@EXAMPLE.org".into(),
            unique_key: "ünï.ço∂é+tag@example.org".into(),
            verified_at: Some(after_millis(-77)),
        }),
        name: Some("Ада ’); DROP TABLE users;-- 👩‍🚀".into()),
        external_id: Some("auth0|6523ß".into()),
        created_at: after_millis(-1),
        ..user(1)
    };
    let bare = User { email: None, name: None, external_id: None, ..user(2) };
    for user in [&full, &bare] {
        assert_eq!(store.create_user(new_user(user.clone(), 1)).await, Ok(CreateUser::Done));
    }
    let keys = [
        UserKey::Id(full.id),
        UserKey::Email("ünï.ço∂é+tag@example.org".into()),
        UserKey::External("auth0|6523ß".into()),
    ];
    for key in keys {
        assert_eq!(store.user(&key).await.unwrap().as_ref(), Some(&full), "{key:?}");
        assert_eq!(store.credentials(&key).await.unwrap(), Some((full.clone(), Some(password(1)))));
    }
    assert_eq!(reread(&*store, bare.id).await, bare);
}

pub(super) async fn an_unknown_user_is_none(harness: &dyn Harness) {
    let store = harness.open().await;
    sign_up(&*store, 1).await;
    for key in [
        UserKey::Id(user_id(2)),
        UserKey::Email("ada.2@example.org".into()),
        UserKey::Email("Ada.1@Example.org".into()),
        UserKey::Email(String::new()),
        UserKey::External("ada.1@example.org".into()),
    ] {
        assert_eq!(store.user(&key).await, Ok(None), "{key:?}");
        assert_eq!(store.credentials(&key).await, Ok(None), "{key:?}");
    }
}

pub(super) async fn a_password_comes_back_as_it_was(harness: &dyn Harness) {
    let store = harness.open().await;
    let odd = ["", "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "ä𝄞", &"x".repeat(4096)];
    for (n, hash) in odd.into_iter().enumerate() {
        let one = user(n as u64);
        let new = NewUser { password: Some(Secret::new(hash.to_owned())), ..new_user(one.clone(), 0) };
        store.create_user(new).await.unwrap();
        let (_, kept) = store.credentials(&UserKey::Id(one.id)).await.unwrap().unwrap();
        assert_eq!(kept.unwrap().expose(), hash);
    }
    let none = NewUser { password: None, ..new_user(user(9), 0) };
    store.create_user(none).await.unwrap();
    assert_eq!(store.credentials(&UserKey::Id(user_id(9))).await.unwrap(), Some((user(9), None)));
}

pub(super) async fn a_taken_address_or_external_id_is_refused_without_a_trace(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = User { external_id: Some("ext-1".into()), ..user(1) };
    store.create_user(new_user(ada.clone(), 1)).await.unwrap();
    let events = events_of(&*store).await;
    assert_eq!(events, [event(EventKind::SignedUp, ada.id, START)]);
    let same_address = User { email: ada.email.clone(), external_id: Some("ext-2".into()), ..user(2) };
    let same_external = User { external_id: Some("ext-1".into()), ..user(2) };
    let same_both = User { email: ada.email.clone(), external_id: Some("ext-1".into()), ..user(2) };
    for (twin, refusal) in [
        (same_address, CreateUser::EmailTaken),
        (same_external, CreateUser::ExternalIdTaken),
        (same_both, CreateUser::EmailTaken),
    ] {
        assert_eq!(store.create_user(new_user(twin, 2)).await, Ok(refusal));
    }
    assert_eq!(store.users(None, 10).await.unwrap(), [ada]);
    assert_eq!(events_of(&*store).await, events);
    let third = User { external_id: Some("ext-2".into()), ..user(2) };
    assert_eq!(
        store.create_user(new_user(third, 2)).await,
        Ok(CreateUser::Done),
        "a refusal reserved something"
    );
}

pub(super) async fn a_taken_user_id_is_refused_and_nobody_changes(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let twin = User { id: ada.id, ..user(2) };
    assert!(store.create_user(new_user(twin, 2)).await.is_err());
    assert_eq!(store.users(None, 10).await.unwrap(), [ada]);
    assert_eq!(store.user(&UserKey::Email("ada.2@example.org".into())).await, Ok(None));
    assert_eq!(events_of(&*store).await.len(), 1);
}

pub(super) async fn users_without_address_or_external_id_do_not_clash(harness: &dyn Harness) {
    let store = harness.open().await;
    for n in 0..3 {
        let one = User { email: None, external_id: None, ..user(n) };
        assert_eq!(store.create_user(new_user(one, n)).await, Ok(CreateUser::Done));
    }
}

pub(super) async fn one_of_50_signups_of_one_address_is_done(harness: &dyn Harness) {
    one_of_50_signups(harness, CreateUser::EmailTaken, |n| User { email: user(999).email, ..user(n) }).await;
}

pub(super) async fn one_of_50_signups_of_one_external_id_is_done(harness: &dyn Harness) {
    let same = |n| User { external_id: Some("same".into()), email: None, ..user(n) };
    one_of_50_signups(harness, CreateUser::ExternalIdTaken, same).await;
}

async fn one_of_50_signups(harness: &dyn Harness, refusal: CreateUser, twin: fn(u64) -> User) {
    let store = harness.open().await;
    let answers = at_once((0..50).map(|n| {
        let store = store.clone();
        async move { store.create_user(new_user(twin(n), n)).await.unwrap() }
    }))
    .await;
    let done: Vec<u64> = (0..50).filter(|n| answers[*n as usize] == CreateUser::Done).collect();
    assert_eq!(done.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == refusal).count(), 49);
    assert_eq!(store.users(None, 100).await.unwrap(), [twin(done[0])]);
    assert_eq!(events_of(&*store).await.len(), 1);
}

pub(super) async fn users_are_listed_in_the_order_they_were_made(harness: &dyn Harness) {
    let store = harness.open().await;
    let mut made = Vec::new();
    for n in 0..12 {
        made.push(sign_up(&*store, n).await);
    }
    assert_eq!(store.users(None, 100).await.unwrap(), made);
    assert_eq!(store.users(None, 0).await.unwrap(), []);
    for (place, one) in made.iter().enumerate() {
        let page = &made[place + 1..(place + 6).min(12)];
        assert_eq!(store.users(Some(one.id), 5).await.unwrap(), page);
    }
}

pub(super) async fn a_better_hash_replaces_only_the_one_it_was_made_from(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    let before = events_of(&*store).await;
    let upgraded = event(EventKind::PasswordUpgraded, ada.id, START);
    store.upgrade_password(ada.id, &password(7), password(8), upgraded.clone()).await.unwrap();
    store.upgrade_password(user_id(2), &password(1), password(8), upgraded.clone()).await.unwrap();
    assert_eq!(
        store.credentials(&UserKey::Id(ada.id)).await.unwrap(),
        Some((ada.clone(), Some(password(1))))
    );
    assert_eq!(events_of(&*store).await, before, "nothing changed, and there is an event");
    store.upgrade_password(ada.id, &password(1), password(8), upgraded.clone()).await.unwrap();
    assert_eq!(store.credentials(&UserKey::Id(ada.id)).await.unwrap(), Some((ada, Some(password(8)))));
    assert_eq!(events_of(&*store).await.last(), Some(&upgraded));
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()), "sessions live on");
}

pub(super) async fn one_of_50_upgrades_of_one_hash_is_written(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    at_once((0..50).map(|n| {
        let (store, id) = (store.clone(), ada.id);
        let told = event(EventKind::PasswordUpgraded, id, after_millis(n as i64));
        async move { store.upgrade_password(id, &password(1), password(100 + n), told).await.unwrap() }
    }))
    .await;
    let events = events_of(&*store).await;
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::PasswordUpgraded).collect();
    assert_eq!(told.len(), 1);
    let winner = told[0].at.millis_since(START) as u64;
    let (_, hash) = store.credentials(&UserKey::Id(ada.id)).await.unwrap().unwrap();
    assert!(hash == Some(password(100 + winner)));
}
