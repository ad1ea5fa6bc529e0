//! `/admin/sessions`.

use crate::support::{DEVICE, HINT, REFRESH, cast};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_server::api_keys::ApiScope;
use serde_json::{Value, json};

fn claims(token: &str) -> Value {
    let payload = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn another_system_opens_a_session_for_its_user_and_the_same_one_again() {
    let (server, ..) = cast().await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    let key = system.access_token.clone();
    let body = json!({
        "external_user_id": "u-1", "transport": "body", "claims": {"plan": "pro"}, "amr": ["hwk"], "device_name": "kiosk",
    });
    let first = system.post("/admin/sessions", body.clone()).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("cache-control"), "no-store");
    let said = claims(&first.text("access_token"));
    assert_eq!((&said["plan"], &said["amr"]), (&"pro".into(), &json!(["hwk"])));
    system.access_token = key;
    let again = system.post("/admin/sessions", body).await;
    assert_eq!(again.body["user"]["id"], first.body["user"]["id"]);
    assert!(again.body["session_id"] != first.body["session_id"]);
    let mut app = server.program();
    let refreshed = app.post("/auth/refresh", json!({"refresh_token": again.text("refresh_token")})).await;
    assert_eq!(claims(&refreshed.text("access_token"))["plan"], "pro");
}

#[tokio::test]
async fn by_cookies_they_are_set_for_the_caller_to_hand_on() {
    let (server, mut anon, mut ada, _) = cast().await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    let id = ada.get("/auth/me").await.body["user"]["id"].clone();
    let reply = system.post("/admin/sessions", json!({"user_id": id, "transport": "cookie"})).await;
    assert_eq!((reply.status, reply.cookies()), (201, vec![REFRESH, HINT, DEVICE]));
    assert!(reply.body.get("refresh_token").is_none());
    anon.copy_from(&system);
    assert_eq!(anon.refresh().await.status, 200);
}

#[tokio::test]
async fn what_can_not_be_opened_is_refused_with_the_field() {
    let (server, ..) = cast().await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    for (body, errors) in [
        (json!({"transport": "body"}), "user_id: wrong_value"),
        (
            json!({"user_id": "usr_AAAAAAAAAAAAAAAAAAAAAA", "external_user_id": "x", "transport": "body"}),
            "user_id: wrong_value",
        ),
        (json!({"user_id": "x", "transport": "body"}), "user_id: wrong_value"),
        (json!({"external_user_id": "x"}), "transport: missing"),
        (json!({"external_user_id": "", "transport": "body"}), "external_user_id: wrong_length"),
        (
            json!({"external_user_id": "x", "transport": "body", "claims": {"sub": "me"}}),
            "claims: registered_claim",
        ),
        (
            json!({"external_user_id": "x", "transport": "body", "claims": {"a": "x".repeat(2048)}}),
            "claims: too_long",
        ),
        (json!({"external_user_id": "x", "transport": "body", "claims": []}), "claims: wrong_type"),
        (json!({"external_user_id": "x", "transport": "body", "amr": ["a b"]}), "amr: wrong_value"),
        (json!({"external_user_id": "x", "transport": "body", "scope": "read"}), "scope: wrong_value"),
        (
            json!({"external_user_id": "x", "transport": "body", "client_id": "nobody"}),
            "client_id: wrong_value",
        ),
    ] {
        assert_eq!(system.post("/admin/sessions", body.clone()).await.errors(), [errors], "{body}");
    }
    let body = json!({"user_id": "usr_AAAAAAAAAAAAAAAAAAAAAA", "transport": "body"});
    assert_eq!(system.post("/admin/sessions", body).await.verdict(), "404 not_found");
}

#[tokio::test]
async fn a_disabled_user_gets_no_session() {
    let (server, _, mut ada, _) = cast().await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions, ApiScope::Users]).await);
    let id = ada.get("/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(system.post_empty(&format!("/admin/users/{id}/disable")).await.status, 200);
    let reply = system.post("/admin/sessions", json!({"user_id": id, "transport": "body"})).await;
    assert_eq!(reply.verdict(), "409 user_disabled");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_name() {
    let (server, _, mut ada, _) = cast().await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    let me = ada.get("/auth/me").await;
    let (user, session) =
        (me.body["user"]["id"].as_str().unwrap(), me.body["session"]["id"].as_str().unwrap());
    let listed = system.get(&format!("/admin/sessions?user_id={user}")).await;
    assert_eq!(listed.body["sessions"][0]["id"], session);
    assert!(listed.body["sessions"][0].get("current").is_none());
    assert_eq!(system.get("/admin/sessions").await.errors(), ["user_id: missing"]);
    assert_eq!(system.delete(&format!("/admin/sessions/{session}")).await.status, 204);
    assert_eq!(system.delete(&format!("/admin/sessions/{session}")).await.verdict(), "404 not_found");
    let told = ada.refresh().await;
    assert_eq!(
        (told.verdict().as_str(), &told.body["reason"]),
        ("401 session_revoked", &"ended_by_operator".into())
    );
}

#[tokio::test]
async fn a_key_does_what_its_scope_says_and_a_person_nothing() {
    let (server, mut anon, mut ada, _) = cast().await;
    let body = json!({"external_user_id": "x", "transport": "body"});
    assert_eq!(anon.post("/admin/sessions", body.clone()).await.verdict(), "401 missing_token");
    assert_eq!(ada.post("/admin/sessions", body.clone()).await.verdict(), "401 invalid_token");
    let mut verifier = server.program().with_token(&server.key(&[ApiScope::Verify]).await);
    assert_eq!(verifier.post("/admin/sessions", body.clone()).await.verdict(), "403 insufficient_scope");
    // Who may not ask learns nothing about the form of the question.
    assert_eq!(anon.post("/admin/sessions", json!({"x": 1})).await.verdict(), "401 missing_token");
    let key = server.key(&[ApiScope::Sessions]).await;
    assert_eq!(server.program().with_token(&key).get("/auth/me").await.verdict(), "401 invalid_token");
}
