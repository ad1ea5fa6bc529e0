//! `POST /auth/mfa`, and that there is no way around it.

use crate::support::{Actor, Authenticator, DEVICE, HINT, PASSWORD, REFRESH, Reply, Server, cast};
use relatch_core::{EventKind, Origin};
use relatch_server::api_keys::ApiScope;
use relatch_store::{FactorStore, NewEvent};
use reqwest::Method;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const NEW: &str = "another horse battery";

/// Ada with an app, on a device that is known, and somebody who knows her password.
async fn with_app() -> (Server, Actor, Actor, Authenticator) {
    let (server, thief, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    (server, ada, thief, app)
}

async fn ticket(actor: &mut Actor) -> String {
    let reply = actor.log_in(ADA).await;
    assert_eq!(reply.verdict(), "401 mfa_required");
    reply.text("mfa_token")
}

async fn answer(actor: &mut Actor, ticket: &str, method: &str, code: &str) -> Reply {
    actor.post("/auth/mfa", json!({"mfa_token": ticket, "method": method, "code": code})).await
}

/// What the access token says of how its owner proved who they are.
fn claims(reply: &Reply) -> Value {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let token = reply.text("access_token");
    let payload = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_right_password_alone_opens_nothing_and_sets_no_cookie() {
    let (_server, _, mut thief, _) = with_app().await;
    let reply = thief.log_in(ADA).await;
    insta::assert_snapshot!(reply.shown(), @r#"
    401 {
      "type": "[http://localhost:…]",
      "title": "A second factor is required",
      "status": 401,
      "detail": "Continue with one of `methods`, sending `mfa_token` to `/auth/mfa`.",
      "code": "mfa_required",
      "request_id": "[request_id]",
      "mfa_token": "[rlm_…]",
      "methods": [
        "totp",
        "recovery_code"
      ]
    }
    "#);
    assert!(reply.cookies().is_empty() && thief.cookies.is_empty());
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn password_and_code_open_a_session_that_says_so() {
    let (server, _, mut ada, app) = with_app().await;
    let ticket = ticket(&mut ada).await;
    let reply = answer(&mut ada, &ticket, "totp", &app.code(&server)).await;
    assert_eq!((reply.status, reply.cookies()), (200, vec![REFRESH, HINT, DEVICE]));
    let claims = claims(&reply);
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "otp"]), &json!("2")));
    let me = ada.get("/auth/me").await;
    assert_eq!(me.body["session"]["amr"], json!(["pwd", "otp"]));
    let refreshed = ada.refresh().await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(self::claims(&refreshed)["amr"], json!(["pwd", "otp"]), "a refresh never changes it");
}

#[tokio::test]
async fn transport_device_name_and_remember_are_those_of_the_login() {
    let (server, _, _, app) = with_app().await;
    let mut phone = server.program();
    let body = json!({"email": ADA, "password": PASSWORD, "transport": "body", "device_name": "phone"});
    let ticket = phone.post("/auth/login", body).await.text("mfa_token");
    let reply = answer(&mut phone, &ticket, "totp", &app.code(&server)).await;
    assert_eq!((reply.status, reply.cookies().len()), (200, 0));
    assert!(reply.text("refresh_token").starts_with("rlt_"));
    assert_eq!(phone.get("/auth/me").await.body["session"]["device_name"], "phone");

    server.advance(30);
    let mut browser = server.browser();
    let body = json!({"email": ADA, "password": PASSWORD, "remember": false});
    let ticket = browser.post("/auth/login", body).await.text("mfa_token");
    let reply = answer(&mut browser, &ticket, "totp", &app.code(&server)).await;
    assert!(!reply.header("set-cookie").contains("Max-Age"), "{reply:?}");
}

#[tokio::test]
async fn a_cookie_ticket_needs_a_page_of_ours() {
    let (server, _, mut ada, app) = with_app().await;
    let ticket = ticket(&mut ada).await;
    let own = ada.origin.take();
    for origin in [None, Some("null"), Some("https://evil.test")] {
        ada.origin = origin.map(str::to_owned);
        let reply = answer(&mut ada, &ticket, "totp", &app.code(&server)).await;
        assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("403 csrf_check_failed", 0));
    }
    ada.origin = own;
    assert_eq!(
        answer(&mut ada, &ticket, "totp", &app.code(&server)).await.status,
        200,
        "nothing was used up"
    );
}

#[tokio::test]
async fn a_code_counts_once_and_one_step_to_either_side() {
    let (server, _, mut ada, app) = with_app().await;
    let now = server.app.now().as_seconds();
    let ticket = ticket(&mut ada).await;
    for (code, expected) in [
        (app.wrong_code(&server), "401 invalid_code"),
        (app.code_at(now - 60), "401 invalid_code"),
        (app.code_at(now + 60), "401 invalid_code"),
        (app.code_at(now - 30), "401 invalid_code"), // It confirmed the app.
        (app.code_at(now), "200"),
        (app.code_at(now), "401 invalid_code"),
        (app.code_at(now + 30), "200"),
        (app.code_at(now), "401 invalid_code"),
        (app.code_at(now + 30), "401 invalid_code"),
    ] {
        let mut fresh = server.browser();
        assert_eq!(answer(&mut fresh, &ticket, "totp", &code).await.verdict(), expected, "{code} at {now}");
    }
}

#[tokio::test]
async fn of_50_parallel_submissions_of_one_code_one_wins() {
    let (server, _, _, app) = with_app().await;
    for (method, code) in [("totp", app.code(&server)), ("recovery_code", app.recovery_codes[0].clone())] {
        let mut tasks = Vec::new();
        for _ in 0..50 {
            let (mut one, code) = (server.browser(), code.clone());
            let ticket = ticket(&mut one).await;
            tasks.push(async move { answer(&mut one, &ticket, method, &code).await.status });
        }
        let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        let mut won = 0;
        for task in tasks {
            let status = task.await.unwrap();
            assert!([200, 401, 429].contains(&status), "{status}");
            won += usize::from(status == 200);
        }
        assert_eq!(won, 1, "{method}");
        // By then the budget is whole again.
        server.advance(86_400);
    }
}

#[tokio::test]
async fn each_recovery_code_opens_one_session() {
    let (server, mut ada, mut thief, app) = with_app().await;
    assert_eq!(app.recovery_codes.len(), 10);
    for code in &app.recovery_codes[..2] {
        let ticket = ticket(&mut thief).await;
        let typed = code.to_uppercase().replace('-', " ");
        let reply = answer(&mut thief, &ticket, "recovery_code", &typed).await;
        assert_eq!((reply.status, &claims(&reply)["acr"]), (200, &json!("2")));
        let ticket = self::ticket(&mut server.browser()).await;
        let again = answer(&mut server.browser(), &ticket, "recovery_code", code).await;
        assert_eq!(again.verdict(), "401 invalid_code");
    }
    let factors = ada.get("/auth/factors").await;
    assert_eq!(factors.body["recovery_codes_left"], 8);
    let events = ada.get("/auth/events").await.raw;
    assert_eq!(events.matches("recovery_code_used").count(), 2, "{events}");
    let mail = server.mailbox.messages();
    assert_eq!(
        mail.iter().filter(|(_, mail)| mail.subject.starts_with("A recovery code was used")).count(),
        2
    );
    // A code of one kind is none of the other.
    let ticket = self::ticket(&mut server.browser()).await;
    for (method, code) in [("totp", &app.recovery_codes[5]), ("recovery_code", &app.code(&server))] {
        assert_eq!(answer(&mut server.browser(), &ticket, method, code).await.verdict(), "401 invalid_code");
    }
}

#[tokio::test]
async fn another_users_code_and_recovery_code_open_nothing() {
    let (server, _, mut thief, app) = with_app().await;
    server.make("eve@example.com").await;
    let mut eve = server.browser();
    eve.log_in("eve@example.com").await;
    let own = Authenticator::enrol(&server, &mut eve).await;
    let ticket = ticket(&mut thief).await;
    assert_ne!(own.code(&server), app.code(&server));
    for (method, code) in [("totp", own.code(&server)), ("recovery_code", own.recovery_codes[0].clone())] {
        assert_eq!(answer(&mut thief, &ticket, method, &code).await.verdict(), "401 invalid_code");
    }
    let of_eve = server.browser().log_in("eve@example.com").await.text("mfa_token");
    let reply = answer(&mut server.browser(), &of_eve, "totp", &app.code(&server)).await;
    assert_eq!(reply.verdict(), "401 invalid_code", "Ada's code in Eve's ticket");
}

#[tokio::test]
async fn a_ticket_lives_five_minutes_and_not_a_moment_longer() {
    let (server, _, mut ada, app) = with_app().await;
    let ticket = ticket(&mut ada).await;
    server.advance_millis(300_000);
    let late = answer(&mut ada, &ticket, "totp", &app.code(&server)).await;
    assert_eq!(late.verdict(), "401 invalid_mfa_token");
    server.advance_millis(-1);
    assert_eq!(answer(&mut ada, &ticket, "totp", &app.code(&server)).await.status, 200);
}

#[tokio::test]
async fn a_ticket_is_worth_nothing_beside_another_device_cookie() {
    let (server, mut ada, mut fresh, app) = with_app().await;
    // Of Ada's own browser, and of one that has no device cookie yet.
    let (bound, unbound) = (ticket(&mut ada).await, ticket(&mut fresh).await);
    let mut other = server.browser();
    other.cookies.insert(DEVICE.to_owned(), "AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    for (thief, ticket) in [(&fresh, &bound), (&other, &bound), (&other, &unbound)] {
        let reply = answer(&mut thief.clone(), ticket, "totp", &app.code(&server)).await;
        assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("401 invalid_mfa_token", 0));
    }
    assert_eq!(answer(&mut ada, &bound, "totp", &app.code(&server)).await.status, 200);
}

#[tokio::test]
async fn a_ticket_dies_with_the_password_and_with_the_end_of_all_sessions() {
    let (server, mut ada, mut thief, app) = with_app().await;
    let before = ticket(&mut thief).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW, "code": app.code(&server)});
    assert_eq!(ada.post("/auth/password", body).await.status, 200);
    server.advance(30);
    let late = answer(&mut thief, &before, "totp", &app.code(&server)).await;
    assert_eq!(late.verdict(), "401 invalid_mfa_token");

    let body = json!({"email": ADA, "password": NEW});
    let before = thief.post("/auth/login", body.clone()).await.text("mfa_token");
    assert_eq!(ada.post_empty("/auth/logout-all").await.status, 200);
    let late = answer(&mut thief, &before, "totp", &app.code(&server)).await;
    assert_eq!(late.verdict(), "401 invalid_mfa_token");

    let before = thief.post("/auth/login", body).await.text("mfa_token");
    let key = server.key(&[ApiScope::Users]).await;
    let mut operator = server.program().with_token(&key);
    let users = operator.get("/admin/users").await;
    let id = users.body["users"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(operator.post_empty(&format!("/admin/users/{id}/disable")).await.status, 200);
    let late = answer(&mut thief, &before, "totp", &app.code(&server)).await;
    assert_eq!(late.verdict(), "401 invalid_mfa_token");
}

#[tokio::test]
async fn a_ticket_is_no_other_token_and_no_other_token_is_a_ticket() {
    let (server, ada, mut thief, app) = with_app().await;
    let ticket = ticket(&mut thief).await;
    for path in ["/auth/me", "/auth/sessions", "/auth/factors", "/admin/users"] {
        assert_eq!(thief.with_token(&ticket).get(path).await.verdict(), "401 invalid_token", "{path}");
    }
    let mut program = server.program();
    let reply = program.post("/auth/refresh", json!({"refresh_token": ticket})).await;
    assert_eq!(reply.verdict(), "401 invalid_token");
    let mut browser = server.browser();
    browser.cookies.insert(REFRESH.to_owned(), ticket.clone());
    assert_eq!(browser.refresh().await.verdict(), "401 invalid_token");
    for path in ["/auth/password/reset", "/auth/email/verify"] {
        let body = match path {
            "/auth/email/verify" => json!({"token": ticket}),
            _ => json!({"token": ticket, "new_password": NEW}),
        };
        assert_eq!(program.post(path, body).await.verdict(), "400 invalid_link", "{path}");
    }
    let (access, refresh) = (ada.access_token.clone().unwrap(), ada.refresh_cookie());
    for other in ["", "rlm_", "rlm_AAAA", &access, &refresh, &format!("rlm_{}", &refresh[4..])] {
        let reply = answer(&mut server.browser(), other, "totp", &app.code(&server)).await;
        assert_eq!(reply.verdict(), "401 invalid_mfa_token", "{other}");
    }
}

#[tokio::test]
async fn codes_are_guessed_ten_times_a_day_however_many_tickets_there_are() {
    let (server, mut ada, _, app) = with_app().await;
    let wrong = app.wrong_code(&server);
    let mut judged = 0;
    for _ in 0..15 {
        let mut thief = server.browser();
        let ticket = ticket(&mut thief).await;
        let reply = answer(&mut thief, &ticket, "totp", &wrong).await;
        assert!(
            ["401 invalid_code", "429 too_many_attempts"].contains(&reply.verdict().as_str()),
            "{reply:?}"
        );
        judged += usize::from(reply.status == 401);
    }
    assert_eq!(judged, 10);
    let mut thief = server.browser();
    let held = ticket(&mut thief).await;
    let reply = answer(&mut thief, &held, "totp", &app.code(&server)).await;
    assert_eq!(reply.verdict(), "429 too_many_attempts", "a right one isn't judged either");
    assert_eq!(reply.header("retry-after"), "8640");
    let of_the_same = answer(&mut thief, &held, "recovery_code", &app.recovery_codes[0]).await;
    assert_eq!(of_the_same.status, 429, "one budget for both kinds");
    // Her own browser has a count of its own, and gets in.
    let own = ticket(&mut ada).await;
    assert_eq!(answer(&mut ada, &own, "totp", &app.code(&server)).await.status, 200);
    let events = ada.get("/auth/events").await.raw;
    assert_eq!(events.matches("mfa_failed").count(), 10, "{events}");
    // A day later ten more, and no more than that.
    server.advance(86_400);
    let wrong = app.wrong_code(&server);
    let mut judged = 0;
    for _ in 0..20 {
        let ticket = ticket(&mut thief).await;
        judged += usize::from(answer(&mut thief, &ticket, "totp", &wrong).await.status == 401);
    }
    assert_eq!(judged, 10);
}

#[tokio::test]
async fn after_a_hundred_wrong_codes_in_a_row_a_stranger_guesses_no_more() {
    let (server, mut ada, mut thief, app) = with_app().await;
    let mut judged = 0;
    for _ in 0..12 {
        server.advance(86_400);
        let wrong = app.wrong_code(&server);
        for _ in 0..10 {
            let ticket = ticket(&mut thief).await;
            judged += usize::from(answer(&mut thief, &ticket, "totp", &wrong).await.status == 401);
        }
    }
    assert_eq!(judged, 100);
    let held = ticket(&mut thief).await;
    let reply = answer(&mut thief, &held, "totp", &app.code(&server)).await;
    assert_eq!((reply.verdict().as_str(), reply.header("retry-after")), ("429 too_many_attempts", "86400"));
    let own = ticket(&mut ada).await;
    assert_eq!(answer(&mut ada, &own, "totp", &app.code(&server)).await.status, 200, "her browser is known");
    server.advance(30);
    let after = ticket(&mut thief).await;
    let reply = answer(&mut thief, &after, "totp", &app.code(&server)).await;
    assert_eq!(reply.status, 200, "the owner has shown that it is them who types");
}

#[tokio::test]
async fn after_a_thousand_wrong_codes_in_a_row_nobody_guesses_any_more() {
    let (server, mut ada, _, app) = with_app().await;
    let me = ada.get("/auth/me").await;
    let user_id = me.body["user"]["id"].as_str().unwrap().parse().unwrap();
    let failed = NewEvent {
        kind: EventKind::MfaFailed,
        at: server.app.now(),
        user_id,
        session_id: None,
        origin: Origin::default(),
        reason: None,
    };
    for _ in 0..999 {
        server.store.count_wrong_code(user_id, failed.clone()).await.unwrap();
    }
    let own = ticket(&mut ada).await;
    assert_eq!(answer(&mut ada, &own, "totp", &app.wrong_code(&server)).await.verdict(), "401 invalid_code");
    for (method, code) in [("totp", app.code(&server)), ("recovery_code", app.recovery_codes[0].clone())] {
        assert_eq!(answer(&mut ada, &own, method, &code).await.verdict(), "429 too_many_attempts");
    }
    let body = json!({"current_password": PASSWORD, "new_password": NEW, "code": app.code(&server)});
    assert_eq!(ada.post("/auth/password", body).await.verdict(), "429 too_many_attempts");
    // An operator lets the person in again, once they know that it is them.
    let key = server.key(&[ApiScope::Users]).await;
    let removed = server.program().with_token(&key).delete(&format!("/admin/users/{user_id}/factors")).await;
    assert_eq!((removed.status, ada.log_in(ADA).await.status), (200, 200));
}

#[tokio::test]
async fn whether_an_account_has_a_factor_is_told_to_who_knows_the_password_alone() {
    let (server, _, mut anon, _) = with_app().await;
    server.make("bob@example.com").await;
    let mut replies = Vec::new();
    for email in [ADA, "bob@example.com", "nobody@example.com"] {
        replies
            .push(anon.post("/auth/login", json!({"email": email, "password": "wrong horse"})).await.shown());
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
}

#[tokio::test]
async fn a_reset_by_mail_opens_no_session_and_removes_no_factor() {
    let (server, _, mut thief, app) = with_app().await;
    thief.post("/auth/password/forgot", json!({"email": ADA})).await;
    let code = server.mailed_code().await;
    let reply = thief.post("/auth/password/reset", json!({"token": code, "new_password": NEW})).await;
    assert_eq!((reply.status, reply.cookies().len(), reply.body), (200, 0, json!({})));
    let body = json!({"email": ADA, "password": NEW});
    let reply = thief.post("/auth/login", body).await;
    assert_eq!(reply.verdict(), "401 mfa_required");
    let ticket = reply.text("mfa_token");
    assert_eq!(answer(&mut thief, &ticket, "totp", &app.code(&server)).await.status, 200);
}

#[tokio::test]
async fn no_other_route_opens_a_session_for_a_password_alone() {
    let (server, mut ada, mut thief, app) = with_app().await;
    // With a session that was found open, and the password.
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let reply = ada.post("/auth/password", body.clone()).await;
    assert_eq!(
        (reply.verdict().as_str(), &reply.body["methods"]),
        ("403 code_required", &json!(["totp", "recovery_code"]))
    );
    let wrong = json!({"current_password": PASSWORD, "new_password": NEW, "code": app.wrong_code(&server)});
    assert_eq!(ada.post("/auth/password", wrong).await.verdict(), "403 wrong_code");
    let unknown = json!({"current_password": "wrong horse", "new_password": NEW, "code": app.code(&server)});
    assert_eq!(ada.post("/auth/password", unknown).await.verdict(), "403 wrong_password");
    let weak = json!({"current_password": PASSWORD, "new_password": "password", "code": app.code(&server)});
    assert_eq!(ada.post("/auth/password", weak).await.status, 422);
    let right = json!({"current_password": PASSWORD, "new_password": NEW, "code": app.code(&server)});
    let reply = ada.post("/auth/password", right).await;
    assert_eq!((reply.status, &claims(&reply)["acr"]), (200, &json!("2")), "no code was used up before");
    // By sign-up with the same address, and by the pages.
    let body = json!({"email": ADA, "password": NEW});
    assert_eq!(thief.post("/auth/signup", body.clone()).await.verdict(), "409 email_taken");
    let page = thief.form("/auth/pages/login", &[("email", ADA), ("password", NEW)]).await;
    assert_eq!((page.status, page.cookies().len()), (200, 0));
    assert!(page.raw.contains("name=\"mfa_token\""), "{}", page.raw);
}

#[tokio::test]
async fn a_system_that_authenticates_people_says_by_which_methods() {
    let (server, ..) = cast().await;
    let mut other = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    for (amr, acr) in
        [(json!(["pwd"]), "1"), (json!(["pwd", "otp"]), "2"), (json!(["hwk", "pin"]), "2"), (json!([]), "1")]
    {
        let body = json!({"external_user_id": "ada-1", "transport": "body", "amr": amr});
        let reply = other
            .with_token(other.access_token.clone().as_deref().unwrap())
            .post("/admin/sessions", body)
            .await;
        let claims = claims(&reply);
        assert_eq!((&claims["amr"], &claims["acr"]), (&amr, &json!(acr)));
    }
    other.access_token = None;
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_uses_up_no_guess() {
    let (server, _, mut ada, app) = with_app().await;
    let ticket = ticket(&mut ada).await;
    server.store.set_available(false);
    for _ in 0..30 {
        assert_eq!(answer(&mut ada, &ticket, "totp", &app.code(&server)).await.status, 503);
    }
    server.store.set_available(true);
    assert_eq!(answer(&mut ada, &ticket, "totp", &app.code(&server)).await.status, 200);
}

#[tokio::test]
async fn what_is_no_code_is_refused_by_name() {
    let (server, _, mut ada, _) = with_app().await;
    let ticket = ticket(&mut ada).await;
    let reply = ada.post("/auth/mfa", json!({"mfa_token": ticket, "method": "sms"})).await;
    assert_eq!(
        (reply.status, reply.errors()),
        (422, vec!["method: wrong_value".into(), "code: missing".into()])
    );
    let request = server.browser().request(Method::POST, "/auth/mfa").body("{}");
    assert_eq!(server.browser().send(request).await.status, 415);
    for code in ["", "12345", "abcdef", &"9".repeat(60_000)] {
        let reply = answer(&mut ada, &ticket, "totp", code).await;
        assert_eq!(reply.verdict(), "401 invalid_code");
    }
}
