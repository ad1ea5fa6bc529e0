//! `GET /auth/events` and `GET /admin/events`.

use crate::support::cast;
use relatch_server::api_keys::ApiScope;
use serde_json::json;

#[tokio::test]
async fn the_history_is_ones_own_and_comes_in_pages_newest_first() {
    let (server, mut anon, mut ada, _) = cast().await;
    server.make("bob@example.com").await;
    anon.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
    for _ in 0..3 {
        ada.log_in("ada@example.com").await;
    }
    let mut kinds = Vec::new();
    let mut path = "/auth/events?limit=2".to_owned();
    loop {
        let page = ada.get(&path).await;
        let events = page.body["events"].as_array().unwrap();
        assert!(events.len() <= 2 && events.iter().all(|event| event.get("user_id").is_none()));
        kinds.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/auth/events?limit=2&cursor={cursor}");
    }
    assert_eq!(kinds.iter().filter(|kind| *kind == "login").count(), 4);
    assert_eq!(kinds.iter().filter(|kind| *kind == "session_revoked").count(), 3);
    assert_eq!(kinds.last().unwrap(), "signed_up");
    // Written after its answer, so that its time tells nothing.
    assert!(kinds.iter().any(|kind| kind == "login_failed"));
}

#[tokio::test]
async fn a_page_has_bounds_and_a_cursor_is_one_of_ours() {
    let (_server, _, mut ada, _) = cast().await;
    for (query, expected) in [
        ("limit=200", "200"),
        ("limit=0", "422 validation_failed"),
        ("limit=201", "422 validation_failed"),
        ("limit=x", "422 validation_failed"),
        ("cursor=x", "422 validation_failed"),
        ("cursor=-1", "422 validation_failed"),
        ("cursor=18446744073709551616", "422 validation_failed"),
        ("cursor=0", "200"),
        ("unknown=1", "200"),
    ] {
        assert_eq!(ada.get(&format!("/auth/events?{query}")).await.verdict(), expected, "{query}");
    }
}

#[tokio::test]
async fn an_api_key_reads_everybodys_history_or_one_persons() {
    let (server, mut anon, _ada, _) = cast().await;
    let bob = server.make("bob@example.com").await;
    anon.log_in("bob@example.com").await;
    let mut auditor = server.program().with_token(&server.key(&[ApiScope::Events]).await);
    let all = auditor.get("/admin/events").await;
    assert_eq!(all.body["events"].as_array().unwrap().len(), 4);
    let bobs = auditor.get(&format!("/admin/events?user_id={bob}")).await;
    let bobs = bobs.body["events"].as_array().unwrap();
    assert!(bobs.len() == 2 && bobs.iter().all(|event| event["user_id"] == bob.as_str()));
    assert_eq!(auditor.get("/admin/events?user_id=x").await.verdict(), "422 validation_failed");
    let mut other = server.program().with_token(&server.key(&[ApiScope::Users]).await);
    let refused = other.get("/admin/events").await;
    assert_eq!(refused.verdict(), "403 insufficient_scope");
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"insufficient_scope\", scope=\"events\"");
}
