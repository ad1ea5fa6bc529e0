//! `POST /auth/signup`.

use crate::support::{DEVICE, HINT, PASSWORD, REFRESH, Server, cast};
use relatch_server::api_keys::ApiScope;
use serde_json::json;

#[tokio::test]
async fn a_sign_up_is_an_account_and_its_first_session() {
    let (_server, mut anon, ..) = cast().await;
    let body = json!({"email": "Bob@Example.com", "password": PASSWORD, "name": "Bob"});
    let reply = anon.post("/auth/signup", body).await;
    insta::assert_snapshot!(reply.shown(), @r#"
    201 {
      "access_token": "[eyJ…]",
      "token_type": "Bearer",
      "expires_in": 900,
      "session_id": "[ses_…]",
      "session_expires_at": "2027-04-15T08:00:00Z",
      "generation": 1,
      "refresh_in": "[refresh_in]",
      "user": {
        "id": "[usr_…]",
        "email": "Bob@Example.com",
        "email_verified": false,
        "name": "Bob"
      }
    }
    "#);
    assert_eq!(reply.cookies(), [REFRESH, HINT, DEVICE]);
    assert!(anon.is_logged_in().await);
    assert_eq!(anon.refresh().await.status, 200);
}

#[tokio::test]
async fn a_taken_address_is_409_in_any_spelling() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon.post("/auth/signup", json!({"email": " ADA@EXAMPLE.com", "password": PASSWORD})).await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("409 email_taken", 0));
}

#[tokio::test]
async fn weak_passwords_and_bad_addresses_are_listed() {
    let (_server, mut anon, ..) = cast().await;
    for (password, code) in [
        ("hunter2", "password: too_short"),
        ("password123", "password: too_common"),
        ("nul\0nul\0nul\0", "password: wrong_value"),
        ("tab\tin the middle", "password: control_character"),
    ] {
        let reply =
            anon.post("/auth/signup", json!({"email": "bob@example.com", "password": password})).await;
        assert_eq!((reply.status, reply.errors()), (422, vec![code.to_owned()]));
        assert!(!reply.raw.contains(password));
    }
    let reply =
        anon.post("/auth/signup", json!({"email": "bob@", "password": PASSWORD, "name": "a\nb"})).await;
    assert_eq!(reply.errors(), ["email: not_an_address", "name: control_character"]);
    let long = "long enough ".repeat(10) + "128 char";
    let reply = anon.post("/auth/signup", json!({"email": "bob@example.com", "password": long})).await;
    assert_eq!((long.len(), reply.status), (128, 201));
}

#[tokio::test]
async fn a_closed_sign_up_says_so() {
    let server = Server::start(|config| config.signup.enabled = false).await;
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    assert_eq!(server.browser().post("/auth/signup", body).await.verdict(), "403 signup_disabled");
}

#[tokio::test]
async fn verified_first_the_answer_never_tells_whether_an_address_is_taken() {
    let server = Server::start(|config| config.signup.verify_email_first = true).await;
    server.make("ada@example.com").await;
    let mut anon = server.browser();
    let mut reply_to = async |email: &str| {
        let reply = anon.post("/auth/signup", json!({"email": email, "password": PASSWORD})).await;
        (reply.status, reply.raw, reply.headers.len())
    };
    let (taken, fresh) = (reply_to("ada@example.com").await, reply_to("bob@example.com").await);
    assert_eq!(taken, fresh);
    assert_eq!(taken.0, 202);
}

/// Who signs up has proved nothing, and the account may be in use: by a person whom an operator brought, say.
#[tokio::test]
async fn signing_up_again_changes_nothing_of_an_unconfirmed_account() {
    let server = Server::start(|config| config.signup.verify_email_first = true).await;
    let sign_up = |password: &str| json!({"email": "bob@example.com", "password": password});
    let log_in = |password: &str| json!({"email": "bob@example.com", "password": password});
    let mut bob = server.browser();
    bob.post("/auth/signup", sign_up(PASSWORD)).await;
    let first = server.mailed_code().await;
    let operator = server.program().with_token(&server.key(&[ApiScope::Sessions, ApiScope::Users]).await);
    let user = operator.clone().get("/admin/users").await.body["users"][0]["id"].clone();
    let opened =
        operator.clone().post("/admin/sessions", json!({"user_id": user, "transport": "body"})).await;
    let mut live = server.program().with_token(&opened.text("access_token"));

    server.browser().post("/auth/signup", sign_up("the password of a stranger")).await;
    server.mail(2).await;
    assert_eq!(live.get("/auth/me").await.status, 200, "the session lives on");
    let reply = bob.post("/auth/email/verify", json!({"token": first})).await;
    assert_eq!(reply.verdict(), "400 invalid_link", "and would have vouched for whoever signed up first");
    let body = json!({"token": server.mailed_code().await, "new_password": "what the mailbox chose"});
    assert_eq!(bob.post("/auth/password/reset", body).await.status, 200);
    for (password, verdict) in [
        ("the password of a stranger", "401 invalid_credentials"),
        (PASSWORD, "401 invalid_credentials"),
        ("what the mailbox chose", "200"),
    ] {
        assert_eq!(bob.post("/auth/login", log_in(password)).await.verdict(), verdict, "{password}");
    }
}

#[tokio::test]
async fn signing_up_again_and_again_mails_no_more_than_an_account_may_get() {
    let server = Server::start(|config| {
        config.signup.verify_email_first = true;
        config.limits.mails_per_account_max = 2;
    })
    .await;
    for _ in 0..4 {
        let body = json!({"email": "bob@example.com", "password": PASSWORD});
        assert_eq!(server.browser().post("/auth/signup", body).await.status, 202);
    }
    let body = json!({"email": "last@example.com", "password": PASSWORD});
    server.browser().post("/auth/signup", body).await;
    let to: Vec<String> = server.mail(3).await.into_iter().map(|message| message.to).collect();
    assert_eq!(to.iter().filter(|to| *to == "bob@example.com").count(), 2, "{to:?}");
}

#[tokio::test]
async fn sign_ups_from_one_address_are_limited() {
    let server = Server::start(|config| config.limits.signups_per_address_max = 2).await;
    let mut anon = server.browser();
    let mut verdicts = Vec::new();
    for n in 0..3 {
        let body = json!({"email": format!("bob{n}@example.com"), "password": PASSWORD});
        verdicts.push(anon.post("/auth/signup", body).await.verdict());
    }
    assert_eq!(verdicts, ["201", "201", "429 too_many_attempts"]);
}

#[tokio::test]
async fn a_link_proves_an_address_once() {
    let (server, mut anon, ..) = cast().await;
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    assert_eq!(anon.post("/auth/signup", body).await.body["user"]["email_verified"], false);
    let code = server.mailed_code().await;
    assert_eq!(anon.post("/auth/email/verify", json!({"token": code})).await.status, 204);
    assert_eq!(anon.get("/auth/me").await.body["user"]["email_verified"], true);
    for bad in [code.as_str(), "rll_x", ""] {
        let reply = anon.post("/auth/email/verify", json!({"token": bad})).await;
        assert_eq!(reply.verdict(), "400 invalid_link");
    }
}
