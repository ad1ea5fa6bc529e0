//! `GET /auth/sessions` and `DELETE /auth/sessions/{id}`.

use crate::support::{HOUR, cast};

#[tokio::test]
async fn everybody_sees_their_own_devices_and_which_one_asks() {
    let (server, mut anon, mut ada, _) = cast().await;
    server.make("bob@example.com").await;
    anon.log_in("bob@example.com").await;
    server.advance(HOUR);
    let mut phone = server.program();
    phone.log_in_by_body("ada@example.com").await;
    server.advance(60);
    assert_eq!(ada.refresh().await.status, 200);
    let reply = ada.get("/auth/sessions").await;
    let sessions = reply.body["sessions"].as_array().unwrap();
    let currents: Vec<bool> = sessions.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(currents, [false, true]);
    assert_eq!(sessions[1]["last_seen_at"], "2027-01-15T09:01:00Z");
    assert_eq!(sessions[1]["created_at"], "2027-01-15T08:00:00Z");
    let members: Vec<&str> = sessions[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "id",
        "current",
        "device_name",
        "user_agent",
        "ip",
        "created_at",
        "last_seen_at",
        "idle_expires_at",
        "expires_at",
        "amr",
    ];
    assert_eq!(members, expected);
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    let (server, mut bob, mut ada, mut other) = cast().await;
    server.make("bob@example.com").await;
    let bobs = bob.log_in("bob@example.com").await.text("session_id");
    let others = other.log_in("ada@example.com").await.text("session_id");
    for id in [bobs.as_str(), "ses_AAAAAAAAAAAAAAAAAAAAAA", "nonsense", "%00"] {
        assert_eq!(ada.delete(&format!("/auth/sessions/{id}")).await.verdict(), "404 not_found", "{id}");
    }
    assert!(bob.is_logged_in().await);
    let path = format!("/auth/sessions/{others}");
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.delete(&path).await.verdict(), "404 not_found");
    assert!(!other.is_logged_in().await && ada.is_logged_in().await);
}
