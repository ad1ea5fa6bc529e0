//! Passwords that were in breaches can't be chosen any more.

use crate::support::{Actor, PASSWORD, Server};
use relatch_server::password::import_breached;
use serde_json::json;

/// The SHA-1 of `a breached horse battery`, as Have I Been Pwned lists it.
const LIST: &str = "EBD60E2D5ECE7DFE4145FEA9E62CA8B3980E9571:42\r\n";
const BREACHED: &str = "a breached horse battery";
const FRESH: &str = "a fresh horse battery";

async fn with_list() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (list, filter) = (folder.path().join("list.txt"), folder.path().join("breached.filter"));
    std::fs::write(&list, LIST).unwrap();
    import_breached(&list, &filter, 1, |_| {}).unwrap();
    let server = Server::start(|config| config.passwords.breached_filter = Some(filter)).await;
    server.app.accounts.check_files().unwrap();
    (server, folder)
}

#[tokio::test]
async fn a_breached_password_is_refused_at_sign_up_change_and_reset_and_a_fresh_one_is_not() {
    let (server, _folder) = with_list().await;
    let mut bob = server.browser();
    let sign_up = |password: &str| json!({"email": "bob@example.com", "password": password});
    let reply = bob.post("/auth/signup", sign_up(BREACHED)).await;
    assert_eq!((reply.status, reply.errors()), (422, vec!["password: breached".to_owned()]));
    assert!(!reply.raw.contains(BREACHED));
    assert_eq!(bob.post("/auth/signup", sign_up(PASSWORD)).await.status, 201);

    let change = async |bob: &mut Actor, new: &str| {
        bob.post("/auth/password", json!({"current_password": PASSWORD, "new_password": new})).await
    };
    assert_eq!(change(&mut bob, BREACHED).await.errors(), ["new_password: breached"]);
    assert!(bob.is_logged_in().await);
    assert_eq!(change(&mut bob, FRESH).await.status, 200);

    bob.post("/auth/password/forgot", json!({"email": "bob@example.com"})).await;
    server.mail(2).await;
    let code = server.mailed_code().await;
    let reset = |new: &str| json!({"token": code, "new_password": new});
    assert_eq!(bob.post("/auth/password/reset", reset(BREACHED)).await.errors(), ["new_password: breached"]);
    assert_eq!(bob.post("/auth/password/reset", reset("another horse battery")).await.status, 200);
}

#[tokio::test]
async fn who_chose_one_before_it_was_breached_still_logs_in() {
    let (server, _folder) = with_list().await;
    let hash =
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4";
    let new = relatch_server::accounts::NewAccount {
        email: Some("old@example.com".parse().unwrap()),
        is_verified: true,
        name: None,
        external_id: None,
        password: None,
        imported_hash: Some(relatch_token::Secret::new(hash.to_owned())),
        by: "a test".to_owned(),
    };
    server.app.accounts.create(new).await.unwrap().unwrap();
    assert_eq!(server.browser().log_in("old@example.com").await.status, 200);
}

#[tokio::test]
async fn a_filter_that_goes_away_is_a_doubt_and_lets_nothing_through() {
    let (server, folder) = with_list().await;
    let path = folder.path().join("breached.filter");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    let body = json!({"email": "bob@example.com", "password": BREACHED});
    assert_eq!(server.browser().post("/auth/signup", body).await.verdict(), "503 unavailable");
}
