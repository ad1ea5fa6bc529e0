//! The memory of verified tokens: bounded, and never past expiry, withdrawal of a key, or revocation.

use crate::issuer::{Issuer, NOW, TestKey};
use relatch_verifier::{Flaw, Timestamp, VerifyError};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_second_look_finds_the_very_same_claims() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    let first = verifier.verify(&token).await.unwrap();
    let second = verifier.clone().verify(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second), "no second check of the signature");
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let mut claims = issuer.claims();
    claims["aud"] = json!("another");
    let foreign = TestKey::es256("k1").token(&issuer.claims());
    for token in [issuer.key.token(&claims), foreign] {
        assert!(verifier.verify(&token).await.is_err() && verifier.verify(&token).await.is_err());
    }
    assert_eq!(verifier.tokens_remembered(), 0);
}

#[tokio::test]
async fn a_known_token_with_another_signature_is_another_token() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    let message = token.rsplit_once('.').unwrap().0;
    let forged = format!("{message}.{}", "A".repeat(86));
    assert_eq!(verifier.verify(&forged).await, Err(Flaw::Signature.into()));
}

#[tokio::test]
async fn a_remembered_token_is_forgotten_when_it_expires() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    issuer.clock.set(929);
    assert!(verifier.verify(&token).await.is_ok());
    issuer.clock.set(930);
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::TokenExpired));
    assert_eq!(verifier.tokens_remembered(), 0);
}

#[tokio::test]
async fn a_remembered_token_is_forgotten_when_its_key_is_withdrawn() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    let new = TestKey::es256("k2");
    issuer.publish(&[&new]);
    verifier.verify(&new.token(&issuer.claims())).await.unwrap();
    assert_eq!(verifier.tokens_remembered(), 1, "dropped at once, before anybody looks");
    assert_eq!(verifier.verify(&token).await, Err(Flaw::UnknownKey.into()));
}

#[tokio::test]
async fn a_key_replaced_under_its_own_name_is_a_withdrawn_key() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    issuer.publish(&[&TestKey::es256("k1")]);
    issuer.clock.set(600);
    assert_eq!(verifier.verify(&token).await, Err(Flaw::Signature.into()));
}

#[tokio::test]
async fn a_revoked_session_is_refused_at_the_next_look_and_others_live() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let mut claims = issuer.claims();
    claims["sid"] = json!("ses_2");
    let (token, other) = (issuer.token(), issuer.key.token(&claims));
    verifier.verify(&token).await.unwrap();
    verifier.verify(&other).await.unwrap();
    verifier.revocations().revoke_session("ses_1", Timestamp::from_seconds(NOW));
    for _ in 0..2 {
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::TokenRevoked));
    }
    assert!(verifier.verify(&other).await.is_ok());
    assert_eq!(verifier.tokens_remembered(), 1);
}

#[tokio::test]
async fn a_user_who_logged_out_everywhere_needs_a_newer_token() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    verifier.revocations().revoke_user("usr_1", Timestamp::from_millis(NOW * 1000 + 500));
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::TokenRevoked));
    issuer.clock.advance(1);
    assert!(verifier.verify(&issuer.token()).await.is_ok());
}

#[tokio::test]
async fn after_revoke_everyone_only_newer_tokens_are_good() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    verifier.verify(&token).await.unwrap();
    verifier.revocations().revoke_everyone(Timestamp::from_seconds(NOW + 1));
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::TokenRevoked));
    issuer.clock.advance(1);
    assert!(verifier.verify(&issuer.token()).await.is_ok());
}

#[tokio::test]
async fn a_revocation_outlives_the_token_it_is_about() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let mut claims = issuer.claims();
    claims["exp"] = json!(NOW + 3600);
    let token = issuer.key.token(&claims);
    verifier.revocations().revoke_session("ses_1", Timestamp::from_seconds(NOW));
    for (at, verdict) in [(3629, VerifyError::TokenRevoked), (3630, VerifyError::TokenExpired)] {
        issuer.clock.set(at);
        // Enough insertions to make the set look for outdated entries.
        for n in 0..5000 {
            verifier.revocations().revoke_session(&format!("ses_x{n}"), Timestamp::EPOCH);
        }
        assert_eq!(verifier.verify(&token).await, Err(verdict));
    }
}

#[tokio::test]
async fn the_memory_is_bounded_and_what_it_lost_is_verified_again() {
    let issuer = Issuer::start().await;
    let verifier = issuer.builder().tokens_remembered_max(64).build().unwrap();
    let tokens: Vec<String> = (0..300)
        .map(|n| {
            let mut claims = issuer.claims();
            claims["jti"] = json!(n.to_string());
            issuer.key.token(&claims)
        })
        .collect();
    for token in tokens.iter().chain(&tokens) {
        verifier.verify(token).await.unwrap();
        assert!(verifier.tokens_remembered() <= 64);
    }
    assert!(verifier.tokens_remembered() >= 32, "a bound, not an empty memory");
}

#[tokio::test]
async fn without_a_memory_everything_still_works() {
    let issuer = Issuer::start().await;
    let verifier = issuer.builder().tokens_remembered_max(0).build().unwrap();
    let token = issuer.token();
    assert!(verifier.verify(&token).await.is_ok() && verifier.verify(&token).await.is_ok());
    assert_eq!(verifier.tokens_remembered(), 0);
}
