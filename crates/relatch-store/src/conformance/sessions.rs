//! Sessions begin, come back as they were, and are listed.

use crate::CreateSession;
use crate::conformance::{
    Harness, IDLE, LIFE, START, after_millis, at_once, check, client_id, disable, end, end_all, events_of,
    load, log_in, new_session, reread, revoke, session, session_begun, session_id, sign_up, user, user_id,
};
use relatch_core::{Epoch, Head, Lifetime, Origin, RevokeReason, Session, Transport, Version};
use relatch_token::{AttemptHash, DeviceHash, Generation, Nonce, Seconds, SessionId, Timestamp};
use serde_json::{Value, json};

pub(super) async fn every_field_of_a_session_comes_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let full = full(&session(&ada, 1));
    assert_eq!(store.create(new_session(full.clone())).await, Ok(CreateSession::Done));
    let loaded = store.load(full.id).await.unwrap().unwrap();
    assert_eq!(loaded.session, full);
    assert_eq!(loaded.user, ada);
    // Equality hides what a custom claim's order or number type is; its text doesn't.
    let text = |session: &Session| serde_json::to_string(&session.claims).unwrap();
    assert_eq!(text(&loaded.session), text(&full));
}

pub(super) async fn each_optional_field_comes_back_alone(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let bare = bare(&session(&ada, 1));
    let full = full(&bare);
    let edits: [fn(&mut Session, &Session); 12] = [
        |_, _| (),
        |one, full| one.client_id = full.client_id.clone(),
        |one, full| one.scope = full.scope.clone(),
        |one, _| one.scope = Some(String::new()),
        |one, full| one.device = full.device,
        |one, full| one.head.attempt = full.head.attempt,
        |one, full| one.origin.ip = full.origin.ip,
        |one, full| one.origin.user_agent = full.origin.user_agent.clone(),
        |one, full| one.origin.device_name = full.origin.device_name.clone(),
        |one, _| one.remember = true,
        |one, full| one.claims = full.claims.clone(),
        |one, full| one.authentication.amr = full.authentication.amr.clone(),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        let mut one = Session { id: session_id(n as u64), ..bare.clone() };
        edit(&mut one, &full);
        assert_eq!(store.create(new_session(one.clone())).await, Ok(CreateSession::Done));
        assert_eq!(load(&*store, one.id).await, one, "edit {n}");
    }
}

pub(super) async fn large_numbers_and_odd_times_come_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut one = session(&ada, 1);
    // The clock may have stepped back between the login and the first refresh.
    one.head = Head {
        generation: Generation(1 << 40),
        nonce: Nonce([0xFF; 8]),
        parent: Nonce([0; 8]),
        at: after_millis(-86_400_001),
        attempt: Some(AttemptHash([0x80, 0, 0, 0, 0, 0, 0, 0])),
    };
    let year_9999 = Timestamp::from_millis(253_402_300_799_999);
    one.lifetime = Lifetime { idle: Seconds(u32::MAX), expires_at: year_9999 };
    one.id = SessionId::from_bytes([0xFF; 16]);
    let mut other = Session { id: SessionId::from_bytes([0; 16]), ..one.clone() };
    other.lifetime = Lifetime { idle: Seconds(0), expires_at: START };
    for session in [one, other] {
        assert_eq!(store.create(new_session(session.clone())).await, Ok(CreateSession::Done));
        assert_eq!(load(&*store, session.id).await, session);
    }
}

pub(super) async fn an_unknown_session_is_none(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    assert_eq!(store.load(session_id(2)).await, Ok(None));
}

pub(super) async fn a_session_id_is_given_once(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let first = log_in(&*store, &ada, 1).await;
    let events = events_of(&*store).await;
    let second = Session { scope: Some("other".into()), ..session(&bob, 1) };
    assert_eq!(store.create(new_session(second.clone())).await, Ok(CreateSession::Conflict));
    assert_eq!(load(&*store, first.id).await, first);
    assert_eq!(events_of(&*store).await, events, "a refused login left an event");

    store.commit(revoke(&first, RevokeReason::Logout, START)).await.unwrap();
    assert_eq!(store.create(new_session(second)).await, Ok(CreateSession::Conflict), "over a revoked one");
}

pub(super) async fn only_a_session_of_the_present_epoch_begins(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    end(&*store, end_all(ada.id, START)).await;
    end(&*store, end_all(ada.id, START)).await;
    let events = events_of(&*store).await;
    for epoch in [0, 1, 3] {
        let stale = Session { epoch: Epoch(epoch), ..session(&ada, 1) };
        assert_eq!(store.create(new_session(stale)).await, Ok(CreateSession::Conflict), "epoch {epoch}");
    }
    assert_eq!(store.load(session_id(1)).await, Ok(None));
    assert_eq!(events_of(&*store).await, events, "a refused login left an event");
    log_in(&*store, &ada, 1).await;
    assert_eq!(check(&*store, session_id(1), START).await, Ok(()));
}

pub(super) async fn a_session_of_an_unknown_or_disabled_user_never_begins(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    assert_eq!(store.create(new_session(session(&user(2), 2))).await, Ok(CreateSession::Conflict));
    end(&*store, disable(ada.id, START)).await;
    let now = reread(&*store, ada.id).await;
    assert_eq!(store.create(new_session(session(&now, 1))).await, Ok(CreateSession::Conflict));
    assert_eq!(store.load(session_id(1)).await, Ok(None));
    assert_eq!(store.load(session_id(2)).await, Ok(None));
}

pub(super) async fn one_of_many_logins_with_one_session_id_begins(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let answers = at_once((0..32).map(|n| {
        let store = store.clone();
        let one = Session { scope: Some(format!("try {n}")), ..session(&ada, 1) };
        async move { store.create(new_session(one)).await.unwrap() }
    }))
    .await;
    let done: Vec<_> = (0..32).filter(|n| answers[*n] == CreateSession::Done).collect();
    assert_eq!(done.len(), 1);
    assert_eq!(load(&*store, session_id(1)).await.scope, Some(format!("try {}", done[0])));
}

pub(super) async fn live_sessions_are_listed_newest_first(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let mut sessions = Vec::new();
    for n in 0..12 {
        let owner = if n % 3 == 2 { &bob } else { &ada };
        let one = session_begun(owner, n, after_millis(n as i64 * 10));
        assert_eq!(store.create(new_session(one.clone())).await, Ok(CreateSession::Done));
        sessions.push(one);
    }
    store.commit(revoke(&sessions[4], RevokeReason::Logout, after_millis(200))).await.unwrap();
    let now = after_millis(1000);
    let expected: Vec<_> = [10, 9, 7, 6, 3, 1, 0].map(|n| sessions[n].clone()).into();
    assert_eq!(store.list(ada.id, now, 100).await.unwrap(), expected);
    assert_eq!(store.list(ada.id, now, 3).await.unwrap(), expected[..3]);
    assert_eq!(store.list(ada.id, now, 0).await.unwrap(), []);
    assert_eq!(store.list(user_id(3), now, 100).await.unwrap(), []);
    end(&*store, end_all(ada.id, now)).await;
    assert_eq!(store.list(ada.id, now, 100).await.unwrap(), []);
    assert_eq!(store.list(bob.id, now, 100).await.unwrap().len(), 4);
}

pub(super) async fn a_session_leaves_the_list_at_the_end_of_its_idle_time(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    log_in(&*store, &ada, 1).await;
    let mut short = session(&ada, 2);
    short.lifetime.expires_at = START + Seconds(60);
    store.create(new_session(short)).await.unwrap();
    let listed = async |at| store.list(ada.id, at, 10).await.unwrap().len();
    assert_eq!(listed(after_millis(59_999)).await, 2);
    assert_eq!(listed(after_millis(60_000)).await, 1);
    assert_eq!(listed(after_millis(IDLE.as_millis() - 1)).await, 1);
    assert_eq!(listed(after_millis(IDLE.as_millis())).await, 0);
    assert_eq!(listed(after_millis(LIFE.as_millis())).await, 0);
}

/// The session with every optional field filled, and oddly.
pub(super) fn full(session: &Session) -> Session {
    let mut full = session.clone();
    full.version = Version(0);
    full.client_id = Some(client_id("spa-web.v2:eu/1"));
    full.scope = Some("openid profile urn:x:ünïcode".into());
    full.transport = Transport::Body;
    full.device = Some(DeviceHash([0, 1, 2, 0xFF, 0xFE, 0, 0x80, 0x7F]));
    full.authentication.amr = vec!["pwd".into(), "otp".into(), "\"quoted, and [odd]\"".into()];
    full.authentication.acr = "urn:mace:incommon:iap:silver ends late".into();
    full.head.attempt = Some(AttemptHash([9, 8, 7, 6, 5, 4, 3, 2]));
    full.origin = Origin {
        ip: Some("2001:db8::ff00:42:8329".parse().unwrap()),
        user_agent: Some("ü𝄞".chars().cycle().scan(0, cut).collect()),
        device_name: Some("Ада’s 👩‍👩‍👧 phone \u{202E}gnp.exe\u{FFFF}".into()),
    };
    full.remember = false;
    full.claims = match json!({
        "role": "admin", "": null, "n": 1.5, "big": u64::MAX, "small": i64::MIN, "nested": {"a": [1, [2, {"b": "ß"}]]},
        "quote\"": "\\ \t \u{1F600} \u{2028}", "false": false, "empty": [], "none": {},
    }) {
        Value::Object(claims) => claims,
        _ => panic!("claims are an object"),
    };
    full
}

/// The session with every optional field empty.
fn bare(session: &Session) -> Session {
    let mut bare = session.clone();
    bare.device = None;
    bare.transport = Transport::Body;
    bare.authentication.amr = Vec::new();
    bare.authentication.acr = String::new();
    bare.origin = Origin::default();
    bare.remember = false;
    bare
}

/// Ends an endless text where a user agent is cut.
fn cut(bytes: &mut usize, next: char) -> Option<char> {
    *bytes += next.len_utf8();
    (*bytes <= Origin::USER_AGENT_BYTES_MAX).then_some(next)
}
