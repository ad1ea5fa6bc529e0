//! Signing keys, API keys and clients.

use crate::conformance::{
    Harness, START, after_millis, api_key, at_once, client, client_id, feed_of, signing_key,
};
use crate::{ClientKind, FeedSubject, OauthClient, SigningKeyRecord};

pub(super) async fn a_signing_key_comes_back_as_it_was(harness: &dyn Harness) {
    let store = harness.open().await;
    assert_eq!(store.signing_keys().await, Ok(vec![]));
    let retiring = SigningKeyRecord { retires_at: Some(after_millis(77)), master_id: 255, ..signing_key(2) };
    assert_eq!(store.add_signing_key(signing_key(1), 0).await, Ok(true));
    assert_eq!(store.add_signing_key(retiring.clone(), 1).await, Ok(true));
    assert_eq!(store.signing_keys().await, Ok(vec![signing_key(1), retiring]));
}

pub(super) async fn a_signing_key_decided_on_a_stale_list_is_not_added(harness: &dyn Harness) {
    let store = harness.open().await;
    assert_eq!(store.add_signing_key(signing_key(1), 1).await, Ok(false));
    assert_eq!(store.add_signing_key(signing_key(1), 0).await, Ok(true));
    for stale in [0, 2] {
        assert_eq!(store.add_signing_key(signing_key(2), stale).await, Ok(false));
    }
    assert_eq!(store.signing_keys().await, Ok(vec![signing_key(1)]));
}

pub(super) async fn one_of_20_rotations_decided_on_one_list_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    store.add_signing_key(signing_key(0), 0).await.unwrap();
    let answers = at_once((1..=20).map(|n| {
        let store = store.clone();
        async move { store.add_signing_key(signing_key(n), 1).await.unwrap() }
    }))
    .await;
    let done: Vec<u32> = (1..=20).filter(|n| answers[*n as usize - 1]).collect();
    assert_eq!(done.len(), 1);
    assert_eq!(store.signing_keys().await, Ok(vec![signing_key(0), signing_key(done[0])]));
}

pub(super) async fn an_update_of_a_signing_key_leaves_what_the_key_is(harness: &dyn Harness) {
    let store = harness.open().await;
    store.add_signing_key(signing_key(1), 0).await.unwrap();
    store.add_signing_key(signing_key(2), 1).await.unwrap();
    let moved = SigningKeyRecord {
        active_at: after_millis(5),
        retires_at: Some(after_millis(6)),
        master_id: 9,
        sealed_private: vec![0, 255],
        ..signing_key(1)
    };
    assert_eq!(store.update_signing_key(moved.clone()).await, Ok(true));
    assert_eq!(store.signing_keys().await, Ok(vec![moved.clone(), signing_key(2)]));
    let other = SigningKeyRecord {
        algorithm: "none".into(),
        public_jwk: "{}".into(),
        created_at: after_millis(9),
        ..moved.clone()
    };
    assert_eq!(store.update_signing_key(other).await, Ok(true));
    assert_eq!(store.signing_keys().await, Ok(vec![moved.clone(), signing_key(2)]));
    let back = SigningKeyRecord { retires_at: None, ..moved };
    store.update_signing_key(back.clone()).await.unwrap();
    assert_eq!(store.update_signing_key(signing_key(3)).await, Ok(false));
    assert_eq!(store.signing_keys().await, Ok(vec![back, signing_key(2)]));
}

pub(super) async fn a_removed_signing_key_is_gone_and_only_a_revoked_one_is_in_the_feed(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    for n in 0..3 {
        store.add_signing_key(signing_key(n), n as usize).await.unwrap();
    }
    assert_eq!(store.remove_signing_key("2027-00", None).await, Ok(true));
    assert_eq!(feed_of(&*store).await, []);
    assert_eq!(store.remove_signing_key("2027-02", Some(after_millis(4))).await, Ok(true));
    for gone in ["2027-02", "2027-00", "never"] {
        assert_eq!(store.remove_signing_key(gone, Some(START)).await, Ok(false));
    }
    assert_eq!(store.signing_keys().await, Ok(vec![signing_key(1)]));
    let feed = feed_of(&*store).await;
    assert_eq!(feed.len(), 1);
    assert_eq!((feed[0].at, &feed[0].subject), (after_millis(4), &FeedSubject::Key("2027-02".into())));
}

pub(super) async fn an_api_key_comes_back_by_its_hash(harness: &dyn Harness) {
    let store = harness.open().await;
    let mut bare = api_key(2);
    (bare.name, bare.scopes) = (String::new(), Vec::new());
    store.add_api_key(api_key(1)).await.unwrap();
    store.add_api_key(bare.clone()).await.unwrap();
    assert_eq!(store.api_key(api_key(1).hash).await, Ok(Some(api_key(1))));
    assert_eq!(store.api_key(bare.hash).await, Ok(Some(bare.clone())));
    assert_eq!(store.api_key([0; 32]).await, Ok(None));
    assert_eq!(store.api_keys().await, Ok(vec![api_key(1), bare]));
}

pub(super) async fn a_revoked_api_key_stays_revoked_since_the_first_time(harness: &dyn Harness) {
    let store = harness.open().await;
    store.add_api_key(api_key(1)).await.unwrap();
    store.add_api_key(api_key(2)).await.unwrap();
    assert_eq!(store.revoke_api_key("key_1", after_millis(5)).await, Ok(true));
    assert_eq!(store.revoke_api_key("key_1", after_millis(9)).await, Ok(true));
    assert_eq!(store.revoke_api_key("key_3", after_millis(5)).await, Ok(false));
    let mut revoked = api_key(1);
    revoked.revoked_at = Some(after_millis(5));
    assert_eq!(store.api_key(revoked.hash).await, Ok(Some(revoked.clone())));
    assert_eq!(store.api_keys().await, Ok(vec![revoked, api_key(2)]));
}

pub(super) async fn a_client_is_replaced_and_removed_by_its_id(harness: &dyn Harness) {
    let store = harness.open().await;
    let bare = OauthClient {
        kind: ClientKind::Public,
        secret_hash: None,
        name: None,
        scopes: Vec::new(),
        created_at: after_millis(3),
        ..client("web")
    };
    for one in [client("web"), client("app"), client("Web"), bare.clone()] {
        store.put_client(one).await.unwrap();
    }
    assert_eq!(store.client(&client_id("web")).await, Ok(Some(bare.clone())));
    assert_eq!(store.client(&client_id("app")).await, Ok(Some(client("app"))));
    assert_eq!(store.client(&client_id("api")).await, Ok(None));
    assert_eq!(store.clients().await, Ok(vec![client("Web"), client("app"), bare.clone()]));
    assert_eq!(store.remove_client(&client_id("app")).await, Ok(true));
    assert_eq!(store.remove_client(&client_id("app")).await, Ok(false));
    assert_eq!(store.clients().await, Ok(vec![client("Web"), bare]));
}
