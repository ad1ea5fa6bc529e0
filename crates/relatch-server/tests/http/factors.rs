//! `/auth/factors` and `/auth/recovery-codes`: who may add and remove what.

use crate::support::{Authenticator, PASSWORD, Server, cast};
use relatch_server::api_keys::ApiScope;
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn an_app_counts_once_it_has_shown_a_right_code() {
    let (server, mut anon, mut ada, _) = cast().await;
    assert_eq!(ada.get("/auth/factors").await.body, json!({"factors": [], "recovery_codes_left": 0}));
    let body = json!({"current_password": PASSWORD, "name": "Phone"});
    let begun = ada.post("/auth/factors/totp", body).await;
    assert_eq!((begun.status, begun.header("cache-control")), (200, "no-store"));
    assert!(begun.text("otpauth_uri").starts_with("otpauth://totp/localhost:ada%40example.com?secret="));
    assert!(begun.text("qr_svg").starts_with("<svg"));
    assert_eq!(anon.log_in(ADA).await.status, 200, "nothing has changed yet");

    let app = Authenticator::of(&begun.text("secret"));
    let id = begun.text("factor_id");
    let wrong = json!({"factor_id": id, "code": app.wrong_code(&server)});
    assert_eq!(ada.post("/auth/factors/totp/confirm", wrong).await.verdict(), "403 wrong_code");
    let right = json!({"factor_id": id, "code": app.code(&server)});
    let confirmed = ada.post("/auth/factors/totp/confirm", right.clone()).await;
    assert_eq!((confirmed.status, confirmed.header("cache-control")), (200, "no-store"));
    assert_eq!(confirmed.body["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(ada.post("/auth/factors/totp/confirm", right).await.verdict(), "404 not_found");

    let listed = ada.get("/auth/factors").await;
    insta::assert_snapshot!(listed.shown(), @r#"
    200 {
      "factors": [
        {
          "id": "[fac_…]",
          "kind": "totp",
          "name": "Phone",
          "created_at": "2027-01-15T08:00:00Z",
          "confirmed_at": "2027-01-15T08:00:00Z"
        }
      ],
      "recovery_codes_left": 10
    }
    "#);
    assert!(!listed.raw.contains(&begun.text("secret")), "a seed is told once");
    assert_eq!(anon.log_in(ADA).await.verdict(), "401 mfa_required");
    assert!(ada.is_logged_in().await, "sessions live on");
    let events = ada.get("/auth/events").await.raw;
    assert!(events.contains("factor_added"), "{events}");
    let mail = server.mailbox.messages();
    assert!(mail[0].1.subject.starts_with("A second factor was added"), "{:?}", mail[0].1.subject);
    assert!(!mail[0].1.text.expose().contains(&begun.text("secret")));
}

#[tokio::test]
async fn adding_an_app_takes_the_password_and_a_code_where_there_is_one() {
    let (server, _, mut ada, mut thief) = cast().await;
    // A stolen session alone adds nothing, and so locks nobody out.
    thief.access_token.clone_from(&ada.access_token);
    let reply = thief.post("/auth/factors/totp", json!({"current_password": "wrong horse"})).await;
    assert_eq!(reply.verdict(), "403 wrong_password");
    assert_eq!(thief.post("/auth/factors/totp", json!({})).await.errors(), ["current_password: missing"]);
    let app = Authenticator::enrol(&server, &mut ada).await;
    let reply = ada.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    assert_eq!(
        (reply.verdict().as_str(), &reply.body["methods"]),
        ("403 code_required", &json!(["totp", "recovery_code"]))
    );
    let code = app.code(&server);
    let second = json!({"current_password": PASSWORD, "code": code});
    let begun = ada.post("/auth/factors/totp", second.clone()).await;
    assert_eq!(begun.status, 200);
    assert_eq!(
        ada.post("/auth/factors/totp", second).await.verdict(),
        "403 wrong_code",
        "a code counts once"
    );
    let tablet = Authenticator::of(&begun.text("secret"));
    let body = json!({"factor_id": begun.text("factor_id"), "code": tablet.code(&server)});
    let confirmed = ada.post("/auth/factors/totp/confirm", body).await;
    assert_eq!(confirmed.body, json!({"recovery_codes": []}), "those from before are still good");
    server.advance(30);
    for one in [&app, &tablet] {
        let mut browser = server.browser();
        let ticket = browser.log_in(ADA).await.text("mfa_token");
        let body = json!({"mfa_token": ticket, "method": "totp", "code": one.code(&server)});
        assert_eq!(browser.post("/auth/mfa", body).await.status, 200, "either will do");
    }
}

#[tokio::test]
async fn an_account_has_three_apps_at_most_and_one_that_waits() {
    let (server, _, mut ada, _) = cast().await;
    let first = Authenticator::enrol(&server, &mut ada).await;
    for _ in 0..2 {
        let body = json!({"current_password": PASSWORD, "code": first.code(&server)});
        let begun = ada.post("/auth/factors/totp", body).await;
        let next = Authenticator::of(&begun.text("secret"));
        let body = json!({"factor_id": begun.text("factor_id"), "code": next.code(&server)});
        assert_eq!(ada.post("/auth/factors/totp/confirm", body).await.status, 200);
        server.advance(30);
    }
    let body = json!({"current_password": PASSWORD, "code": first.code(&server)});
    assert_eq!(ada.post("/auth/factors/totp", body).await.verdict(), "409 too_many_factors");
}

#[tokio::test]
async fn a_begun_app_waits_a_quarter_of_an_hour_and_for_its_owner_alone() {
    let (server, _, mut ada, _) = cast().await;
    server.make("eve@example.com").await;
    let mut eve = server.browser();
    eve.log_in("eve@example.com").await;
    let begun = ada.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    let (id, app) = (begun.text("factor_id"), Authenticator::of(&begun.text("secret")));
    let confirm = |code: String| json!({"factor_id": id, "code": code});
    let body = confirm(app.code(&server));
    assert_eq!(eve.post("/auth/factors/totp/confirm", body).await.verdict(), "404 not_found");
    server.advance(899);
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(ada.get("/auth/factors").await.body["factors"][0]["confirmed_at"], Value::Null);
    server.advance(1);
    let body = confirm(app.code(&server));
    assert_eq!(ada.post("/auth/factors/totp/confirm", body).await.verdict(), "404 not_found");
    assert_eq!(ada.get("/auth/factors").await.body["factors"], json!([]));
    // A newer one takes the place of an older one that waits.
    let older = ada.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    ada.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    let body = json!({"factor_id": older.text("factor_id"), "code": "000000"});
    assert_eq!(ada.post("/auth/factors/totp/confirm", body).await.verdict(), "404 not_found");
}

#[tokio::test]
async fn first_codes_are_guessed_ten_times() {
    let (server, _, mut ada, _) = cast().await;
    let begun = ada.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    let app = Authenticator::of(&begun.text("secret"));
    let body = json!({"factor_id": begun.text("factor_id"), "code": app.wrong_code(&server)});
    for _ in 0..10 {
        assert_eq!(ada.post("/auth/factors/totp/confirm", body.clone()).await.verdict(), "403 wrong_code");
    }
    assert_eq!(ada.post("/auth/factors/totp/confirm", body).await.verdict(), "429 too_many_attempts");
}

#[tokio::test]
async fn removing_an_app_takes_password_and_code_and_the_last_one_takes_the_recovery_codes() {
    let (server, mut anon, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let path = format!("/auth/factors/{}", app.factor_id);
    for (body, expected) in [
        (json!({"current_password": PASSWORD}), "403 code_required"),
        (json!({"current_password": PASSWORD, "code": app.wrong_code(&server)}), "403 wrong_code"),
        (json!({"current_password": "wrong horse", "code": app.code(&server)}), "403 wrong_password"),
    ] {
        let request = ada.request(Method::DELETE, &path).json(&body);
        assert_eq!(ada.send(request).await.verdict(), expected);
    }
    for unknown in ["/auth/factors/x".to_owned(), format!("/auth/factors/fac_{}", "A".repeat(22))] {
        let body = json!({"current_password": PASSWORD, "code": app.code(&server)});
        let request = ada.request(Method::DELETE, &unknown).json(&body);
        assert_eq!(ada.send(request).await.verdict(), "404 not_found");
        server.advance(30);
    }
    let body = json!({"current_password": PASSWORD, "code": app.recovery_codes[3]});
    let request = ada.request(Method::DELETE, &path).json(&body);
    assert_eq!(ada.send(request).await.status, 204);
    assert_eq!(ada.get("/auth/factors").await.body, json!({"factors": [], "recovery_codes_left": 0}));
    assert_eq!(anon.log_in(ADA).await.status, 200);
    assert!(ada.get("/auth/events").await.raw.contains("factor_removed"));
    assert!(server.mailbox.messages()[0].1.subject.starts_with("A second factor was removed"));
}

#[tokio::test]
async fn new_recovery_codes_take_password_and_code_and_void_the_old_ones() {
    let (server, _, mut ada, _) = cast().await;
    let none = ada.post("/auth/recovery-codes", json!({"current_password": PASSWORD})).await;
    assert_eq!(none.verdict(), "404 not_found");
    let app = Authenticator::enrol(&server, &mut ada).await;
    let reply = ada.post("/auth/recovery-codes", json!({"current_password": PASSWORD})).await;
    assert_eq!(reply.verdict(), "403 code_required");
    let body = json!({"current_password": PASSWORD, "code": app.code(&server)});
    let made = ada.post("/auth/recovery-codes", body).await;
    assert_eq!((made.status, made.header("cache-control")), (200, "no-store"));
    let new: Vec<String> = serde_json::from_value(made.body["recovery_codes"].clone()).unwrap();
    assert!(new.len() == 10 && new.iter().all(|code| !app.recovery_codes.contains(code)));
    for (code, expected) in [(&app.recovery_codes[0], "401 invalid_code"), (&new[0], "200")] {
        let mut browser = server.browser();
        let ticket = browser.log_in(ADA).await.text("mfa_token");
        let body = json!({"mfa_token": ticket, "method": "recovery_code", "code": code});
        assert_eq!(browser.post("/auth/mfa", body).await.verdict(), expected);
    }
    assert!(ada.get("/auth/events").await.raw.contains("recovery_codes_made"));
}

#[tokio::test]
async fn codes_are_guessed_ten_times_from_a_session_that_was_found_open() {
    let (server, _, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let wrong = json!({"current_password": PASSWORD, "code": app.wrong_code(&server)});
    for route in ["/auth/recovery-codes", "/auth/factors/totp"].into_iter().cycle().take(10) {
        assert_eq!(ada.post(route, wrong.clone()).await.verdict(), "403 wrong_code");
    }
    let body =
        json!({"current_password": PASSWORD, "new_password": "another horse", "code": app.code(&server)});
    assert_eq!(
        ada.post("/auth/password", body).await.verdict(),
        "429 too_many_attempts",
        "one budget for all"
    );
}

#[tokio::test]
async fn an_operator_removes_the_factors_of_who_lost_the_phone() {
    let (server, mut anon, mut ada, _) = cast().await;
    Authenticator::enrol(&server, &mut ada).await;
    let me = ada.get("/auth/me").await;
    let path = format!("/admin/users/{}/factors", me.body["user"]["id"].as_str().unwrap());
    let wrong_key = server.key(&[ApiScope::Sessions, ApiScope::Events]).await;
    assert_eq!(
        server.program().with_token(&wrong_key).delete(&path).await.verdict(),
        "403 insufficient_scope"
    );
    assert_eq!(ada.delete(&path).await.verdict(), "401 invalid_token", "people have no such key");
    let key = server.key(&[ApiScope::Users]).await;
    let mut operator = server.program().with_token(&key);
    let unknown = format!("/admin/users/usr_{}/factors", "A".repeat(22));
    assert_eq!(operator.delete(&unknown).await.verdict(), "404 not_found");
    for removed in [1, 0] {
        let reply = operator.delete(&path).await;
        assert_eq!((reply.status, reply.body), (200, json!({"removed": removed})));
    }
    assert_eq!(anon.log_in(ADA).await.status, 200);
    assert!(ada.is_logged_in().await, "sessions live on");
    let events = ada.get("/auth/events").await.body;
    let told = events["events"].as_array().unwrap().iter().find(|event| event["type"] == "factor_removed");
    assert!(told.unwrap()["reason"].as_str().unwrap().starts_with("by key_"), "{events}");
    let mail = server.mailbox.messages();
    assert_eq!(mail.iter().filter(|(_, mail)| mail.subject.contains("were removed")).count(), 1);
}

#[tokio::test]
async fn who_has_no_password_has_an_operator_or_the_other_system() {
    let server = Server::start(|_| {}).await;
    let key = server.key(&[ApiScope::Sessions]).await;
    let mut other = server.program().with_token(&key);
    let body = json!({"external_user_id": "ada-1", "transport": "body", "amr": ["pwd"]});
    assert_eq!(other.post("/admin/sessions", body).await.status, 201);
    let reply = other.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
    assert_eq!(reply.verdict(), "403 wrong_password");
}
