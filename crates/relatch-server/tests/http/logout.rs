//! `POST /auth/logout` and `POST /auth/logout-all`.

use crate::support::{DEVICE, HINT, HOUR, REFRESH, cast};
use serde_json::json;

#[tokio::test]
async fn a_logout_ends_the_session_and_keeps_the_device_cookie() {
    let (_server, _, mut ada, mut thief) = cast().await;
    thief.copy_from(&ada);
    let reply = ada.post_empty("/auth/logout").await;
    assert_eq!((reply.status, reply.raw.as_str()), (204, ""));
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert!(!ada.cookies.contains_key(REFRESH) && ada.cookies.contains_key(DEVICE));
    assert_eq!(ada.get("/auth/me").await.verdict(), "401 token_revoked");
    assert_eq!(thief.refresh().await.verdict(), "401 session_revoked");
    assert_eq!(ada.post_empty("/auth/logout").await.status, 204);
}

#[tokio::test]
async fn a_superseded_token_logs_out_too() {
    let (server, _, mut ada, mut old) = cast().await;
    old.copy_from(&ada);
    for _ in 0..3 {
        server.advance(HOUR);
        assert_eq!(ada.refresh().await.status, 200);
    }
    assert_eq!(old.post_empty("/auth/logout").await.status, 204);
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
}

#[tokio::test]
async fn without_its_device_cookie_a_cookie_ends_nothing() {
    let (_server, _, mut ada, mut thief) = cast().await;
    thief.cookies.insert(REFRESH.to_owned(), ada.refresh_cookie());
    let reply = thief.post_empty("/auth/logout").await;
    assert_eq!((reply.status, reply.cookies().len()), (204, 2));
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn of_two_device_cookies_the_one_that_binds_counts() {
    let (_server, _, mut ada, _) = cast().await;
    let device = ada.cookies[DEVICE].clone();
    ada.cookies.insert(DEVICE.to_owned(), format!("AAAAAAAAAAAAAAAAAAAAAA; {DEVICE}={device}"));
    ada.cookies.insert(REFRESH.to_owned(), format!("x; {REFRESH}={}", ada.refresh_cookie()));
    assert_eq!(ada.post_empty("/auth/logout").await.status, 204);
    assert!(!ada.is_logged_in().await);
}

#[tokio::test]
async fn without_proof_of_a_page_nothing_happens() {
    let (_server, _, mut ada, _) = cast().await;
    ada.origin = Some("https://evil.test".to_owned());
    let reply = ada.post_empty("/auth/logout").await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("403 csrf_check_failed", 0));
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn a_body_token_logs_out_and_an_unknown_one_is_answered_alike() {
    let (server, _, ada, _) = cast().await;
    let mut app = server.program();
    let token = app.log_in_by_body("ada@example.com").await;
    for token in ["rlt_unknown", "", &ada.refresh_cookie()] {
        let reply = app.post("/auth/logout", json!({"refresh_token": token})).await;
        assert_eq!((reply.status, reply.cookies().len()), (204, 0), "{token}");
    }
    assert!(app.is_logged_in().await && ada.clone().is_logged_in().await);
    assert_eq!(app.post("/auth/logout", json!({"refresh_token": token})).await.status, 204);
    assert!(!app.is_logged_in().await);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_the_cookie_stays() {
    let (server, _, mut ada, _) = cast().await;
    server.store.set_available(false);
    let reply = ada.post_empty("/auth/logout").await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("503 unavailable", 0));
    server.store.set_available(true);
    assert_eq!(ada.post_empty("/auth/logout").await.status, 204);
    assert!(!ada.is_logged_in().await);
}

#[tokio::test]
async fn logout_all_ends_every_session_or_every_other() {
    let (server, mut anon, mut ada, mut third) = cast().await;
    anon.log_in("ada@example.com").await;
    third.log_in("ada@example.com").await;
    let reply = ada.post("/auth/logout-all", json!({"keep_current": true})).await;
    assert_eq!((reply.status, &reply.body), (200, &json!({"revoked": 2})));
    assert!(ada.is_logged_in().await && !anon.is_logged_in().await);
    assert_eq!(third.post_empty("/auth/logout-all").await.verdict(), "401 token_revoked");
    server.advance(HOUR);
    assert_eq!(anon.refresh().await.verdict(), "401 session_revoked");
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(ada.post_empty("/auth/logout-all").await.body, json!({"revoked": 1}));
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
}
