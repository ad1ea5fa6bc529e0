//! `POST /auth/login`.

use crate::support::{DEVICE, HINT, PASSWORD, REFRESH, Server, cast};
use serde_json::json;

#[tokio::test]
async fn a_browser_gets_cookies_and_no_refresh_token_in_the_body() {
    let (_server, _, mut ada, _) = cast().await;
    let reply = ada.log_in("ada@example.com").await;
    insta::assert_snapshot!(reply.shown(), @r#"
    200 {
      "access_token": "[eyJ…]",
      "token_type": "Bearer",
      "expires_in": 900,
      "session_id": "[ses_…]",
      "session_expires_at": "2027-04-15T08:00:00Z",
      "generation": 1,
      "refresh_in": "[refresh_in]",
      "user": {
        "id": "[usr_…]",
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada"
      }
    }
    "#);
    assert_eq!(reply.cookies(), [REFRESH, HINT, DEVICE]);
    assert_eq!(reply.header("cache-control"), "no-store");
    let hint = format!("{}.1", reply.text("session_id"));
    assert_eq!(ada.cookies[HINT], hint);
    assert!(ada.refresh_cookie().starts_with("rlt_") && ada.refresh_cookie().len() < 200);
}

#[tokio::test]
async fn a_program_gets_its_token_in_the_body_and_no_cookie() {
    let (server, ..) = cast().await;
    let mut app = server.program();
    let body = json!({"email": "ADA@example.com ", "password": PASSWORD, "transport": "body", "device_name": "phone"});
    let reply = app.post("/auth/login", body).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text("refresh_token").starts_with("rlt_") && reply.cookies().is_empty());
    let me = app.get("/auth/me").await;
    assert_eq!(me.body["session"]["device_name"], "phone");
}

#[tokio::test]
async fn unknown_address_and_wrong_password_look_alike() {
    let (_server, mut anon, _, _) = cast().await;
    let wrong =
        anon.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
    let unknown = anon.post("/auth/login", json!({"email": "bob@example.com", "password": PASSWORD})).await;
    assert_eq!(wrong.shown(), unknown.shown());
    assert_eq!(wrong.verdict(), "401 invalid_credentials");
    assert!(wrong.cookies().is_empty() && unknown.cookies().is_empty());
}

#[tokio::test]
async fn a_cookie_login_needs_a_page_of_ours_and_a_body_login_does_not() {
    let (server, mut anon, ..) = cast().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    for origin in [None, Some("null"), Some("https://evil.test")] {
        anon.origin = origin.map(str::to_owned);
        let reply = anon.post("/auth/login", body.clone()).await;
        assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("403 csrf_check_failed", 0));
    }
    let request = server.program().request(reqwest::Method::POST, "/auth/login");
    let reply = server.program().send(request.header("sec-fetch-site", "same-origin").json(&body)).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_session_that_is_not_remembered_has_cookies_that_end_with_the_window() {
    let (_server, mut anon, ..) = cast().await;
    for (remember, has_age) in [(true, true), (false, false)] {
        let body = json!({"email": "ada@example.com", "password": PASSWORD, "remember": remember});
        let reply = anon.post("/auth/login", body).await;
        let cookies: Vec<&str> =
            reply.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
        assert_eq!(
            cookies[0].contains("Max-Age"),
            has_age,
            "{}",
            cookies[0].split(';').skip(1).collect::<String>()
        );
        assert_eq!(cookies[1].contains("Max-Age"), has_age);
        assert!(cookies[2].contains("Max-Age"));
        let refreshed = anon.refresh().await;
        assert_eq!(refreshed.header("set-cookie").contains("Max-Age"), has_age);
    }
}

#[tokio::test]
async fn the_device_cookie_is_kept_and_of_two_neither_counts() {
    let (_server, _, mut ada, _) = cast().await;
    let device = ada.cookies[DEVICE].clone();
    ada.log_in("ada@example.com").await;
    assert_eq!(ada.cookies[DEVICE], device);
    ada.cookies.insert(DEVICE.to_owned(), format!("{device}; {DEVICE}=AAAAAAAAAAAAAAAAAAAAAA"));
    ada.log_in("ada@example.com").await;
    assert!(ada.cookies[DEVICE] != device && !ada.cookies[DEVICE].contains(';'));
    assert_eq!(ada.refresh().await.status, 200);
    ada.cookies.insert(DEVICE.to_owned(), "no-device-of-ours".to_owned());
    ada.log_in("ada@example.com").await;
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn a_login_in_the_same_browser_ends_the_session_that_it_replaces() {
    let (_server, _, mut ada, mut thief) = cast().await;
    thief.copy_from(&ada);
    let old = ada.access_token.clone().unwrap();
    ada.log_in("ada@example.com").await;
    assert_eq!(ada.with_token(&old).get("/auth/me").await.verdict(), "401 token_revoked");
    let reply = thief.refresh().await;
    assert_eq!(reply.verdict(), "401 session_revoked");
    assert_eq!(reply.body["reason"], "replaced");
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn too_many_failures_are_429_and_never_lock_out_the_owners_device() {
    let (server, mut anon, mut ada, _) = cast().await;
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse"});
    let mut last = anon.post("/auth/login", wrong.clone()).await;
    for _ in 0..20 {
        last = anon.post("/auth/login", wrong.clone()).await;
    }
    assert_eq!(last.verdict(), "429 too_many_attempts");
    assert!(last.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(last.body["retry_after"].to_string(), last.header("retry-after"));
    assert!(last.cookies().is_empty());
    assert_eq!(anon.log_in("ada@example.com").await.status, 429);
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    server.advance(last.body["retry_after"].as_i64().unwrap());
    assert_eq!(anon.log_in("ada@example.com").await.status, 200);
}

/// More than the account and the address may fail; none of them does.
#[tokio::test]
async fn right_logins_that_come_at_once_use_up_nobodys_limit() {
    let server = Server::start(|config| {
        // A queue forms: one thread, and passwords that take some milliseconds.
        config.passwords.threads = Some(1);
        config.passwords.argon2.memory_kib = 4096;
    })
    .await;
    server.make("ada@example.com").await;
    let logins: Vec<_> = (0..60)
        .map(|_| {
            let mut program = server.program();
            let body = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
            tokio::spawn(async move { program.post("/auth/login", body).await.status })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn every_wrong_field_is_listed() {
    let (_server, mut anon, ..) = cast().await;
    let body =
        json!({"email": "nobody", "transport": "pigeon", "remember": "yes", "device_name": "x".repeat(65)});
    let reply = anon.post("/auth/login", body).await;
    assert_eq!(reply.verdict(), "422 validation_failed");
    let expected = [
        "email: not_an_address",
        "password: missing",
        "transport: wrong_value",
        "device_name: too_long",
        "remember: wrong_type",
    ];
    assert_eq!(reply.errors(), expected);
    let reply = anon.post("/auth/login", json!({"email": "a@b.example", "pasword": "x"})).await;
    assert_eq!(reply.verdict(), "400 invalid_request");
    assert!(reply.text("detail").contains("`pasword`"));
}

#[tokio::test]
async fn a_transport_is_one_of_two_words_and_anything_else_opens_nothing() {
    let (_server, mut anon, ..) = cast().await;
    for (wrong, code) in [
        (json!("Cookie"), "wrong_value"),
        (json!("cookie "), "wrong_value"),
        (json!("body,cookie"), "wrong_value"),
        (json!(""), "wrong_value"),
        (json!(1), "wrong_type"),
        (json!(["body"]), "wrong_type"),
        (json!({"body": true}), "wrong_type"),
    ] {
        let body = json!({"email": "ada@example.com", "password": PASSWORD, "transport": wrong});
        let reply = anon.post("/auth/login", body).await;
        assert_eq!((reply.status, reply.errors()), (422, vec![format!("transport: {code}")]), "{wrong}");
        assert!(reply.cookies().is_empty() && !reply.raw.contains("token\":"), "{reply:?}");
    }
    let absent = json!({"email": "ada@example.com", "password": PASSWORD, "transport": null});
    assert_eq!(anon.post("/auth/login", absent).await.cookies(), [REFRESH, HINT, DEVICE]);
}

#[tokio::test]
async fn an_unverified_address_is_told_so_only_with_the_right_password() {
    let server = Server::start(|config| {
        config.signup.verify_email_first = true;
        config.mail.directory = None;
    })
    .await;
    let mut bob = server.browser();
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    assert_eq!(bob.post("/auth/signup", body.clone()).await.status, 202);
    let code = server.mailed_code().await;
    let wrong = json!({"email": "bob@example.com", "password": "wrong horse"});
    assert_eq!(bob.post("/auth/login", wrong).await.verdict(), "401 invalid_credentials");
    assert_eq!(bob.post("/auth/login", body.clone()).await.verdict(), "403 email_not_verified");
    assert_eq!(bob.post("/auth/email/verify", json!({"token": code})).await.status, 204);
    assert_eq!(bob.post("/auth/login", body).await.status, 200);
}
