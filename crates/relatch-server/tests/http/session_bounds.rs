//! How many sessions one person may have.

use crate::support::{PASSWORD, Server};
use relatch_server::api_keys::ApiScope;
use relatch_server::config::{Config, WhenFull};
use serde_json::json;

fn at_most(per_user_max: u32, when_full: WhenFull) -> impl FnOnce(&mut Config) {
    move |config| {
        config.sessions.per_user_max = per_user_max;
        config.sessions.when_full = when_full;
    }
}

#[tokio::test]
async fn a_login_beyond_the_bound_ends_the_session_that_is_idle_longest_and_says_so() {
    let server = Server::start(at_most(2, WhenFull::EndMostIdle)).await;
    server.make("ada@example.com").await;
    let [mut laptop, mut phone, mut tablet] = [(); 3].map(|()| server.browser());
    for device in [&mut laptop, &mut phone] {
        assert_eq!(device.log_in("ada@example.com").await.status, 200);
        server.advance(60);
    }
    assert_eq!(laptop.refresh().await.status, 200);
    server.advance(60);
    assert_eq!(tablet.log_in("ada@example.com").await.status, 200);

    assert_eq!(phone.get("/auth/me").await.verdict(), "401 token_revoked");
    let reply = phone.refresh().await;
    assert_eq!((reply.verdict().as_str(), reply.text("reason").as_str()), ("401 session_revoked", "evicted"));
    let events = tablet.get("/auth/events").await.body["events"].clone();
    let told: Vec<[&str; 2]> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| ["type", "reason"].map(|name| event[name].as_str().unwrap_or("-")))
        .filter(|[kind, _]| *kind != "refresh_refused")
        .take(2)
        .collect();
    assert_eq!(told, [["login", "-"], ["session_revoked", "evicted"]]);
    assert!(laptop.is_logged_in().await && tablet.is_logged_in().await);
    let sessions = tablet.get("/auth/sessions").await.body["sessions"].as_array().unwrap().len();
    assert_eq!(sessions, 2);
}

#[tokio::test]
async fn a_login_that_the_bound_refuses_opens_nothing_and_only_the_right_password_hears_of_it() {
    let server = Server::start(at_most(1, WhenFull::Refuse)).await;
    server.make("ada@example.com").await;
    let (mut laptop, mut phone) = (server.browser(), server.browser());
    assert_eq!(laptop.log_in("ada@example.com").await.status, 200);
    let reply = phone.log_in("ada@example.com").await;
    assert_eq!((reply.verdict().as_str(), reply.cookies().len()), ("409 too_many_sessions", 0));
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse"});
    assert_eq!(phone.post("/auth/login", wrong).await.verdict(), "401 invalid_credentials");

    // In the browser that holds the session, a login takes its place; a new password ends it.
    assert_eq!(laptop.log_in("ada@example.com").await.status, 200);
    let change = json!({"current_password": PASSWORD, "new_password": "a brand new horse"});
    assert_eq!(laptop.post("/auth/password", change).await.status, 200);
    assert!(laptop.is_logged_in().await);
    laptop.post_empty("/auth/logout").await;
    let right = json!({"email": "ada@example.com", "password": "a brand new horse"});
    assert_eq!(phone.post("/auth/login", right).await.status, 200);
}

#[tokio::test]
async fn apps_and_browsers_may_have_bounds_of_their_own_which_programs_meet_too() {
    let server = Server::start(|config| {
        at_most(10, WhenFull::Refuse)(config);
        config.sessions.per_user_body_max = Some(1);
    })
    .await;
    let id = server.make("ada@example.com").await;
    let (mut app, mut laptop) = (server.program(), server.browser());
    app.log_in_by_body("ada@example.com").await;
    assert_eq!(laptop.log_in("ada@example.com").await.status, 200);
    let mut program = server.program();
    program.access_token = Some(server.key(&[ApiScope::Sessions]).await);
    let opening = |transport: &str| json!({"user_id": id, "transport": transport});
    assert_eq!(
        program.clone().post("/admin/sessions", opening("body")).await.verdict(),
        "409 too_many_sessions"
    );
    assert_eq!(program.post("/admin/sessions", opening("cookie")).await.status, 201);
}

/// Whoever knows the password can log in as often as they like; what they pile up is bounded all the same.
#[tokio::test]
async fn a_thousand_sessions_of_one_person_can_not_be_piled_up() {
    let server = Server::start(at_most(5, WhenFull::EndOldest)).await;
    server.make("ada@example.com").await;
    let logins: Vec<_> = (0..60)
        .map(|_| {
            let mut app = server.program();
            let body = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
            tokio::spawn(async move {
                assert_eq!(app.post("/auth/login", body).await.status, 200);
                app
            })
        })
        .collect();
    let mut live = 0;
    let mut apps = Vec::new();
    for login in logins {
        apps.push(login.await.unwrap());
    }
    for app in &mut apps {
        live += usize::from(app.is_logged_in().await);
    }
    assert_eq!(live, 5);
}
