//! `POST /oauth/token`.

use crate::support::{Actor, HOUR, Server, WEB_SECRET};
use reqwest::Method;
use serde_json::json;

/// A session of a client, opened by another system.
pub async fn open(server: &Server, key: &str, client: &str, scope: &str) -> String {
    let body = json!({"external_user_id": "u1", "transport": "body", "client_id": client, "scope": scope});
    let reply = server.program().with_token(key).post("/admin/sessions", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.text("refresh_token")
}

fn form<'a>(token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat()
}

async fn with_basic(
    actor: &mut Actor,
    id: &str,
    secret: &str,
    fields: &[(&str, &str)],
) -> crate::support::Reply {
    let request = actor.request(Method::POST, "/oauth/token").basic_auth(id, Some(secret)).form(fields);
    actor.send(request).await
}

#[tokio::test]
async fn a_client_refreshes_by_basic_by_post_and_a_public_one_by_name() {
    let (server, key) = Server::with_clients().await;
    let mut app = server.program();
    let token = open(&server, &key, "web", "read write").await;
    let reply = with_basic(&mut app, "web", WEB_SECRET, &form(&token, &[])).await;
    insta::assert_snapshot!(reply.shown(), @r#"
    200 {
      "access_token": "[eyJ…]",
      "token_type": "Bearer",
      "expires_in": 900,
      "refresh_token": "[rlt_…]",
      "scope": "read write"
    }
    "#);
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), ("no-store", "no-cache"));
    app.access_token = None;
    let post = form(&token, &[("client_id", "web"), ("client_secret", WEB_SECRET)]);
    assert_eq!(app.form("/oauth/token", &post).await.status, 200);
    app.access_token = None;
    let token = open(&server, &key, "app", "read").await;
    let reply =
        app.form("/oauth/token", &form(&token, &[("client_id", "app"), ("unknown", "ignored")])).await;
    assert_eq!((reply.status, reply.body["scope"].as_str()), (200, Some("read")));
}

#[tokio::test]
async fn both_doors_lead_to_the_same_rotation() {
    let (server, _) = Server::with_clients().await;
    server.make("ada@example.com").await;
    let mut app = server.program();
    let first = app.log_in_by_body("ada@example.com").await;
    app.access_token = None;
    let second = app.form("/oauth/token", &form(&first, &[("client_id", "relatch")])).await;
    assert_eq!(second.status, 200);
    assert!(second.body.get("scope").is_none());
    server.advance(HOUR);
    let body = json!({"refresh_token": second.text("refresh_token")});
    assert_eq!(app.post("/auth/refresh", body).await.body["generation"], 3);
    server.advance(HOUR);
    app.access_token = None;
    assert_eq!(app.form("/oauth/token", &form(&first, &[])).await.verdict(), "400 invalid_grant");
    let body = json!({"refresh_token": second.text("refresh_token")});
    assert_eq!(app.post("/auth/refresh", body).await.verdict(), "401 session_revoked");
}

#[tokio::test]
async fn another_clients_token_is_an_invalid_grant_and_lives_on() {
    let (server, key) = Server::with_clients().await;
    let mut app = server.program();
    let token = open(&server, &key, "web", "read").await;
    let reply = app.form("/oauth/token", &form(&token, &[("client_id", "app")])).await;
    assert_eq!(reply.verdict(), "400 invalid_grant");
    assert_eq!(
        app.post("/auth/refresh", json!({"refresh_token": token})).await.verdict(),
        "401 invalid_token"
    );
    assert_eq!(with_basic(&mut app, "web", WEB_SECRET, &form(&token, &[])).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_not_who_it_says_is_refused() {
    let (server, key) = Server::with_clients().await;
    let token = open(&server, &key, "web", "").await;
    let mut app = server.program();
    for (id, secret) in [("web", "wrong"), ("web", ""), ("nobody", WEB_SECRET), ("app", "secret")] {
        let reply = with_basic(&mut app, id, secret, &form(&token, &[])).await;
        assert_eq!(reply.verdict(), "401 invalid_client", "{id}");
        assert_eq!(reply.header("www-authenticate"), "Basic realm=\"relatch\"");
        let post = form(&token, &[("client_id", id), ("client_secret", secret)]);
        let reply = app.form("/oauth/token", &post).await;
        assert_eq!((reply.verdict().as_str(), reply.header("www-authenticate")), ("401 invalid_client", ""));
    }
    let both = [("client_id", "web"), ("client_secret", WEB_SECRET)];
    let reply = with_basic(&mut app, "web", WEB_SECRET, &form(&token, &both)).await;
    assert_eq!(reply.verdict(), "400 invalid_request");
}

#[tokio::test]
async fn a_wider_scope_is_refused_before_anything_rotates() {
    let (server, key) = Server::with_clients().await;
    let token = open(&server, &key, "app", "read").await;
    let mut app = server.program();
    for (scope, verdict) in
        [("write", "400 invalid_scope"), ("read write", "400 invalid_scope"), ("read", "200")]
    {
        let reply = app.form("/oauth/token", &form(&token, &[("client_id", "app"), ("scope", scope)])).await;
        assert_eq!(reply.verdict(), verdict);
        app.access_token = None;
    }
}

#[tokio::test]
async fn errors_are_those_of_rfc_6749() {
    let (server, _) = Server::with_clients().await;
    let mut app = server.program();
    for (fields, verdict) in [
        (&[("client_id", "app")][..], "400 invalid_request"),
        (&[("client_id", "app"), ("grant_type", "password")], "400 unsupported_grant_type"),
        (&[("client_id", "app"), ("grant_type", "refresh_token")], "400 invalid_request"),
        (
            &[("client_id", "app"), ("grant_type", "refresh_token"), ("refresh_token", "x")],
            "400 invalid_grant",
        ),
        (
            &[("client_id", "app"), ("client_id", "app"), ("grant_type", "refresh_token")],
            "400 invalid_request",
        ),
    ] {
        let reply = app.form("/oauth/token", fields).await;
        assert_eq!(reply.verdict(), verdict, "{fields:?}");
        assert!(reply.body["error_description"].is_string());
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let reply = app.post("/oauth/token", json!({"grant_type": "refresh_token"})).await;
    assert_eq!(reply.verdict(), "400 invalid_request");
}
