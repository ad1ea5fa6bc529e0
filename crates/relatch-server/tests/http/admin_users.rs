//! `/admin/users`.

use crate::support::cast;
use relatch_server::api_keys::ApiScope;
use serde_json::json;

#[tokio::test]
async fn users_come_in_pages() {
    let (server, ..) = cast().await;
    for n in 0..4 {
        server.make(&format!("bob{n}@example.com")).await;
    }
    let mut system = server.program().with_token(&server.key(&[ApiScope::Users]).await);
    let mut emails = Vec::new();
    let mut path = "/admin/users?limit=2".to_owned();
    loop {
        let page = system.get(&path).await;
        emails.extend(page.body["users"].as_array().unwrap().iter().map(|user| user["email"].clone()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/admin/users?limit=2&cursor={cursor}");
    }
    assert_eq!(
        (emails.len(), &emails[0], &emails[4]),
        (5, &"ada@example.com".into(), &"bob3@example.com".into())
    );
    assert_eq!(system.get("/admin/users?cursor=x").await.verdict(), "422 validation_failed");
}

#[tokio::test]
async fn a_disabled_user_is_out_everywhere_and_can_not_come_back() {
    let (server, mut anon, mut ada, _) = cast().await;
    anon.log_in("ada@example.com").await;
    let id = ada.get("/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    let mut system = server.program().with_token(&server.key(&[ApiScope::Users]).await);
    let reply = system.post_empty(&format!("/admin/users/{id}/logout-all")).await;
    assert_eq!((reply.status, &reply.body), (200, &json!({"revoked": 2})));
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    let reply = system.post_empty(&format!("/admin/users/{id}/disable")).await;
    assert_eq!((reply.status, &reply.body), (200, &json!({"revoked": 1})));
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
    let right = ada.log_in("ada@example.com").await;
    let wrong = ada.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
    assert_eq!(right.shown(), wrong.shown());
    let listed = system.get("/admin/users").await;
    assert_eq!(listed.body["users"][0]["disabled_at"], "2027-01-15T08:00:00Z");
    for path in ["/admin/users/usr_AAAAAAAAAAAAAAAAAAAAAA/disable", "/admin/users/x/logout-all"] {
        assert_eq!(system.post_empty(path).await.verdict(), "404 not_found");
    }
}
