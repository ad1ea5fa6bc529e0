//! Moving an account to another address, and deleting it: no route of its own, called by the hosted pages.

use crate::support::{Actor, PASSWORD, Server, cast};
use relatch_core::{Origin, Session};
use relatch_server::accounts::{
    ChangeEmail, ChangeEmailRefusal, ConfirmEmailRefusal, LinkToken, Proof, ProofRefusal,
};
use relatch_server::api_keys::ApiScope;
use relatch_server::email::EmailAddress;
use relatch_token::Secret;
use serde_json::json;

const NEW: &str = "ada@elsewhere.example";

#[tokio::test]
async fn an_address_counts_once_the_code_mailed_to_it_came_back() {
    let (server, mut anon, mut ada, _) = cast().await;
    assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
    let mut mail = server.delivered().await;
    mail.sort_by(|one, other| one.to.cmp(&other.to));
    let to: Vec<_> = mail.iter().map(|message| message.to.as_str()).collect();
    assert_eq!(to, [NEW, "ada@example.com"], "the code, and the notice");
    let notice = mail[1].text.expose();
    assert!(!notice.contains("rll_") && !notice.contains(NEW), "{notice}");
    assert_eq!(ada.get("/auth/me").await.body["user"]["email"], "ada@example.com", "not before");

    let code = server.mailed_code_to(NEW).await;
    assert_eq!(confirm(&server, &code).await, Ok(()));
    let told = &server.delivered().await[0];
    assert_eq!((told.to.as_str(), told.text.expose().contains(NEW)), ("ada@example.com", false));
    let user = ada.get("/auth/me").await.body["user"].clone();
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(NEW), &json!(true)));
    assert!(ada.is_logged_in().await, "sessions live on");
    assert_eq!(confirm(&server, &code).await, Err(ConfirmEmailRefusal::InvalidLink), "a code works once");
    assert_eq!(anon.log_in("ada@example.com").await.verdict(), "401 invalid_credentials");
    assert_eq!(anon.log_in(NEW).await.status, 200);
    let events = ada.get("/auth/events").await.body["events"].clone();
    let kinds: Vec<_> = events.as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert!(kinds.contains(&json!("email_change_requested")) && kinds.contains(&json!("email_changed")));
    assert!(!events.to_string().contains("elsewhere"), "an address in the audit: {events}");
}

#[tokio::test]
async fn a_code_lives_an_hour_and_a_newer_one_takes_its_place() {
    let (server, _, mut ada, _) = cast().await;
    for (advance, expected) in [(3599, Ok(())), (3600, Err(ConfirmEmailRefusal::InvalidLink))] {
        assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
        let code = server.mailed_code_to(NEW).await;
        server.advance(advance);
        assert_eq!(confirm(&server, &code).await, expected, "after {advance} s");
        assert_eq!(ada.refresh().await.status, 200);
    }
    assert_eq!(change(&server, &ada, "one@example.org", PASSWORD).await, Ok(()));
    assert_eq!(change(&server, &ada, "two@example.org", PASSWORD).await, Ok(()));
    let (one, two) =
        (server.mailed_code_to("one@example.org").await, server.mailed_code_to("two@example.org").await);
    assert_eq!(confirm(&server, &one).await, Err(ConfirmEmailRefusal::InvalidLink));
    assert_eq!(confirm(&server, &two).await, Ok(()));
}

#[tokio::test]
async fn a_stolen_session_without_the_password_moves_nothing_and_cannot_guess() {
    let (server, _, ada, _) = cast().await;
    let wrong = change(&server, &ada, NEW, "wrong horse").await;
    assert_eq!(wrong, Err(ChangeEmailRefusal::Proof(ProofRefusal::WrongPassword)));
    let mut last = wrong;
    for _ in 0..15 {
        last = change(&server, &ada, NEW, "wrong horse").await;
    }
    assert!(matches!(last, Err(ChangeEmailRefusal::Proof(ProofRefusal::TooMany { .. }))), "{last:?}");
    // One budget for everything that asks for the password.
    let deletion = delete(&server, &ada, PASSWORD).await;
    assert!(matches!(deletion, Err(ProofRefusal::TooMany { .. })), "{deletion:?}");
    assert!(server.delivered().await.iter().all(|message| message.to != NEW), "a mail was sent");
}

#[tokio::test]
async fn whether_an_address_is_taken_shows_to_its_reader_alone() {
    let (server, _, ada, _) = cast().await;
    server.make("bob@example.com").await;
    assert_eq!(
        change(&server, &ada, "bob@example.com", PASSWORD).await,
        change(&server, &ada, NEW, PASSWORD).await
    );
    assert_eq!(change(&server, &ada, "bob@example.com", PASSWORD).await, Ok(()));
    let code = server.mailed_code_to("bob@example.com").await;
    assert_eq!(confirm(&server, &code).await, Err(ConfirmEmailRefusal::EmailTaken));
}

#[tokio::test]
async fn a_new_password_and_the_end_of_all_sessions_void_the_code() {
    let (server, mut anon, mut ada, _) = cast().await;
    assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
    let code = server.mailed_code_to(NEW).await;
    let other = "another horse battery";
    let body = json!({"current_password": PASSWORD, "new_password": other});
    assert_eq!(ada.post("/auth/password", body).await.status, 200);
    assert_eq!(confirm(&server, &code).await, Err(ConfirmEmailRefusal::InvalidLink));

    assert_eq!(change(&server, &ada, NEW, other).await, Ok(()));
    let code = server.mailed_code_to(NEW).await;
    anon.post("/auth/password/forgot", json!({"email": "ada@example.com"})).await;
    let resetting = server.mailed_code_to("ada@example.com").await;
    let body = json!({"token": resetting, "new_password": PASSWORD});
    assert_eq!(anon.post("/auth/password/reset", body).await.status, 200);
    assert_eq!(confirm(&server, &code).await, Err(ConfirmEmailRefusal::InvalidLink));
}

#[tokio::test]
async fn moving_voids_a_reset_that_was_mailed_to_the_old_address() {
    let (server, mut anon, ada, _) = cast().await;
    assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
    anon.post("/auth/password/forgot", json!({"email": "ada@example.com"})).await;
    let resetting = server.mailed_code_to("ada@example.com").await;
    assert_eq!(confirm(&server, &server.mailed_code_to(NEW).await).await, Ok(()));
    let body = json!({"token": resetting, "new_password": "the thief's horse"});
    assert_eq!(anon.post("/auth/password/reset", body).await.verdict(), "400 invalid_link");
}

#[tokio::test]
async fn a_deleted_account_is_gone_everywhere_at_once_and_its_address_begins_anew() {
    let (server, mut anon, mut ada, mut thief) = cast().await;
    thief.copy_from(&ada);
    let body_token = anon.log_in_by_body("ada@example.com").await;
    let access_token = ada.access_token.clone().unwrap();
    let id = ada.get("/auth/me").await.body["user"]["id"].clone();
    let key = server.key(&[ApiScope::Events, ApiScope::Users]).await;

    assert_eq!(delete(&server, &ada, "wrong horse").await, Err(ProofRefusal::WrongPassword));
    assert!(ada.is_logged_in().await);
    assert_eq!(delete(&server, &ada, PASSWORD).await, Ok(()));

    assert_eq!(ada.with_token(&access_token).get("/auth/me").await.verdict(), "401 token_revoked");
    let reply = thief.refresh().await;
    assert_eq!(reply.verdict(), "401 session_revoked");
    assert_eq!(reply.body["reason"], "user_deleted");
    let reply = server.program().post("/auth/refresh", json!({"refresh_token": body_token})).await;
    assert_eq!(reply.verdict(), "401 session_revoked");
    assert_eq!(anon.log_in("ada@example.com").await.verdict(), "401 invalid_credentials");
    let mut operator = server.program().with_token(&key);
    let users = operator.get("/admin/users").await;
    assert!(users.status == 200 && !users.raw.contains("ada@example.com"), "{users:?}");
    let events = operator.get(&format!("/admin/events?user_id={}", id.as_str().unwrap())).await;
    assert!(events.raw.contains("user_deleted"), "{events:?}");
    for personal in ["127.0.0.1", "reqwest", "ada@"] {
        assert!(!events.raw.contains(personal), "{personal} in {events:?}");
    }

    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let again = anon.post("/auth/signup", body).await;
    assert_eq!(again.status, 201);
    assert_ne!(again.body["user"]["id"], id);
    let reply = server.program().post("/auth/refresh", json!({"refresh_token": body_token})).await;
    assert_eq!(reply.verdict(), "401 session_revoked");
}

#[tokio::test]
async fn a_message_bids_farewell_to_a_deleted_account_and_codes_from_before_are_void() {
    let (server, _, ada, _) = cast().await;
    assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
    let code = server.mailed_code_to(NEW).await;
    assert_eq!(delete(&server, &ada, PASSWORD).await, Ok(()));
    assert_eq!(server.delivered().await[0].to, "ada@example.com");
    assert_eq!(confirm(&server, &code).await, Err(ConfirmEmailRefusal::InvalidLink));
}

#[tokio::test]
async fn the_link_to_move_leads_to_the_hosted_page_whoever_has_pages_for_the_others() {
    let own = json!("https://app.example.com/account");
    let server = Server::start(|config| config.mail.pages_url = serde_json::from_value(own).unwrap()).await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    assert_eq!(change(&server, &ada, NEW, PASSWORD).await, Ok(()));
    let link = format!("{}/auth/pages/change-email#{}", server.url, server.mailed_code_to(NEW).await);
    let mail = server.delivered().await;
    assert!(mail.iter().any(|message| message.text.expose().contains(&link)), "{link}");
}

/// The session of a logged-in actor, as a page would find it.
async fn session_of(server: &Server, actor: &Actor) -> Session {
    let token = actor.access_token.as_deref().unwrap();
    server.app.sessions.authenticate(token).await.unwrap().unwrap().loaded.session
}

async fn change(server: &Server, actor: &Actor, new: &str, password: &str) -> Result<(), ChangeEmailRefusal> {
    let proof = proof(server, actor, password).await;
    let change = ChangeEmail { proof, new: EmailAddress::parse(new).unwrap() };
    server.app.accounts.change_email(change).await.unwrap()
}

async fn confirm(server: &Server, code: &str) -> Result<(), ConfirmEmailRefusal> {
    let token = LinkToken::parse(code).unwrap();
    server.app.accounts.confirm_email_change(&token, Origin::default()).await.unwrap()
}

async fn delete(server: &Server, actor: &Actor, password: &str) -> Result<(), ProofRefusal> {
    server.app.accounts.delete(proof(server, actor, password).await).await.unwrap()
}

async fn proof(server: &Server, actor: &Actor, password: &str) -> Proof {
    Proof {
        session: session_of(server, actor).await,
        password: Secret::new(password.to_owned()),
        code: None,
        address: [192, 0, 2, 1].into(),
        origin: Origin::default(),
    }
}
