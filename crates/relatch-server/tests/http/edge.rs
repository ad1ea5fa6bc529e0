//! What every answer has, whatever its route: its name, CORS, headers for browsers.

use crate::support::{PASSWORD, Server, cast};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn every_answer_is_named_and_a_sane_name_of_the_caller_is_kept() {
    let (_server, mut anon, mut ada, _) = cast().await;
    for path in ["/healthz", "/auth/me", "/nowhere", "/oauth/token"] {
        let reply = anon.get(path).await;
        assert_eq!(reply.header("x-request-id").len(), 16, "{path}");
        if reply.body.get("request_id").is_some() {
            assert_eq!(reply.body["request_id"], reply.header("x-request-id"));
        }
    }
    let request = ada.request(Method::GET, "/auth/me").header("x-request-id", "trace-1");
    assert_eq!(ada.send(request).await.header("x-request-id"), "trace-1");
}

#[tokio::test]
async fn a_listed_page_may_call_with_cookies_and_others_may_not() {
    let server = Server::start(|config| {
        config.server.allowed_origins = vec!["https://app.example.com".to_owned().try_into().unwrap()];
    })
    .await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.origin = Some("https://app.example.com".to_owned());
    let reply = ada.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    assert_eq!(
        reply.header("access-control-expose-headers"),
        "date, retry-after, www-authenticate, x-request-id"
    );
    assert!(reply.header("vary").contains("origin"));
    let ask = |actor: &crate::support::Actor| {
        actor.request(Method::OPTIONS, "/auth/refresh").header("access-control-request-method", "POST")
    };
    let request = ask(&ada);
    let before = ada.send(request).await;
    assert_eq!(
        (before.status, before.header("access-control-allow-methods")),
        (204, "GET, POST, PATCH, DELETE")
    );
    assert!(before.header("access-control-allow-headers").contains("idempotency-key"));
    // An error can be read too, so that a page learns why.
    let refused = ada.with_token("x").get("/auth/me").await;
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.example.com");
    for stranger in ["https://evil.test", "https://app.example.com.evil.test", "null"] {
        ada.origin = Some(stranger.to_owned());
        let request = ask(&ada);
        let before = ada.send(request).await;
        assert!(before.header("access-control-allow-origin").is_empty());
        assert!(before.header("access-control-allow-methods").is_empty());
        assert_eq!(ada.refresh().await.verdict(), "403 csrf_check_failed");
    }
}

#[tokio::test]
async fn browsers_are_told_to_do_no_more_than_needed() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon.get("/auth/me").await;
    assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert_eq!(reply.header("strict-transport-security"), "");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon.get("/nowhere").await;
    insta::assert_snapshot!(reply.shown(), @r#"
    404 {
      "type": "[http://localhost:…]",
      "title": "There is nothing here",
      "status": 404,
      "detail": "Check the path and the identifier. What belongs to others looks as if it didn't exist.",
      "code": "not_found",
      "request_id": "[request_id]"
    }
    "#);
    let reply = anon.get("/auth/login").await;
    assert_eq!((reply.verdict().as_str(), reply.header("allow")), ("405 method_not_allowed", "POST"));
    for path in ["/dev/clock", "/DEV/mail", "/auth/login/", "//auth/me"] {
        assert_eq!(anon.get(path).await.status, 404, "{path}");
    }
}
