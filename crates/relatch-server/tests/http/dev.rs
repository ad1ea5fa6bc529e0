//! `/dev/mail` and `/dev/clock`: what only `relatch dev` has.

use crate::support::{PASSWORD, Server};
use relatch_server::environment::ShiftedClock;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn people_test_expiry_without_waiting() {
    let server = Server::start_with(|_| {}, Some(Arc::new(ShiftedClock::default())), None).await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    assert!(ada.is_logged_in().await);
    assert_eq!(ada.post("/dev/clock", json!({"advance_seconds": 901})).await.status, 200);
    assert_eq!(ada.get("/auth/me").await.verdict(), "401 token_expired");
    assert_eq!(ada.refresh().await.status, 200);
    for wrong in [json!(-1), json!(1.5), json!("1"), json!(4_294_967_296_u64)] {
        let reply = ada.post("/dev/clock", json!({"advance_seconds": wrong})).await;
        assert_eq!(reply.errors(), ["advance_seconds: wrong_value"]);
    }
}

/// DNS rebinding: a page of elsewhere has its own host lead to this machine, and reads what answers there.
#[tokio::test]
async fn the_doors_of_development_are_not_there_under_another_name() {
    let server = Server::start_with(|_| {}, Some(Arc::new(ShiftedClock::default())), None).await;
    let anon = server.browser();
    for (host, status) in [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]", 200),
        ("[::1]:8080", 200),
        ("evil.example", 404),
        ("evil.example:8080", 404),
        ("localhost.evil.example", 404),
        ("[::2]:8080", 404),
        ("", 404),
    ] {
        let asked = anon.request(Method::GET, "/dev/mail").header("host", host);
        assert_eq!(anon.clone().send(asked).await.status, status, "{host}");
    }
    let moved = anon.request(Method::POST, "/dev/clock").header("host", "evil.example");
    assert_eq!(anon.clone().send(moved.json(&json!({"advance_seconds": 1}))).await.status, 404);
}

#[tokio::test]
async fn the_mailbox_shows_what_was_mailed_the_newest_first() {
    let server = Server::start(|_| {}).await;
    let mut anon = server.browser();
    anon.post("/auth/signup", json!({"email": "bob@example.com", "password": PASSWORD})).await;
    let code = server.mailed_code().await;
    let mail = anon.get("/dev/mail").await;
    assert_eq!(mail.body["messages"][0]["to"], "bob@example.com");
    assert!(mail.body["messages"][0]["text"].as_str().unwrap().contains(&code));
    let request =
        anon.request(Method::GET, "/dev/mail").header("accept", "text/html,application/xml;q=0.9,*/*;q=0.8");
    let page = anon.send(request).await;
    assert!(page.raw.contains("bob@example.com") && page.raw.contains(&code), "{page:?}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    for reply in [mail, page] {
        assert_eq!((reply.header("cache-control"), reply.header("vary")), ("no-store", "Accept"));
    }
    assert_eq!(anon.post("/dev/clock", json!({"advance_seconds": 1})).await.status, 404);
}
