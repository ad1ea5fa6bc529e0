//! Fetching keys: rarely, once at a time, through rotation, outage and floods of forged names.

use crate::issuer::{Answer, Issuer, TestKey, jwks};
use relatch_verifier::{Clock, Flaw, Seconds, Verifier, VerifyError};
use serde_json::json;
use std::time::Duration;

const UNKNOWN: Result<(), VerifyError> = Err(VerifyError::InvalidToken(Flaw::UnknownKey));

async fn check(verifier: &Verifier, token: &str) -> Result<(), VerifyError> {
    verifier.verify(token).await.map(drop)
}

fn is_unavailable(verdict: &Result<(), VerifyError>) -> bool {
    matches!(verdict, Err(VerifyError::Unavailable { retry_after }) if (1..=2).contains(&retry_after.0))
}

/// Waits for a fetch in the background.
async fn until(mut is_true: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come true within 10 s");
}

#[tokio::test]
async fn one_fetch_serves_every_token_until_the_keys_are_old() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    for _ in 0..10 {
        check(&verifier, &issuer.token()).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_hundred_tokens_of_an_unknown_key_cause_one_fetch() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    let new = TestKey::es256("k2");
    issuer.answer(Answer::Slow(jwks(&[&new, &issuer.key]), Duration::from_millis(100)));
    let token = new.token(&issuer.claims());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { check(&verifier, &token).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(issuer.fetches(), 2, "one at start, one for the new key");
}

#[tokio::test]
async fn a_hundred_tokens_at_a_cold_start_cause_one_fetch() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::Slow(jwks(&[&issuer.key]), Duration::from_millis(100)));
    let verifier = issuer.verifier();
    let forged = TestKey::es256("forged").token(&issuer.claims());
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let token = if n % 2 == 0 { issuer.token() } else { forged.clone() };
            let verifier = verifier.clone();
            tokio::spawn(async move { check(&verifier, &token).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), if n % 2 == 0 { Ok(()) } else { UNKNOWN });
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn forged_key_names_cause_one_fetch_per_cooldown() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    let forge = |n: i64| {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("forged-{n}") });
        issuer.key.token_with_header(&header, &issuer.claims())
    };
    for n in 0..200 {
        assert_eq!(check(&verifier, &forge(n)).await, UNKNOWN);
    }
    assert_eq!(issuer.fetches(), 2);
    issuer.clock.advance(29);
    assert_eq!(check(&verifier, &forge(300)).await, UNKNOWN);
    assert_eq!(issuer.fetches(), 2);
    issuer.clock.advance(1);
    assert_eq!(check(&verifier, &forge(301)).await, UNKNOWN);
    assert_eq!(issuer.fetches(), 3);
    check(&verifier, &issuer.token()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_cut_off_the_fetch() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::Slow(jwks(&[&issuer.key]), Duration::from_millis(200)));
    let verifier = issuer.verifier();
    let token = issuer.token();
    let impatient = tokio::time::timeout(Duration::from_millis(50), verifier.verify(&token)).await;
    assert!(impatient.is_err());
    check(&verifier, &token).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_rotation_is_noticed_at_the_first_token_of_the_new_key() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let old = issuer.token();
    check(&verifier, &old).await.unwrap();
    let new = TestKey::es256("k2");
    issuer.publish(&[&new, &issuer.key]);
    check(&verifier, &new.token(&issuer.claims())).await.unwrap();
    check(&verifier, &old).await.unwrap();
    assert_eq!(verifier.tokens_remembered(), 2, "the old key stayed, and what it signed with it");
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_when_due() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    issuer.clock.advance(299);
    check(&verifier, &issuer.token()).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
    issuer.clock.advance(1);
    issuer.answer(Answer::Slow(jwks(&[&issuer.key]), Duration::from_secs(4)));
    let answered = tokio::time::timeout(Duration::from_secs(3), check(&verifier, &issuer.token())).await;
    assert_eq!(answered, Ok(Ok(())), "nobody waits for a refresh that is merely due");
    until(|| issuer.fetches() == 2).await;
}

#[tokio::test]
async fn a_request_waits_for_keys_that_are_overdue() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.token();
    check(&verifier, &token).await.unwrap();
    issuer.publish(&[&TestKey::es256("k2")]);
    issuer.clock.advance(600);
    assert_eq!(check(&verifier, &token).await, UNKNOWN, "a withdrawn key, noticed before the answer");
}

#[tokio::test]
async fn an_outage_is_outlived_by_the_last_known_keys_up_to_a_bound() {
    let issuer = Issuer::start().await;
    let verifier = issuer.builder().keys_stale_max(Seconds(3600)).build().unwrap();
    check(&verifier, &issuer.token()).await.unwrap();
    let fetched_at = verifier.key_status().fetched_at;
    issuer.answer(Answer::Status(500));
    for _ in 0..6 {
        issuer.clock.advance(600);
        check(&verifier, &issuer.token()).await.unwrap();
    }
    let status = verifier.key_status();
    assert_eq!((status.keys, status.fetched_at), (1, fetched_at));
    assert!(status.failed_at > fetched_at);
    issuer.clock.advance(1);
    let verdict = check(&verifier, &issuer.token()).await;
    assert!(is_unavailable(&verdict), "{verdict:?}");
    issuer.publish(&[&issuer.key]);
    issuer.clock.advance(2);
    check(&verifier, &issuer.token()).await.unwrap();
    assert_eq!(verifier.key_status().failed_at, None);
}

#[tokio::test]
async fn during_an_outage_nobody_waits_for_keys_again_and_again() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    issuer.answer(Answer::Status(500));
    issuer.clock.advance(600);
    check(&verifier, &issuer.token()).await.unwrap();
    issuer.answer(Answer::Slow(jwks(&[&issuer.key]), Duration::from_secs(4)));
    issuer.clock.advance(2);
    let answered = tokio::time::timeout(Duration::from_secs(3), check(&verifier, &issuer.token())).await;
    assert_eq!(answered, Ok(Ok(())));
    until(|| issuer.fetches() == 3).await;
}

#[tokio::test]
async fn an_unknown_key_during_an_outage_is_a_doubt_and_no_refusal() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    issuer.answer(Answer::Status(502));
    let new = TestKey::es256("k2").token(&issuer.claims());
    for _ in 0..2 {
        let verdict = check(&verifier, &new).await;
        assert!(is_unavailable(&verdict), "{verdict:?}");
        check(&verifier, &issuer.token()).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn with_no_keys_at_start_every_answer_is_503_until_the_issuer_is_back() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::Status(503));
    let verifier = issuer.verifier();
    assert!(matches!(verifier.load_keys().await, Err(VerifyError::Unavailable { .. })));
    for token in [issuer.token().as_str(), "noise"] {
        let verdict = check(&verifier, token).await;
        assert!(is_unavailable(&verdict), "{verdict:?}");
    }
    assert_eq!(issuer.fetches(), 1, "within the retry gap nobody asks again");
    issuer.publish(&[&issuer.key]);
    issuer.clock.advance(2);
    check(&verifier, &issuer.token()).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_nobody_listens_for_is_503_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let verifier = Verifier::builder(url).audience("api").build().unwrap();
    let verdict = check(&verifier, "any").await;
    assert!(is_unavailable(&verdict), "{verdict:?}");
}

#[tokio::test]
async fn a_useless_document_never_replaces_good_keys() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    check(&verifier, &issuer.token()).await.unwrap();
    let useless = [
        Answer::Text("<html>".into()),
        Answer::Document(json!({ "keys": [] })),
        Answer::Document(json!({})),
        Answer::Document(json!([])),
        Answer::Document(json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256" }] })),
        Answer::Text(format!("{}{}", jwks(&[&TestKey::es256("k1")]), " ".repeat(64 * 1024))),
        Answer::Status(204),
        Answer::Disowned(500, jwks(&[&TestKey::es256("k1")])),
    ];
    for answer in useless {
        issuer.answer(answer);
        issuer.clock.advance(400);
        check(&verifier, &issuer.token()).await.unwrap();
        until(|| verifier.key_status().failed_at == Some(issuer.clock.now())).await;
        check(&verifier, &issuer.token()).await.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::RedirectTo(format!("{}/elsewhere", issuer.url)));
    let verdict = check(&issuer.verifier(), &issuer.token()).await;
    assert!(is_unavailable(&verdict), "{verdict:?}");
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn keys_may_live_at_another_url() {
    let issuer = Issuer::start().await;
    let verifier = issuer.builder().jwks_url(format!("{}/elsewhere", issuer.url)).build().unwrap();
    check(&verifier, &issuer.token()).await.unwrap();
}

#[tokio::test]
async fn a_clock_set_back_makes_keys_old_and_not_eternal() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    issuer.clock.advance(86_400);
    check(&verifier, &issuer.token()).await.unwrap();
    issuer.clock.set(0);
    check(&verifier, &issuer.token()).await.unwrap();
    assert_eq!(issuer.fetches(), 2);
}
