//! The life of keys over days of virtual time, on several nodes that share a store.
//!
//! Verifiers here know nothing but the published document, which another implementation reads: what they would
//! refuse, a real resource server would refuse.

use super::signing::tests::{claims, claims_by_another_verifier};
use super::*;
use crate::environment::{Entropy, OsEntropy};
use jsonwebtoken::jwk::JwkSet;
use relatch_store::memory::MemoryStore;
use relatch_store::{Cursor, FeedSubject, KeyStore, SessionStore, SigningKeyRecord};
use relatch_token::{AccessClaims, KeyRing, MasterKey, Seconds, Secret, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

const EXPECTED: Expectations<'_> =
    Expectations { issuer: "https://id.example", audience: "https://api.example" };

fn policy() -> KeyPolicy {
    KeyPolicy {
        rotate_every: Seconds(7200),
        publish_before: Seconds(3720),
        verifier_cache: Seconds(3600),
        access_token_life: Seconds(900),
        ..KeyPolicy::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn store() -> MemoryStore {
    MemoryStore::new([7; 16])
}

/// Master keys by number; the same number is the same key.
fn ring(masters: &[u8]) -> KeyRing {
    ring_with(masters.iter().map(|&id| (id, id)))
}

fn ring_with(masters: impl Iterator<Item = (u8, u8)>) -> KeyRing {
    let key = |(id, byte)| MasterKey { id, secret: Secret::new([byte; 32]) };
    KeyRing::new(&[7; 16], masters.map(key).collect()).unwrap()
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy::open().unwrap())
}

async fn load(store: &MemoryStore, masters: &[u8], now: Timestamp) -> Result<SigningKeys, KeysError> {
    SigningKeys::load(store, ring(masters), policy(), entropy(), now).await
}

fn token(keys: &SigningKeys, now: Timestamp) -> String {
    keys.sign(&claims(now.as_seconds(), now.as_seconds() + 900), now).unwrap()
}

fn published(keys: &SigningKeys, now: Timestamp) -> JwkSet {
    serde_json::from_slice(&keys.jwks(now)).unwrap()
}

fn accepts(jwks: &JwkSet, token: &str) -> bool {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    jwks.find(&kid).is_some_and(|jwk| claims_by_another_verifier(token, jwk).is_some())
}

fn states(views: &[KeyView]) -> Vec<KeyState> {
    views.iter().map(|view| view.state).collect()
}

fn current(keys: &SigningKeys, now: Timestamp) -> String {
    keys.view(now).into_iter().find(|view| view.state == KeyState::Current).unwrap().kid
}

async fn records(store: &MemoryStore) -> Vec<SigningKeyRecord> {
    store.signing_keys().await.unwrap()
}

/// Two nodes, whose clocks differ by 50 s and which tend 59 s apart from each other, both the worst allowed,
/// through a dozen rotations. At every half minute, every token that is alive has to be good for a verifier
/// that fetched the keys from either node at any time since its cache's length ago.
#[tokio::test]
async fn at_every_instant_every_live_token_verifies_against_keys_fetched_up_to_a_cache_ago() {
    let store = store();
    let ahead = load(&store, &[1], at(50)).await.unwrap();
    let behind = load(&store, &[1], at(0)).await.unwrap();
    let mut tokens: VecDeque<(i64, String)> = VecDeque::new();
    let mut fetched: VecDeque<(i64, JwkSet)> = VecDeque::new();
    let (mut rotations, mut last, mut pairs) = (0, String::new(), 0);
    for now in (0..86_400).step_by(30) {
        let clocks = [(&ahead, at(now + 50)), (&behind, at(now))];
        if now % 60 == 0 {
            ahead.tend(&store, clocks[0].1).await.unwrap();
        }
        for (node, clock) in clocks {
            let jwks = published(node, clock);
            assert!(jwks.keys.len() <= 3);
            assert_eq!(jwks.keys[0].common.key_id, Some(current(node, clock)), "the current one is first");
            if fetched.back().is_none_or(|(_, newest)| *newest != jwks) {
                // Its forerunner could still be fetched until now.
                if let Some((until, _)) = fetched.back_mut() {
                    *until = now;
                }
                fetched.push_back((i64::MAX, jwks));
            }
            tokens.push_back((clock.as_seconds() + 900, token(node, clock)));
        }
        tokens.retain(|(expires_at, _)| *expires_at > now);
        fetched.retain(|(until, _)| *until > now - 3600);
        let seen_by_nodes = if now % 600 == 0 { tokens.len() } else { 2 };
        for (_, token) in tokens.iter().rev().take(seen_by_nodes) {
            for (node, clock) in clocks {
                let verdict = node.verify(token, &EXPECTED, clock);
                assert!(matches!(verdict, Ok(_) | Err(TokenProblem::Expired)), "{verdict:?} at {now}");
            }
        }
        // What was good for a document stays so: only what is new has to be looked at.
        let fresh_tokens =
            tokens.iter().rev().take(2).flat_map(|one| fetched.iter().map(move |two| (one, two)));
        let fresh_documents =
            fetched.iter().rev().take(2).flat_map(|two| tokens.iter().map(move |one| (one, two)));
        for ((_, token), (_, jwks)) in fresh_tokens.chain(fresh_documents) {
            let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
            assert!(jwks.find(&kid).is_some(), "{kid} is missing at {now}");
            pairs += 1;
        }
        for jwks in [fetched.front(), fetched.back()].into_iter().flatten().map(|(_, jwks)| jwks) {
            assert!(now % 1800 != 0 || tokens.iter().all(|(_, token)| accepts(jwks, token)));
        }
        if current(&behind, at(now)) != last {
            (rotations, last) = (rotations + 1, current(&behind, at(now)));
        }
        if now % 60 == 30 {
            behind.tend(&store, clocks[1].1).await.unwrap();
        }
    }
    assert_eq!(rotations, 12);
    assert!(pairs > 100_000, "{pairs}");
}

#[tokio::test]
async fn of_two_nodes_that_rotate_at_once_one_makes_the_key() {
    let store = store();
    let now = at(0);
    let (one, two) = tokio::join!(load(&store, &[1], now), load(&store, &[1], now));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(records(&store).await.len(), 1, "one first key");
    two.tend(&store, now).await.unwrap();
    assert_eq!(current(&one, now), current(&two, now));

    let due = at(7200 - 3720);
    let (first, second) = tokio::join!(one.tend(&store, due), two.tend(&store, due));
    first.unwrap();
    second.unwrap();
    assert_eq!(records(&store).await.len(), 2, "one next key");

    // The row of a key that another node has added is not ours to count.
    let late = records(&store).await.remove(0);
    assert!(!store.add_signing_key(SigningKeyRecord { kid: "late".into(), ..late }, 1).await.unwrap());
}

#[tokio::test]
async fn a_rotation_that_would_outrun_verifiers_is_refused_and_changes_nothing() {
    let store = store();
    let hasty = KeyPolicy { publish_before: Seconds(3719), ..policy() };
    let refused = SigningKeys::load(&store, ring(&[1]), hasty, entropy(), at(0)).await.unwrap_err();
    assert!(matches!(refused, KeysError::Policy(PolicyError::OutrunsVerifiers { .. })), "{refused}");
    assert_eq!(records(&store).await, []);

    let patient = KeyPolicy { publish_before: Seconds(5000), ..policy() };
    let keys = SigningKeys::load(&store, ring(&[1]), patient, entropy(), at(0)).await.unwrap();
    let rotate = |takeover, now| keys.rotate(&store, RotateOrder { takeover, algorithm: None }, at(now));
    let refused = rotate(Takeover::Now, 10).await.unwrap_err().to_string();
    assert!(refused.contains("published for 3720 s") && refused.contains("without --now"), "{refused}");
    assert_eq!(records(&store).await.len(), 1);

    assert_eq!(states(&rotate(Takeover::Published, 10).await.unwrap()), [KeyState::Current, KeyState::Next]);
    let refused = rotate(Takeover::Published, 20).await.unwrap_err().to_string();
    assert!(refused.contains("takes over in 4990 s"), "{refused}");
    let refused = rotate(Takeover::Now, 3729).await.unwrap_err().to_string();
    assert!(refused.contains("wait 1 s"), "{refused}");
    assert_eq!(records(&store).await.len(), 2);
    let done = rotate(Takeover::Now, 3730).await.unwrap();
    assert_eq!(states(&done), [KeyState::Kept, KeyState::Current]);
    assert!(done[0].retires_at >= Some(at(3730 + 900 + 120)));
}

#[tokio::test]
async fn a_rotation_by_the_command_line_reaches_the_server_before_it_signs() {
    let store = store();
    let server = load(&store, &[1], at(0)).await.unwrap();
    let (command, trouble) =
        SigningKeys::load_for_repair(&store, ring(&[1]), policy(), entropy(), at(5)).await.unwrap();
    assert_eq!(trouble, None);
    command.rotate(&store, RotateOrder::default(), at(5)).await.unwrap();
    assert_eq!(server.view(at(10)).len(), 1);
    server.tend(&store, at(15)).await.unwrap();
    assert_eq!(published(&server, at(15)), published(&command, at(15)));
    assert_eq!(published(&server, at(15)).keys.len(), 2);
}

#[tokio::test]
async fn a_rotation_that_a_crash_cut_short_is_finished_by_the_next_tend() {
    let store = store();
    let keys = load(&store, &[1], at(0)).await.unwrap();
    keys.rotate(&store, RotateOrder::default(), at(0)).await.unwrap();
    let mut first = records(&store).await.remove(0);
    assert_eq!(first.retires_at, Some(at(3720 + 900 + 120)));
    first.retires_at = None;
    store.update_signing_key(first).await.unwrap();

    load(&store, &[1], at(100)).await.unwrap();
    assert_eq!(records(&store).await[0].retires_at, Some(at(3720 + 900 + 120)));
}

#[tokio::test]
async fn the_server_does_not_start_without_the_master_key_that_seals() {
    let store = store();
    let keys = load(&store, &[2, 1], at(0)).await.unwrap();
    let kid = current(&keys, at(0));
    let before = records(&store).await;

    let missing = load(&store, &[1, 3], at(1)).await.unwrap_err().to_string();
    assert!(
        missing.contains(&format!("{kid} is sealed under master key 2, which was not given")),
        "{missing}"
    );
    assert!(missing.contains("(given: 1, 3); add `2:…`"), "{missing}");
    let other = ring_with([(2, 99)].into_iter());
    let wrong = SigningKeys::load(&store, other, policy(), entropy(), at(1)).await.unwrap_err().to_string();
    assert!(wrong.contains(&format!("{kid} doesn't open: master key 2 is not the one")), "{wrong}");
    let elsewhere =
        KeyRing::new(b"staging", vec![MasterKey { id: 2, secret: Secret::new([2; 32]) }]).unwrap();
    let wrong = SigningKeys::load(&store, elsewhere, policy(), entropy(), at(1)).await.unwrap_err();
    assert!(matches!(wrong, KeysError::MasterWrong { master_id: 2, .. }));
    assert_eq!(records(&store).await, before, "a start that is refused writes nothing");
}

#[tokio::test]
async fn a_new_master_key_loses_no_token_and_the_old_one_is_not_needed_any_more() {
    let store = store();
    let old = load(&store, &[1], at(0)).await.unwrap();
    old.rotate(&store, RotateOrder::default(), at(0)).await.unwrap();
    let alive = token(&old, at(10));

    // As the guide says: the new key is given second to all nodes, then first, then alone.
    for masters in [&[1, 2][..], &[2, 1], &[2]] {
        let keys = load(&store, masters, at(20)).await.unwrap();
        assert!(keys.verify(&alive, &EXPECTED, at(20)).is_ok());
        assert_eq!(published(&keys, at(20)), published(&old, at(20)));
        assert!(accepts(&published(&old, at(20)), &token(&keys, at(20))));
    }
    assert!(records(&store).await.iter().all(|record| record.master_id == 2));
    assert!(matches!(load(&store, &[1], at(30)).await, Err(KeysError::MasterMissing { .. })));
    // A node that was not restarted yet goes on with what it has open.
    old.tend(&store, at(30)).await.unwrap();
    assert!(old.verify(&token(&old, at(30)), &EXPECTED, at(30)).is_ok());
}

#[tokio::test]
async fn a_row_that_somebody_put_into_the_database_is_not_a_key() {
    let (store, other) = (store(), MemoryStore::new([8; 16]));
    let keys = load(&store, &[1], at(0)).await.unwrap();
    let forger = SigningKeys::load(&other, ring_with([(1, 66)].into_iter()), policy(), entropy(), at(0));
    let forger = forger.await.unwrap();
    let forged = records(&other).await.remove(0);
    assert!(store.add_signing_key(forged, 1).await.unwrap());

    let error = keys.tend(&store, at(10)).await.unwrap_err();
    assert!(matches!(error, KeysError::MasterWrong { .. }), "{error}");
    let minted = token(&forger, at(10));
    assert_eq!(keys.verify(&minted, &EXPECTED, at(10)), Err(TokenProblem::UnknownKey));
    assert_eq!(published(&keys, at(10)).keys.len(), 1);
    assert!(keys.verify(&token(&keys, at(10)), &EXPECTED, at(10)).is_ok(), "ours goes on");
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once_told_to_verifiers_and_replaced() {
    let store = store();
    let keys = load(&store, &[1], at(0)).await.unwrap();
    let stolen = current(&keys, at(10));
    let token_of_stolen = token(&keys, at(10));

    let views = keys.revoke(&store, &stolen, at(20)).await.unwrap();
    assert_eq!(states(&views), [KeyState::Current]);
    assert_ne!(views[0].kid, stolen);
    assert_eq!(keys.verify(&token_of_stolen, &EXPECTED, at(20)), Err(TokenProblem::UnknownKey));
    assert!(!accepts(&published(&keys, at(20)), &token_of_stolen));
    assert!(keys.verify(&token(&keys, at(20)), &EXPECTED, at(20)).is_ok());
    let feed = store.changes_since(Cursor(0), 10).await.unwrap();
    assert_eq!(
        feed.iter().map(|entry| &entry.subject).collect::<Vec<_>>(),
        [&FeedSubject::Key(stolen.clone())]
    );
    assert_eq!(feed[0].at, at(20));
    assert_eq!(keys.revoke(&store, &stolen, at(30)).await, Err(KeysError::NoSuchKey(stolen)));
}

#[tokio::test]
async fn revoking_the_current_key_activates_the_waiting_one_and_revoking_that_one_changes_no_signer() {
    let store = store();
    let keys = load(&store, &[1], at(0)).await.unwrap();
    let first = current(&keys, at(0));
    let next = keys.rotate(&store, RotateOrder::default(), at(0)).await.unwrap()[1].kid.clone();

    let left = keys.revoke(&store, &next, at(10)).await.unwrap();
    assert_eq!((left.len(), &left[0].kid, left[0].retires_at), (1, &first, None), "it has no successor now");

    let next = keys.rotate(&store, RotateOrder::default(), at(20)).await.unwrap()[1].kid.clone();
    let left = keys.revoke(&store, &first, at(30)).await.unwrap();
    assert_eq!((states(&left), &left[0].kid), (vec![KeyState::Current], &next));
    assert_eq!(left[0].active_at, at(30));
}

#[tokio::test]
async fn a_key_under_a_lost_master_key_can_be_revoked_and_then_the_server_starts() {
    let store = store();
    let lost = current(&load(&store, &[1], at(0)).await.unwrap(), at(0));
    let (repair, trouble) =
        SigningKeys::load_for_repair(&store, ring(&[2]), policy(), entropy(), at(10)).await.unwrap();
    assert!(matches!(trouble, Some(KeysError::MasterMissing { .. })));
    repair.revoke(&store, &lost, at(10)).await.unwrap();
    let keys = load(&store, &[2], at(20)).await.unwrap();
    assert!(keys.verify(&token(&keys, at(20)), &EXPECTED, at(20)).is_ok());
}

#[tokio::test]
async fn a_token_of_a_key_that_another_node_just_made_makes_us_look_before_we_refuse() {
    let store = store();
    let (here, there) = (load(&store, &[1], at(0)).await.unwrap(), load(&store, &[1], at(0)).await.unwrap());
    let look = |token: String, now| {
        let (here, store) = (&here, &store);
        async move { here.verify_fresh(store, &token, &EXPECTED, now).await }
    };
    there.revoke(&store, &current(&there, at(0)), at(100)).await.unwrap();
    let good = token(&there, at(100));
    assert_eq!(here.verify(&good, &EXPECTED, at(100)), Err(TokenProblem::UnknownKey));
    assert!(matches!(look(good, at(100)).await, Ok(Ok(AccessClaims { .. }))));

    // A key that is nowhere: refused by what was read, within the cool-down without reading again.
    let nowhere = token(&load(&MemoryStore::new([9; 16]), &[1], at(0)).await.unwrap(), at(100));
    store.set_available(false);
    assert_eq!(look(nowhere.clone(), at(100)).await, Ok(Err(TokenProblem::UnknownKey)));
    // Later the store can't say: that is doubt, for everybody who asks until it was read again.
    for now in [at(101), at(101), at(102)] {
        assert!(matches!(look(nowhere.clone(), now).await, Err(KeysError::Store(_))));
    }
    store.set_available(true);
    assert_eq!(look(nowhere, at(103)).await, Ok(Err(TokenProblem::UnknownKey)));
    store.set_available(false);
    let known = token(&here, at(103));
    assert!(matches!(look(known, at(103)).await, Ok(Ok(_))), "a known key needs no store");
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_keys_as_they_were() {
    let store = store();
    let keys = load(&store, &[1], at(0)).await.unwrap();
    store.set_available(false);
    assert!(matches!(keys.tend(&store, at(5000)).await, Err(KeysError::Store(_))));
    assert!(keys.verify(&token(&keys, at(5000)), &EXPECTED, at(5000)).is_ok());
    store.set_available(true);
    keys.tend(&store, at(5000)).await.unwrap();
    assert_eq!(states(&keys.view(at(5000))), [KeyState::Current, KeyState::Next]);
}

#[tokio::test]
async fn another_algorithm_comes_by_an_order_alone_and_at_once() {
    let store = store();
    load(&store, &[1], at(0)).await.unwrap();
    let other = KeyPolicy { algorithm: Algorithm::EdDsa, ..policy() };
    let keys = SigningKeys::load(&store, ring(&[1]), other, entropy(), at(10)).await.unwrap();
    assert!(keys.algorithm_difference(at(10)).unwrap().contains("rotate --algorithm EdDSA --danger-now"));
    let old = token(&keys, at(10));
    assert_eq!(jsonwebtoken::decode_header(&old).unwrap().alg, jsonwebtoken::Algorithm::ES256);

    let rotate =
        |takeover| keys.rotate(&store, RotateOrder { takeover, algorithm: Some(Algorithm::EdDsa) }, at(20));
    let refused = rotate(Takeover::Published).await.unwrap_err().to_string();
    assert!(refused.contains("0003-one-key-type"), "{refused}");
    rotate(Takeover::DangerNow).await.unwrap();
    assert_eq!(keys.algorithm_difference(at(20)), None);
    let jwks = published(&keys, at(20));
    assert_eq!(jwks.keys.len(), 1);
    assert!(accepts(&jwks, &token(&keys, at(20))) && !accepts(&jwks, &old));
    assert!(keys.verify(&old, &EXPECTED, at(20)).is_ok(), "here an old token is good until it expires");

    // The schedule goes on with the new algorithm, whatever an old node has configured.
    let old_node = load(&store, &[1], at(30)).await.unwrap();
    old_node.tend(&store, at(20 + 7200 - 3720)).await.unwrap();
    assert!(old_node.view(at(4000)).iter().skip(1).all(|view| view.algorithm == Algorithm::EdDsa));
}

#[tokio::test]
async fn nothing_private_is_in_debug_output_of_the_keys_or_their_errors() {
    let store = store();
    let keys = load(&store, &[1], at(0)).await.unwrap();
    let record = records(&store).await.remove(0);
    let shown = format!("{keys:?} {keys:#?}");
    assert!(shown.contains(&record.kid));
    for byte_list in [format!("{:?}", record.sealed_private), format!("{:?}", [1u8; 32])] {
        assert!(!shown.contains(&byte_list[1..20]));
    }
}
