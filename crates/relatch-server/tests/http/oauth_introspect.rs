//! `POST /oauth/introspect` (RFC 7662).

use crate::oauth_token::open;
use crate::support::{HOUR, Server, WEB_SECRET};
use relatch_server::api_keys::ApiScope;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_live_token_is_described_and_a_dead_one_is_only_dead() {
    let (server, _) = Server::with_clients().await;
    server.make("ada@example.com").await;
    let key = server.key(&[ApiScope::Introspect]).await;
    let mut asker = server.program().with_token(&key);
    let mut app = server.program();
    let first = app.log_in_by_body("ada@example.com").await;
    let access = app.access_token.clone().unwrap();

    let told = asker.form("/oauth/introspect", &[("token", &access)]).await;
    assert_eq!((&told.body["active"], &told.body["token_type"]), (&true.into(), &"Bearer".into()));
    assert_eq!(told.header("cache-control"), "no-store");
    asker.access_token = Some(key.clone());
    let told = asker.form("/oauth/introspect", &[("token", &first)]).await;
    assert_eq!((&told.body["active"], &told.body["client_id"]), (&true.into(), &"relatch".into()));

    server.advance(60);
    let second = app.post("/auth/refresh", json!({"refresh_token": first})).await.text("refresh_token");
    server.advance(60);
    let mut is_active = async |token: &str| {
        let reply = asker.form("/oauth/introspect", &[("token", token)]).await;
        assert!(reply.body["active"] == true || reply.raw == r#"{"active":false}"#, "{reply:?}");
        assert_eq!(reply.status, 200);
        reply.body["active"] == true
    };
    assert!(!is_active(&first).await && is_active(&second).await);
    // Looking is not using.
    assert_eq!(app.post("/auth/refresh", json!({"refresh_token": second})).await.status, 200);
    for dead in ["x", "rlt_x", ""] {
        if !dead.is_empty() {
            assert!(!is_active(dead).await, "{dead}");
        }
    }
    server.advance(HOUR);
    assert!(!is_active(&access).await);
}

#[tokio::test]
async fn asking_needs_a_confidential_client_or_a_key_with_the_scope() {
    let (server, key) = Server::with_clients().await;
    let token = open(&server, &key, "app", "read").await;
    let mut web = server.program();
    let request = web.request(Method::POST, "/oauth/introspect").basic_auth("web", Some(WEB_SECRET));
    let told = web.send(request.form(&[("token", &token)])).await;
    assert_eq!((told.status, told.body["scope"].as_str()), (200, Some("read")));
    let asked = async |program: crate::support::Actor, fields: &[(&str, &str)]| {
        program.clone().form("/oauth/introspect", fields).await.verdict()
    };
    let program = server.program();
    assert_eq!(asked(program.clone(), &[("token", &token)]).await, "401 invalid_client");
    assert_eq!(
        asked(program.clone(), &[("token", &token), ("client_id", "app")]).await,
        "401 invalid_client"
    );
    assert_eq!(asked(program.with_token(&key), &[("token", &token)]).await, "403 insufficient_scope");
    assert_eq!(asked(program.with_token("rlk_x"), &[("token", &token)]).await, "401 invalid_client");
    let good = server.key(&[ApiScope::Introspect]).await;
    assert_eq!(asked(program.with_token(&good), &[("x", "y")]).await, "400 invalid_request");
}
