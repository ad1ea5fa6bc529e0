//! `GET /auth/me`, and what every route behind a bearer does without a good one.

use crate::support::cast;
use reqwest::Method;

#[tokio::test]
async fn me_is_the_person_and_the_session() {
    let (_server, _, mut ada, _) = cast().await;
    let request = ada.request(Method::GET, "/auth/me").header("user-agent", "x");
    let reply = ada.send(request).await;
    insta::assert_snapshot!(reply.shown(), @r#"
    200 {
      "user": {
        "id": "[usr_…]",
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada"
      },
      "session": {
        "id": "[ses_…]",
        "current": true,
        "device_name": null,
        "user_agent": null,
        "ip": "127.0.0.1",
        "created_at": "2027-01-15T08:00:00Z",
        "last_seen_at": "2027-01-15T08:00:00Z",
        "idle_expires_at": "2027-01-29T08:00:00Z",
        "expires_at": "2027-04-15T08:00:00Z",
        "amr": [
          "pwd"
        ]
      }
    }
    "#);
}

#[tokio::test]
async fn without_a_bearer_the_challenge_is_bare() {
    let (_server, mut anon, mut ada, _) = cast().await;
    let reply = anon.get("/auth/me").await;
    assert_eq!(reply.verdict(), "401 missing_token");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    let other_scheme = anon.request(Method::GET, "/auth/me").basic_auth("ada", Some("x"));
    assert_eq!(anon.send(other_scheme).await.header("www-authenticate"), "Bearer");
    let two = ada.request(Method::GET, "/auth/me").header("authorization", "Bearer x");
    assert_eq!(ada.send(two).await.verdict(), "400 invalid_request");
}

#[tokio::test]
async fn a_bad_bearer_is_told_why() {
    let (server, _, ada, _) = cast().await;
    let token = ada.access_token.clone().unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let other = if rest.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}.{other}{}", &rest[1..]);
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", rest.split('.').next().unwrap());
    for bad in ["x", &tampered, &unsigned, &ada.refresh_cookie()] {
        let reply = ada.with_token(bad).get("/auth/me").await;
        assert_eq!(reply.verdict(), "401 invalid_token");
        assert_eq!(reply.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    server.advance(899);
    assert_eq!(ada.with_token(&token).get("/auth/me").await.status, 200);
    server.advance(1);
    let expired = ada.with_token(&token).get("/auth/me").await;
    assert_eq!(expired.verdict(), "401 token_expired");
    assert_eq!(expired.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}
