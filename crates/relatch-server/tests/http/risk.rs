//! What is unusual about logins and refreshes, what follows, and what sessions are bound to.

use crate::support::{Actor, FIREFOX, HOUR, PASSWORD, Reply, Server, WINDOW, behind_proxy};
use relatch_server::api_keys::ApiScope;
use relatch_server::config::{AddressMatchName, Config, OnMismatch, RiskMode};
use serde_json::{Value, json};

const HOME: (&str, &str) = ("192.0.2.7", FIREFOX);
const NEIGHBOUR: (&str, &str) = ("192.0.2.200", FIREFOX);
const TRAIN: (&str, &str) = ("198.51.100.9", FIREFOX);
const ABROAD: (&str, &str) = ("203.0.113.5", "curl/8.5.0");

/// Ada, who has logged in at home.
async fn cast(change: impl FnOnce(&mut Config)) -> (Server, Actor) {
    let server = Server::start(|config| {
        behind_proxy(config);
        change(config);
    })
    .await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.place = Some(HOME);
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    (server, ada)
}

fn at(actor: &Actor, place: (&'static str, &'static str)) -> Actor {
    let mut elsewhere = actor.clone();
    elsewhere.place = Some(place);
    elsewhere
}

/// The notes in everybody's history, the oldest first.
async fn notes(server: &Server) -> Vec<String> {
    let mut auditor = server.program().with_token(&server.key(&[ApiScope::Events]).await);
    let page = auditor.get("/admin/events?limit=200").await;
    let events = page.body["events"].as_array().unwrap().iter().rev();
    let is_note = |event: &&Value| event["reason"].as_str().is_some_and(|reason| reason.contains(", score "));
    events.filter(is_note).map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
}

/// Everything but what differs from answer to answer.
fn bare(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body["request_id"] = Value::Null;
    (reply.status, body)
}

#[tokio::test]
async fn a_dry_run_serves_what_is_unusual_and_notes_it_once() {
    let (server, mut ada) = cast(|_| {}).await;
    server.advance(HOUR);
    ada.place = Some(ABROAD);
    for _ in 0..5 {
        server.advance(HOUR);
        assert_eq!(ada.refresh().await.status, 200);
    }
    assert_eq!(
        notes(&server).await,
        ["dry_run notify at refresh, score 60: user_agent_changed network_changed"]
    );
    let history = ada.page("history").await.raw;
    assert!(
        history.contains("Something unusual was noticed") && history.contains("Another browser or system")
    );
    assert!(history.contains("203.0.113.5"));
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    let mut operator = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    let story = operator.get(&format!("/admin/sessions/{session}/explain")).await.raw;
    assert!(story.contains("A refresh from 203.0.113.5 by curl was unusual, score 60"), "{story}");
    assert!(story.contains("The dry run would have said `notify`; nothing was done."));
}

#[tokio::test]
async fn another_network_alone_is_nobodys_business() {
    let (server, mut ada) = cast(|config| config.risk.mode = RiskMode::On).await;
    for place in [NEIGHBOUR, TRAIN, HOME, TRAIN] {
        server.advance(HOUR);
        ada.place = Some(place);
        assert_eq!(ada.refresh().await.status, 200);
    }
    assert_eq!(notes(&server).await, [""; 0]);
}

#[tokio::test]
async fn switched_off_nothing_is_noted() {
    let (server, mut ada) = cast(|config| config.risk.mode = RiskMode::Off).await;
    server.advance(HOUR);
    ada.place = Some(ABROAD);
    assert_eq!(ada.refresh().await.status, 200);
    let mut stranger = server.browser();
    stranger.place = Some(TRAIN);
    assert_eq!(stranger.log_in("ada@example.com").await.status, 200);
    assert_eq!(notes(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_refused_refresh_changes_nothing_and_one_point_less_is_served() {
    for (refuse, is_served) in [(60, false), (61, true)] {
        let (server, mut ada) = cast(|config| {
            config.risk.mode = RiskMode::On;
            config.risk.refresh.refuse = refuse;
        })
        .await;
        server.advance(HOUR);
        let mut thief = at(&ada, ABROAD);
        let reply = thief.refresh().await;
        if is_served {
            assert_eq!(reply.status, 200);
            continue;
        }
        assert_eq!((reply.verdict().as_str(), &reply.body["rule"]), ("401 device_mismatch", &"risk".into()));
        assert!(!reply.raw.contains("192.0.2.7"));
        assert_eq!(ada.refresh().await.body["generation"], 2, "the head had not moved");
        for _ in 0..20 {
            at(&ada, ABROAD).refresh().await;
        }
        // The second story: now it also happens inside the owner's window.
        assert_eq!(
            notes(&server).await,
            [
                "refuse at refresh, score 60: user_agent_changed network_changed",
                "refuse at refresh, score 90: user_agent_changed network_changed two_networks"
            ]
        );
    }
}

#[tokio::test]
async fn a_session_that_is_used_too_strangely_ends_if_the_operator_wants_that() {
    let (server, mut ada) = cast(|config| {
        config.risk.mode = RiskMode::On;
        config.risk.refresh.revoke = 60;
    })
    .await;
    let mut other = server.browser();
    other.place = Some(HOME);
    other.log_in("ada@example.com").await;
    server.advance(HOUR);
    let reply = at(&ada, ABROAD).refresh().await;
    assert_eq!((reply.verdict().as_str(), &reply.body["reason"]), ("401 session_revoked", &"risk".into()));
    assert_eq!(ada.refresh().await.verdict(), "401 session_revoked");
    assert!(ada.page("ended?reason=risk").await.raw.contains("such an unusual way"));
    assert_eq!(other.refresh().await.status, 200, "no other session ends");
    let history = other.page("history").await.raw;
    assert!(history.contains("such an unusual way") && history.contains("203.0.113.5"));
}

#[tokio::test]
async fn a_login_from_nowhere_known_is_noted_and_the_first_one_is_not() {
    let (server, _ada) = cast(|_| {}).await;
    assert_eq!(notes(&server).await, [""; 0], "the first login of an account is nothing unusual");
    let mut stranger = server.browser();
    stranger.place = Some(ABROAD);
    assert_eq!(stranger.log_in("ada@example.com").await.status, 200);
    let told = ["dry_run notify at login, score 90: new_device user_agent_changed network_changed"];
    assert_eq!(notes(&server).await, told);
    // From now on it is known.
    assert_eq!(stranger.log_in("ada@example.com").await.status, 200);
    assert_eq!(notes(&server).await, told);
}

#[tokio::test]
async fn leaving_the_cookies_out_does_not_make_a_login_look_known() {
    let (server, _ada) = cast(|_| {}).await;
    let mut program = server.program();
    program.place = Some(ABROAD);
    program.log_in_by_body("ada@example.com").await;
    assert_eq!(
        notes(&server).await,
        ["dry_run notify at login, score 90: new_device user_agent_changed network_changed"]
    );
    // An app on its own device is known by the sessions that it has.
    program.log_in_by_body("ada@example.com").await;
    assert_eq!(notes(&server).await.len(), 1);
}

#[tokio::test]
async fn a_refused_login_looks_like_a_wrong_password_and_counts_like_one() {
    let (server, mut ada) = cast(|config| {
        config.risk.mode = RiskMode::On;
        config.risk.login.refuse = 90;
        // Failures shall be counted here, and not slowed down.
        config.limits.login_delay_seconds_max = 0;
    })
    .await;
    let mut thief = server.browser();
    thief.place = Some(ABROAD);
    let wrong =
        thief.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
    let right = thief.log_in("ada@example.com").await;
    assert_eq!(bare(&right), bare(&wrong));
    assert_eq!((right.status, right.cookies().len()), (401, 0));
    for _ in 0..8 {
        assert_eq!(thief.log_in("ada@example.com").await.status, 401);
    }
    assert_eq!(thief.log_in("ada@example.com").await.status, 429);
    // The owner's browser is known, and gets in.
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    for _ in 0..200 {
        if !notes(&server).await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(notes(&server).await[0].starts_with("refuse at login, score 90: new_device"));
    assert!(
        ada.page("history").await.raw.contains("It was refused. If it was not you, change your password.")
    );
}

#[tokio::test]
async fn a_login_that_is_too_strange_ends_every_session_if_the_operator_wants_that() {
    let (server, mut ada) = cast(|config| {
        config.risk.mode = RiskMode::On;
        config.risk.login.revoke = 90;
    })
    .await;
    let mut thief = server.browser();
    thief.place = Some(ABROAD);
    assert_eq!(thief.log_in("ada@example.com").await.verdict(), "401 invalid_credentials");
    let reply = ada.refresh().await;
    assert_eq!((reply.verdict().as_str(), &reply.body["reason"]), ("401 session_revoked", &"risk".into()));
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
}

#[tokio::test]
async fn failures_before_a_login_count_from_the_fifth_on() {
    for (failures, expected) in
        [(4, None), (5, Some("dry_run notify at login, score 50: failures_before network_changed"))]
    {
        let (server, mut ada) = cast(|config| config.limits.login_delay_seconds_max = 0).await;
        let mut thief = server.browser();
        for _ in 0..failures {
            thief.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
        }
        // Written after their answers.
        let count = async || {
            let mut auditor = server.program().with_token(&server.key(&[ApiScope::Events]).await);
            auditor.get("/admin/events?limit=200").await.raw.matches("login_failed").count()
        };
        for _ in 0..200 {
            if count().await == failures {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        ada.place = Some(TRAIN);
        assert_eq!(ada.log_in("ada@example.com").await.status, 200);
        let mut told = notes(&server).await;
        told.iter_mut().for_each(|note| {
            *note = note.replace("network_changed failures_before", "failures_before network_changed")
        });
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn two_networks_inside_one_window_are_noticed_and_after_it_they_are_not() {
    for (seconds, is_noticed) in [(WINDOW - 1, true), (WINDOW, false)] {
        let (server, mut ada) = cast(|config| config.risk.weights.two_networks = 100).await;
        server.advance(HOUR);
        let copy = at(&ada, TRAIN);
        assert_eq!(ada.refresh().await.status, 200);
        server.advance(seconds);
        // In the window a sibling; after it, reuse.
        copy.clone().refresh().await;
        let told = notes(&server).await;
        assert_eq!(told.iter().any(|note| note.contains("two_networks")), is_noticed, "{told:?}");
    }
}

#[tokio::test]
async fn a_copy_that_was_found_out_makes_the_other_sessions_suspect() {
    let (server, mut ada) = cast(|_| {}).await;
    let mut phone = server.browser();
    phone.place = Some(HOME);
    phone.log_in("ada@example.com").await;
    let mut thief = ada.clone();
    server.advance(HOUR);
    ada.refresh().await;
    server.advance(HOUR);
    assert_eq!(thief.refresh().await.verdict(), "401 token_reused");
    phone.place = Some(TRAIN);
    assert_eq!(phone.refresh().await.status, 200);
    let told = notes(&server).await;
    assert_eq!(told.last().unwrap(), "dry_run notify at refresh, score 50: network_changed reuse_before");
}

#[tokio::test]
async fn a_bound_address_refuses_another_one_and_the_session_lives_on() {
    for (address_match, place, expected) in [
        (AddressMatchName::Exact, HOME, "200"),
        (AddressMatchName::Exact, NEIGHBOUR, "401 device_mismatch"),
        (AddressMatchName::Subnet, NEIGHBOUR, "200"),
        (AddressMatchName::Subnet, TRAIN, "401 device_mismatch"),
    ] {
        let (server, mut ada) = cast(|config| {
            config.binding.cookie.address = OnMismatch::Refuse;
            config.binding.cookie.address_match = address_match;
        })
        .await;
        server.advance(HOUR);
        let mut thief = at(&ada, place);
        let reply = thief.refresh().await;
        assert_eq!(reply.verdict(), expected, "{place:?}");
        if reply.status == 401 {
            assert_eq!(reply.body["rule"], "wrong_address");
            // Not even a superseded copy ends it from elsewhere.
            assert_eq!(ada.refresh().await.body["generation"], 2);
            server.advance(WINDOW + 1);
            assert_eq!(thief.refresh().await.status, 401);
            assert_eq!(ada.refresh().await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_bound_browser_refuses_another_one_and_no_update() {
    let (server, ada) = cast(|config| config.binding.cookie.user_agent_family = OnMismatch::Refuse).await;
    server.advance(HOUR);
    for other in ["curl/8.5.0", "", "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"] {
        let reply = at(&ada, ("192.0.2.7", other)).refresh().await;
        assert_eq!(
            (reply.verdict().as_str(), &reply.body["rule"]),
            ("401 device_mismatch", &"wrong_user_agent".into())
        );
    }
    let updated = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(at(&ada, ("192.0.2.7", updated)).refresh().await.status, 200);
}

#[tokio::test]
async fn each_transport_has_its_own_binding_at_both_doors_and_off_is_not_weighed() {
    let (server, mut ada) = cast(|config| {
        config.binding.body.address = OnMismatch::Refuse;
        config.binding.cookie.address = OnMismatch::Off;
        config.binding.cookie.user_agent_family = OnMismatch::Off;
    })
    .await;
    let mut app = server.program();
    app.place = Some(HOME);
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
    let token = app.post("/auth/login", body).await.text("refresh_token");
    server.advance(HOUR);
    let mut thief = at(&app, TRAIN);
    let by_auth = thief.post("/auth/refresh", json!({"refresh_token": token})).await;
    assert_eq!(by_auth.verdict(), "401 device_mismatch");
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", "relatch")];
    assert_ne!(thief.form("/oauth/token", &form).await.status, 200);
    assert_eq!(app.post("/auth/refresh", json!({"refresh_token": token})).await.status, 200);
    let before = notes(&server).await;
    ada.place = Some(ABROAD);
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(notes(&server).await, before);
}

#[tokio::test]
async fn a_session_that_another_system_opened_has_nothing_to_be_compared_with() {
    let (server, _ada) = cast(|config| {
        config.binding.body.address = OnMismatch::Refuse;
        config.binding.body.user_agent_family = OnMismatch::Refuse;
    })
    .await;
    let mut system = server.program().with_token(&server.key(&[ApiScope::Sessions]).await);
    let body = json!({"external_user_id": "42", "transport": "body"});
    let token = system.post("/admin/sessions", body).await.text("refresh_token");
    let mut app = server.program();
    app.place = Some(ABROAD);
    assert_eq!(app.post("/auth/refresh", json!({"refresh_token": token})).await.status, 200);
}
