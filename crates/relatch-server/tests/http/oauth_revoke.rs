//! `POST /oauth/revoke` (RFC 7009).

use crate::oauth_token::open;
use crate::support::{Server, WEB_SECRET};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_client_ends_its_own_session_and_nobody_elses() {
    let (server, key) = Server::with_clients().await;
    let (webs, apps) = (open(&server, &key, "web", "").await, open(&server, &key, "app", "").await);
    let mut app = server.program();
    for token in [webs.as_str(), "unknown", "rlt_unknown", apps.as_str()] {
        let reply = app.form("/oauth/revoke", &[("token", token), ("client_id", "app")]).await;
        assert_eq!((reply.status, reply.raw.as_str()), (200, "{}"), "{token}");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let refresh = async |token: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let program = server.program();
        let request = program.request(Method::POST, "/oauth/token");
        server.program().send(request.basic_auth("web", Some(WEB_SECRET)).form(&fields)).await.verdict()
    };
    assert_eq!(refresh(&webs).await, "200");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*apps), ("client_id", "app")];
    assert_eq!(app.form("/oauth/token", &fields).await.verdict(), "400 invalid_grant");
}

#[tokio::test]
async fn an_access_token_ends_its_session_too() {
    let (server, _) = Server::with_clients().await;
    server.make("ada@example.com").await;
    let mut app = server.program();
    let refresh_token = app.log_in_by_body("ada@example.com").await;
    let access_token = app.access_token.take().unwrap();
    let reply = app.form("/oauth/revoke", &[("token", &access_token), ("client_id", "app")]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(app.with_token(&access_token).get("/auth/me").await.status, 200);
    app.form("/oauth/revoke", &[("token", &access_token)]).await;
    assert_eq!(app.with_token(&access_token).get("/auth/me").await.verdict(), "401 token_revoked");
    let reply = app.post("/auth/refresh", json!({"refresh_token": refresh_token})).await;
    assert_eq!(
        (reply.verdict().as_str(), &reply.body["reason"]),
        ("401 session_revoked", &"revoked_by_client".into())
    );
}

#[tokio::test]
async fn who_is_not_who_it_says_or_says_nothing_is_refused() {
    let (server, _) = Server::with_clients().await;
    let mut app = server.program();
    let reply = app.form("/oauth/revoke", &[("token", "x"), ("client_id", "web")]).await;
    assert_eq!(reply.verdict(), "401 invalid_client");
    let reply = app.form("/oauth/revoke", &[("client_id", "app")]).await;
    assert_eq!(reply.verdict(), "400 invalid_request");
}
