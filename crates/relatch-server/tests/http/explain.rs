//! Why a refresh was refused: told in the answer, kept in the history, and explained to operators.

use crate::support::{Actor, DEVICE, FIREFOX, HOUR, PASSWORD, REFRESH, Server, WINDOW, behind_proxy};
use relatch_server::api_keys::ApiScope;
use serde_json::Value;

const HOME: (&str, &str) = ("192.0.2.7", FIREFOX);
const ELSEWHERE: (&str, &str) = ("198.51.100.9", "curl/8.5.0");

/// Ada at home, a thief elsewhere who holds nothing yet, and an operator.
async fn cast() -> (Server, Actor, Actor, Actor) {
    let server = Server::start(behind_proxy).await;
    let (mut ada, mut thief) = (server.browser(), server.browser());
    (ada.place, thief.place) = (Some(HOME), Some(ELSEWHERE));
    server.make("ada@example.com").await;
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    let operator = server.program().with_token(&server.key(&[ApiScope::Sessions, ApiScope::Events]).await);
    (server, ada, thief, operator)
}

async fn story(operator: &mut Actor, session: &str) -> Vec<Value> {
    let reply = operator.get(&format!("/admin/sessions/{session}/explain")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["timeline"].as_array().unwrap().clone()
}

fn lines_of<'a>(story: &'a [Value], kind: &str) -> Vec<&'a Value> {
    story.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test]
async fn a_theft_is_explained_with_its_rule_and_both_places_to_operators_and_to_the_owner() {
    let (server, mut ada, mut thief, mut operator) = cast().await;
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    thief.copy_from(&ada);
    server.advance(WINDOW + 1);
    assert_eq!(ada.refresh().await.status, 200);
    server.advance(WINDOW + 1);
    let caught = thief.refresh().await;
    assert_eq!(
        (caught.verdict().as_str(), &caught.body["rule"]),
        ("401 token_reused", &"exchanged_before".into())
    );
    let detail = caught.text("detail");
    assert!(detail.contains("the newest token had been exchanged already") && detail.contains(&session));
    assert!(
        !caught.raw.contains("192.0.2.7") && !caught.raw.contains("Firefox"),
        "the thief learns no place"
    );

    let story = story(&mut operator, &session).await;
    let reuse = lines_of(&story, "refresh_reuse")[0];
    assert_eq!(reuse["ip"], "198.51.100.9");
    let text = reuse["text"].as_str().unwrap();
    assert!(
        text.contains("from 198.51.100.9 by curl") && text.contains("from 192.0.2.7 by Firefox, Linux"),
        "{text}"
    );
    assert!(reuse["advice"].as_str().unwrap().contains("relatch users logout usr_"));
    let kinds: Vec<&str> = story.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["login", "refreshed", "refresh_reuse"]);

    // The page of the dead session says when and by which rule, and nothing of the other one's place.
    let ended = ada.page("ended").await.raw;
    assert!(
        ended.contains("had been exchanged already, by somebody else")
            && ended.contains("2027-01-15 08:01 UTC")
    );
    assert!(!ended.contains("198.51.100.9") && !ended.contains("curl"));
    ada.fill("login", &[("email", "ada@example.com"), ("password", PASSWORD)]).await;
    let history = ada.page("history").await.raw;
    assert!(
        history.contains("had been exchanged already, by somebody else") && history.contains("198.51.100.9")
    );
    assert!(history.contains("This login had begun on:") && history.contains("Firefox, Linux · 192.0.2.7"));
}

#[tokio::test]
async fn every_refusal_of_a_genuine_token_is_kept_with_its_rule_and_place() {
    let (server, mut ada, mut thief, mut operator) = cast().await;
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    let own_device = ada.cookies[DEVICE].clone();
    thief.cookies.insert(REFRESH.to_owned(), ada.refresh_cookie());
    let without_device = thief.refresh().await;
    assert_eq!(without_device.verdict(), "401 device_mismatch");
    assert_eq!(without_device.body["rule"], "wrong_device");
    let body = serde_json::json!({"refresh_token": ada.refresh_cookie()});
    let mut program = server.program();
    program.place = Some(ELSEWHERE);
    let by_body = program.post("/auth/refresh", body).await;
    assert_eq!(
        (by_body.verdict().as_str(), &by_body.body["rule"]),
        ("401 invalid_token", &"wrong_transport".into())
    );

    let dead = ada.clone();
    ada.post_empty("/auth/logout").await;
    let mut late = dead.clone();
    let after = late.refresh().await;
    assert_eq!((after.verdict().as_str(), &after.body["reason"]), ("401 session_revoked", &"logout".into()));
    assert_eq!(after.body["rule"], "ended_before");
    assert!(after.text("detail").contains("the person logged out on this device, at 2027-01-15T08:00:00Z"));

    let story = story(&mut operator, &session).await;
    let refused = lines_of(&story, "refresh_refused");
    let texts: Vec<&str> = refused.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("from 198.51.100.9 by curl") && texts[0].contains("device cookie was missing"));
    assert!(texts[1].contains("the transport that it was not issued for"));
    assert!(texts[2].contains("from 192.0.2.7 by Firefox, Linux") && texts[2].contains("ended before"));
    assert_eq!(dead.cookies[DEVICE], own_device);

    // Its owner finds them too.
    ada.log_in("ada@example.com").await;
    let own = ada.get("/auth/events").await;
    let rules: Vec<&str> = own.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["type"] == "refresh_refused")
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["ended_before", "wrong_transport", "wrong_device"]);
    let history = ada.page("history").await.raw;
    assert!(history.contains("without the cookie of the browser that it belongs to"));
}

#[tokio::test]
async fn a_thief_who_repeats_a_dead_token_can_not_fill_the_history() {
    let (server, mut ada, _, mut operator) = cast().await;
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    let dead = ada.clone();
    ada.post_empty("/auth/logout").await;
    for turn in 0..60 {
        assert_eq!(dead.clone().refresh().await.verdict(), "401 session_revoked", "{turn}");
    }
    let mut forger = dead.clone();
    forger.cookies.insert(REFRESH.to_owned(), "rlt_AAAA".to_owned());
    assert_eq!(forger.refresh().await.verdict(), "401 invalid_token");
    assert_eq!(lines_of(&story(&mut operator, &session).await, "refresh_refused").len(), 3);
    server.advance(8 * HOUR - 1);
    dead.clone().refresh().await;
    assert_eq!(lines_of(&story(&mut operator, &session).await, "refresh_refused").len(), 3);
    server.advance(1);
    dead.clone().refresh().await;
    assert_eq!(lines_of(&story(&mut operator, &session).await, "refresh_refused").len(), 4);
}

#[tokio::test]
async fn an_end_that_wrote_nothing_to_the_session_is_in_its_story_too() {
    let (server, mut ada, _, mut operator) = cast().await;
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    let live = operator.get(&format!("/admin/sessions/{session}/explain")).await;
    assert_eq!((&live.body["is_live"], &live.body["state"]), (&true.into(), &"It is live.".into()));
    let mut other = server.browser();
    other.log_in("ada@example.com").await;
    other.post("/auth/logout-all", serde_json::json!({})).await;
    let lines = story(&mut operator, &session).await;
    let told = lines_of(&lines, "ended_with_all")[0]["text"].as_str().unwrap().to_owned();
    assert_eq!(told, "The session ended with all sessions of its user: the person logged out everywhere.");

    ada.log_in("ada@example.com").await;
    let second = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    server.advance(14 * 24 * HOUR);
    let lines = story(&mut operator, &second).await;
    assert!(lines_of(&lines, "expired")[0]["text"].as_str().unwrap().contains("within the idle time"));
}

#[tokio::test]
async fn a_story_is_for_keys_of_the_scope_and_of_sessions_that_were() {
    let (server, mut ada, _, mut operator) = cast().await;
    let session = ada.get("/auth/me").await.body["session"]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/sessions/{session}/explain");
    assert_eq!(ada.get(&path).await.verdict(), "401 invalid_token");
    let mut other = server.program().with_token(&server.key(&[ApiScope::Users]).await);
    assert_eq!(other.get(&path).await.verdict(), "403 insufficient_scope");
    for unknown in ["ses_AAAAAAAAAAAAAAAAAAAAAA", "x", "usr_AAAAAAAAAAAAAAAAAAAAAA"] {
        let reply = operator.get(&format!("/admin/sessions/{unknown}/explain")).await;
        assert_eq!(reply.verdict(), "404 not_found", "{unknown}");
    }
    server.store.set_available(false);
    assert_eq!(operator.get(&path).await.status, 503);
}
