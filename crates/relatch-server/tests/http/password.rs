//! `POST /auth/password`, `/auth/password/forgot` and `/auth/password/reset`.

use crate::support::{DEVICE, HINT, PASSWORD, REFRESH, Server, cast};
use reqwest::Method;
use serde_json::json;

const NEW: &str = "a new horse battery";

#[tokio::test]
async fn a_change_ends_every_session_and_opens_a_new_one_on_this_device() {
    let (_server, mut anon, mut ada, mut thief) = cast().await;
    anon.log_in("ada@example.com").await;
    thief.copy_from(&ada);
    let (old_token, device) = (ada.access_token.clone().unwrap(), ada.cookies[DEVICE].clone());
    let old_session = ada.get("/auth/me").await.body["session"]["id"].clone();
    let reply = ada.post("/auth/password", json!({"current_password": PASSWORD, "new_password": NEW})).await;
    assert_eq!((reply.status, reply.cookies()), (200, vec![REFRESH, HINT]));
    assert!(reply.body["session_id"] != old_session && ada.cookies[DEVICE] == device);
    assert_eq!(ada.with_token(&old_token).get("/auth/me").await.verdict(), "401 token_revoked");
    assert_eq!(thief.refresh().await.verdict(), "401 session_revoked");
    assert!(!anon.is_logged_in().await && ada.is_logged_in().await);
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(anon.log_in("ada@example.com").await.verdict(), "401 invalid_credentials");
    let body = json!({"email": "ada@example.com", "password": NEW});
    assert_eq!(anon.post("/auth/login", body).await.status, 200);
}

#[tokio::test]
async fn a_wrong_current_password_is_403_and_a_weak_new_one_422() {
    let (_server, _, mut ada, _) = cast().await;
    let reply =
        ada.post("/auth/password", json!({"current_password": "wrong horse", "new_password": NEW})).await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("403 wrong_password", 0));
    let reply =
        ada.post("/auth/password", json!({"current_password": PASSWORD, "new_password": "short"})).await;
    assert_eq!((reply.status, reply.errors()), (422, vec!["new_password: too_short".to_owned()]));
    let ours = ada.origin.take();
    let reply = ada.post("/auth/password", json!({"current_password": PASSWORD, "new_password": NEW})).await;
    assert_eq!(reply.verdict(), "403 csrf_check_failed");
    ada.origin = ours;
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn guessing_the_current_password_is_limited() {
    let (_server, _, mut ada, _) = cast().await;
    let body = json!({"current_password": "wrong horse", "new_password": NEW});
    let mut verdicts = Vec::new();
    for _ in 0..15 {
        verdicts.push(ada.post("/auth/password", body.clone()).await.verdict());
    }
    assert_eq!(verdicts.last().unwrap(), "429 too_many_attempts");
    assert!(ada.is_logged_in().await);
}

#[tokio::test]
async fn a_mailed_link_sets_a_password_once_and_ends_every_session() {
    let (server, mut anon, mut ada, _) = cast().await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let reply = anon.post("/auth/password/forgot", json!({"email": email})).await;
        assert_eq!((reply.status, reply.raw.as_str()), (202, ""));
    }
    let code = server.mailed_code().await;
    assert_eq!(server.mailbox.messages().len(), 1);
    let weak = anon.post("/auth/password/reset", json!({"token": code, "new_password": "short"})).await;
    assert_eq!(weak.errors(), ["new_password: too_short"]);
    assert!(ada.is_logged_in().await);
    let body = json!({"token": code, "new_password": NEW});
    let reply = anon.post("/auth/password/reset", body.clone()).await;
    assert_eq!((reply.status, &reply.body), (200, &json!({})));
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
    assert_eq!(anon.post("/auth/password/reset", body).await.verdict(), "400 invalid_link");
    let body = json!({"email": "ada@example.com", "password": NEW});
    assert_eq!(anon.post("/auth/login", body).await.status, 200);
}

/// Links come from `server.public_url` alone: a link to another host would carry the code there.
#[tokio::test]
async fn whatever_host_a_request_names_links_lead_to_ours() {
    for pages in [None, Some("https://app.example.com/account")] {
        let server = Server::start(|config| {
            config.signup.verify_email_first = true;
            config.mail.pages_url = pages.map(|url| serde_json::from_value(json!(url)).unwrap());
        })
        .await;
        server.make("ada@example.com").await;
        let mut anon = server.program();
        for (path, body) in [
            ("/auth/password/forgot", json!({"email": "ada@example.com"})),
            ("/auth/signup", json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"})),
            ("/auth/signup", json!({"email": "bob@example.com", "password": PASSWORD, "transport": "body"})),
        ] {
            let request = anon.request(Method::POST, path).json(&body);
            let poisoned = request
                .header("host", "evil.test")
                .header("x-forwarded-host", "evil.test")
                .header("forwarded", "host=evil.test;proto=https")
                .header("x-original-url", "https://evil.test/")
                .header("origin", "https://evil.test")
                .header("referer", "https://evil.test/");
            assert_eq!(anon.send(poisoned).await.status, 202, "{path}");
        }
        let mail = server.mail(3).await;
        let ours = pages.unwrap_or(&server.url);
        for message in mail {
            let text = message.text.expose();
            assert!(!text.contains("evil") && !message.subject.contains("evil"), "{text}");
            assert!(text.contains(ours) || text.contains(&server.url), "{text}");
        }
    }
}

#[tokio::test]
async fn a_link_dies_with_time_and_with_a_change_of_password() {
    let (server, mut anon, mut ada, _) = cast().await;
    anon.post("/auth/password/forgot", json!({"email": "ada@example.com"})).await;
    let code = server.mailed_code().await;
    ada.post("/auth/password", json!({"current_password": PASSWORD, "new_password": NEW})).await;
    let body = json!({"token": code, "new_password": "yet another horse"});
    assert_eq!(anon.post("/auth/password/reset", body).await.verdict(), "400 invalid_link");
    for bad in ["", "rll_", "rll_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let reply = anon.post("/auth/password/reset", json!({"token": bad, "new_password": NEW})).await;
        assert_eq!(reply.verdict(), "400 invalid_link");
    }
}
