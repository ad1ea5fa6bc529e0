//! `POST /auth/refresh`.

use crate::support::{DEVICE, HINT, HOUR, REFRESH, Server, WINDOW, cast};
use base64ct::{Base64UrlUnpadded, Encoding};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_refresh_rotates_the_cookie_and_leaves_the_device_cookie_alone() {
    let (server, _, mut ada, _) = cast().await;
    let (first, device) = (ada.refresh_cookie(), ada.cookies[DEVICE].clone());
    server.advance(HOUR);
    let reply = ada.refresh().await;
    insta::assert_snapshot!(reply.shown(), @r#"
    200 {
      "access_token": "[eyJ…]",
      "token_type": "Bearer",
      "expires_in": 900,
      "session_id": "[ses_…]",
      "session_expires_at": "2027-04-15T08:00:00Z",
      "generation": 2,
      "refresh_in": "[refresh_in]",
      "user": {
        "id": "[usr_…]",
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada"
      }
    }
    "#);
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(ada.refresh_cookie() != first && ada.cookies[DEVICE] == device);
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn a_refresh_by_body_answers_in_the_body_and_needs_no_page() {
    let (server, ..) = cast().await;
    let mut app = server.program();
    let first = app.log_in_by_body("ada@example.com").await;
    let reply = app.post("/auth/refresh", json!({"refresh_token": first})).await;
    assert_eq!((reply.status, reply.body["generation"].as_u64()), (200, Some(2)));
    assert!(reply.text("refresh_token") != first && reply.cookies().is_empty());
}

#[tokio::test]
async fn the_same_attempt_gets_the_same_token_again_at_any_age() {
    let (server, ..) = cast().await;
    let mut app = server.program();
    let first = app.log_in_by_body("ada@example.com").await;
    let attempt = async |app: &mut crate::support::Actor, key: &str| {
        let request = app.request(Method::POST, "/auth/refresh").header("idempotency-key", key);
        app.send(request.json(&json!({"refresh_token": first}))).await
    };
    let one = attempt(&mut app, "attempt-1").await;
    server.advance(8 * HOUR);
    let again = attempt(&mut app, "attempt-1").await;
    assert_eq!((again.status, again.text("refresh_token")), (200, one.text("refresh_token")));
    let other = attempt(&mut app, "attempt-2").await;
    assert_eq!(other.verdict(), "401 token_reused");
}

#[tokio::test]
async fn an_idempotency_key_is_one_short_word() {
    let (server, ..) = cast().await;
    let mut app = server.program();
    let first = app.log_in_by_body("ada@example.com").await;
    let body = json!({"refresh_token": first});
    for (key, status) in [("x".repeat(255), 200), ("x".repeat(256), 400), (String::new(), 400)] {
        let request = app.request(Method::POST, "/auth/refresh").header("idempotency-key", &key).json(&body);
        assert_eq!(app.send(request).await.status, status, "{key}");
    }
    let request = app.request(Method::POST, "/auth/refresh").header("idempotency-key", "a");
    assert_eq!(app.send(request.header("idempotency-key", "b").json(&body)).await.status, 400);
}

#[tokio::test]
async fn a_stolen_cookie_ends_its_session_and_no_other() {
    let (server, mut anon, mut ada, mut thief) = cast().await;
    anon.log_in("ada@example.com").await;
    thief.copy_from(&ada);
    server.advance(HOUR);
    assert_eq!(ada.refresh().await.status, 200);
    server.advance(WINDOW + 1);
    let caught = thief.refresh().await;
    assert_eq!(caught.verdict(), "401 token_reused");
    assert_eq!(caught.cookies(), [REFRESH, HINT]);
    assert!(!thief.cookies.contains_key(REFRESH) && thief.cookies.contains_key(DEVICE));
    let told = ada.refresh().await;
    assert_eq!(
        (told.verdict().as_str(), &told.body["reason"]),
        ("401 session_revoked", &"token_reused".into())
    );
    assert_eq!(anon.refresh().await.status, 200);
}

#[tokio::test]
async fn a_token_is_worth_nothing_beside_another_device_cookie() {
    let (server, mut anon, mut ada, mut thief) = cast().await;
    anon.log_in("ada@example.com").await;
    let mut without = ada.clone();
    without.cookies.remove(DEVICE);
    thief.cookies.insert(REFRESH.to_owned(), ada.refresh_cookie());
    thief.cookies.insert(DEVICE.to_owned(), anon.cookies[DEVICE].clone());
    for robber in [&mut without, &mut thief] {
        let reply = robber.refresh().await;
        assert_eq!(reply.verdict(), "401 device_mismatch");
        assert_eq!(reply.cookies(), [REFRESH, HINT]);
    }
    server.advance(HOUR);
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused_without_harm() {
    let (_server, mut anon, mut ada, _) = cast().await;
    let genuine = ada.refresh_cookie();
    let other_letter = if &genuine[60..61] == "A" { "B" } else { "A" };
    let changed = format!("{}{other_letter}{}", &genuine[..60], &genuine[61..]);
    for forged in ["rlt_", "x", &genuine[..genuine.len() - 1], &format!("{genuine}A"), &changed] {
        anon.copy_from(&ada);
        anon.cookies.insert(REFRESH.to_owned(), forged.to_owned());
        let reply = anon.refresh().await;
        assert_eq!(reply.verdict(), "401 invalid_token", "{forged}");
        assert_eq!(reply.cookies(), [REFRESH, HINT]);
    }
    let none = anon.refresh().await;
    assert_eq!((none.verdict().as_str(), none.cookies().len()), ("401 missing_token", 2));
    assert_eq!(ada.refresh().await.status, 200);
}

/// docs/decisions/0006-unknown-master-key.md.
#[tokio::test]
async fn a_token_under_a_master_key_that_is_not_ours_is_refused_without_asking_the_store() {
    let (server, _, ada, _) = cast().await;
    let text = ada.refresh_cookie();
    let genuine = Base64UrlUnpadded::decode_vec(text.strip_prefix("rlt_").unwrap()).unwrap();
    server.store.set_available(false);
    assert_eq!(ada.clone().refresh().await.status, 503, "with the store away, a genuine one is in doubt");
    for number in [0, 2, 255] {
        let mut bytes = genuine.clone();
        assert_eq!(bytes[1], 1, "the number of the master key");
        bytes[1] = number;
        let mut forger = ada.clone();
        let made_up = format!("rlt_{}", Base64UrlUnpadded::encode_string(&bytes));
        forger.cookies.insert(REFRESH.to_owned(), made_up.clone());
        assert_eq!(forger.refresh().await.verdict(), "401 invalid_token", "{number}");
        let by_body = server.program().post("/auth/refresh", json!({"refresh_token": made_up})).await;
        assert_eq!(by_body.verdict(), "401 invalid_token", "{number}");
    }
    server.store.set_available(true);
    assert_eq!(ada.clone().refresh().await.status, 200, "the genuine one is unharmed");
}

#[tokio::test]
async fn a_token_keeps_its_transport() {
    let (server, _, mut ada, _) = cast().await;
    let mut app = server.program();
    let in_body = app.log_in_by_body("ada@example.com").await;
    let reply = app.post("/auth/refresh", json!({"refresh_token": ada.refresh_cookie()})).await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("401 invalid_token", 0));
    let mut browser = ada.clone();
    browser.cookies.insert(REFRESH.to_owned(), in_body.clone());
    assert_eq!(browser.refresh().await.verdict(), "401 invalid_token");
    let both = ada.post("/auth/refresh", json!({"refresh_token": in_body})).await;
    assert_eq!((both.verdict().as_str(), both.cookies().len()), ("400 invalid_request", 0));
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(app.post("/auth/refresh", json!({"refresh_token": in_body})).await.status, 200);
}

#[tokio::test]
async fn without_proof_of_a_page_nothing_changes() {
    let (_server, _, mut ada, _) = cast().await;
    let ours = ada.origin.clone();
    for origin in [None, Some("https://evil.test".to_owned())] {
        ada.origin = origin;
        let reply = ada.refresh().await;
        assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("403 csrf_check_failed", 0));
    }
    ada.origin = ours;
    assert_eq!(ada.refresh().await.body["generation"], 2);
}

#[tokio::test]
async fn of_planted_cookies_the_bound_one_counts() {
    let (server, mut anon, mut ada, _) = cast().await;
    anon.log_in("ada@example.com").await;
    let (own, planted) = (ada.refresh_cookie(), anon.refresh_cookie());
    server.advance(HOUR);
    for cookies in [format!("{planted}; {REFRESH}={own}"), format!("{own}; {REFRESH}=x; {REFRESH}={planted}")]
    {
        ada.cookies.insert(REFRESH.to_owned(), cookies);
        let reply = ada.refresh().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    ada.cookies.insert(REFRESH.to_owned(), format!("{planted}; {REFRESH}=x"));
    let none = ada.refresh().await;
    assert_eq!((none.verdict().as_str(), none.cookies().len()), ("400 duplicate_cookie", 0));
    ada.cookies.insert(REFRESH.to_owned(), format!("{own}; {REFRESH}={own}"));
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn two_device_cookies_are_refused_and_nothing_is_cleared() {
    let (_server, _, mut ada, _) = cast().await;
    let device = ada.cookies[DEVICE].clone();
    ada.cookies.insert(DEVICE.to_owned(), format!("{device}; {DEVICE}=AAAAAAAAAAAAAAAAAAAAAA"));
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("400 duplicate_cookie", 0));
    ada.cookies.insert(DEVICE.to_owned(), device);
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn a_session_expires_when_nobody_comes_and_at_its_greatest_age() {
    let server = Server::start(|config| {
        (config.sessions.idle_seconds, config.sessions.absolute_seconds) = (100, 250);
    })
    .await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    server.advance_millis(99_999);
    assert_eq!(ada.refresh().await.status, 200);
    server.advance_millis(99_001);
    let late = ada.refresh().await;
    assert_eq!((late.status, late.body["expires_in"].as_u64()), (200, Some(51)));
    server.advance_millis(50_999);
    assert_eq!(ada.refresh().await.status, 200);
    server.advance_millis(1);
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("401 session_expired", 2));
    assert_eq!(reply.body["reason"], "too_old");
    ada.log_in("ada@example.com").await;
    server.advance(100);
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), &reply.body["reason"]), ("401 session_expired", &"idle".into()));
}

#[tokio::test]
async fn too_many_refreshes_are_429_and_the_cookie_is_left_alone() {
    let (server, _, mut ada, _) = cast().await;
    for turn in 0..100 {
        assert_eq!(ada.refresh().await.status, 200, "turn {turn}");
    }
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("429 too_many_refreshes", 0));
    server.advance(reply.header("retry-after").parse().unwrap());
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_the_cookie_is_left_alone() {
    let (server, _, mut ada, _) = cast().await;
    server.store.set_available(false);
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("503 unavailable", 0));
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(ada.get("/auth/me").await.verdict(), "503 unavailable");
    server.store.set_available(true);
    assert_eq!(ada.refresh().await.status, 200);
}
