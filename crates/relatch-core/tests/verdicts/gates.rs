//! What is looked at before a token's place: binding, then the session's end; and logout, which never refuses.

use crate::common::{LOGIN_AT, LOGIN_NONCE, POLICY, after, present, session, token};
use relatch_core::{
    Child, Ended, Epoch, Evidence, Head, LogoutDecision, Policy, Presentation, RefreshDecision, Refusal,
    ReuseScope, Revocation, RevokeReason, Session, Standing, State, Transport, Update, Version, Windows,
    logout, refresh,
};
use relatch_token::{AttemptHash, DeviceHash, Generation, Nonce, RefreshToken, Seconds, Timestamp};

#[test]
fn a_genuine_token_with_the_wrong_binding_is_refused_and_changes_nothing() {
    let session = advanced();
    // A child of the head, the head itself, and proof of a copy: the binding is looked at first in each case.
    for token in [child(), the_head(), ancient()] {
        for (presented, refusal) in misbound(&session, token) {
            let decision = decide(&session, &presented, NOW);
            assert_eq!(decision, RefreshDecision::Refuse(refusal));
            assert_eq!(decision.update(), None);
        }
    }
}

#[test]
fn the_binding_is_looked_at_before_the_sessions_end() {
    let mut session = advanced();
    session.state = State::Revoked(REVOCATION);
    for (presented, refusal) in misbound(&session, child()) {
        assert_eq!(decide(&session, &presented, NOW), RefreshDecision::Refuse(refusal));
    }
}

#[test]
fn a_session_of_the_body_transport_needs_no_device() {
    let mut session = session(Transport::Body);
    session.head = advanced().head;
    assert!(matches!(decide(&session, &present(&session, child()), NOW), RefreshDecision::Advance { .. }));
    let stray = Presentation { device: Some(DeviceHash([1; 8])), ..present(&session, child()) };
    assert!(matches!(decide(&session, &stray, NOW), RefreshDecision::Advance { .. }));
}

#[test]
fn an_oauth_session_is_refused_to_another_client_and_to_the_first_party_route() {
    let mut session = advanced();
    session.client_id = Some("spa".parse().unwrap());
    assert!(matches!(decide(&session, &present(&session, child()), NOW), RefreshDecision::Advance { .. }));
    for client_id in [None, Some("other".parse().unwrap())] {
        let presented = Presentation { client_id, ..present(&session, child()) };
        assert_eq!(decide(&session, &presented, NOW), RefreshDecision::Refuse(Refusal::WrongClient));
    }
}

#[test]
fn an_ended_session_is_refused_whatever_the_tokens_place_and_never_written() {
    let mut revoked = advanced();
    revoked.state = State::Revoked(REVOCATION);
    for token in [child(), the_head(), ancient()] {
        for attempt in [None, Some(HEADS_ATTEMPT)] {
            let presented = present(&revoked, token);
            let decision = refresh(&revoked, &Standing::default(), &presented, attempt, &POLICY, NOW);
            assert_eq!(decision, refused(Ended::Revoked(REVOCATION)));
            assert_eq!(decision.update(), None);
        }
    }
}

#[test]
fn sessions_of_an_earlier_epoch_are_dead_and_those_of_the_current_one_live() {
    let user = Standing { not_before: Epoch(3), moved: Some(REVOCATION), disabled_at: None };
    let mut session = advanced();
    for (epoch, lives) in [(0, false), (2, false), (3, true), (4, true)] {
        session.epoch = Epoch(epoch);
        let presented = present(&session, child());
        let decision = refresh(&session, &user, &presented, None, &POLICY, NOW);
        assert_eq!(matches!(decision, RefreshDecision::Advance { .. }), lives, "epoch {epoch}");
        assert_eq!(decision == refused(Ended::Revoked(REVOCATION)), !lives, "epoch {epoch}");
    }
}

#[test]
fn a_disabled_user_has_no_session() {
    let user = Standing { disabled_at: Some(NOW), ..Standing::default() };
    let session = advanced();
    let disabled = Revocation { at: NOW, reason: RevokeReason::UserDisabled };
    let decision = refresh(&session, &user, &present(&session, child()), None, &POLICY, NOW);
    assert_eq!(decision, refused(Ended::Revoked(disabled)));
}

/// Goal: `exp - 1`, `exp` and `exp + 1` of both limits; idle slides from the head, the absolute end stays.
#[test]
fn a_session_ends_at_the_very_millisecond_of_its_idle_and_its_absolute_limit() {
    let mut session = advanced();
    session.lifetime.idle = Seconds(600);
    let idle_end = HEAD_AT + Seconds(600);
    let ends_at = |session: &Session, end: Timestamp, why: Ended| {
        let presented = present(session, child());
        let before = decide(session, &presented, after(end, -1));
        assert!(matches!(before, RefreshDecision::Advance { .. }), "{before:?}");
        assert_eq!(decide(session, &presented, end), refused(why));
        assert_eq!(decide(session, &presented, after(end, 1)), refused(why));
    };
    ends_at(&session, idle_end, Ended::Idle);
    session.lifetime.expires_at = after(idle_end, -1000);
    ends_at(&session, after(idle_end, -1000), Ended::TooOld);
    // An advance moves the idle end along, never beyond the absolute one.
    session.lifetime.expires_at = HEAD_AT + Seconds(1000);
    let step = decide(&session, &present(&session, child()), HEAD_AT + Seconds(300));
    step.update().unwrap().apply(&mut session);
    assert_eq!(session.idle_expires_at(), HEAD_AT + Seconds(900));
    session.head.at = HEAD_AT + Seconds(500);
    assert_eq!(session.idle_expires_at(), HEAD_AT + Seconds(1000));
}

#[test]
fn an_advance_stores_the_presented_token_as_head_and_counts_the_version() {
    let mut session = advanced();
    let presented = present(&session, child());
    let attempt = Some(AttemptHash([5; 8]));
    let decision = refresh(&session, &Standing::default(), &presented, attempt, &POLICY, NOW);
    let head = Head { generation: Generation(8), nonce: CHILD, parent: HEAD, at: NOW, attempt };
    let given = Child { parent_generation: Generation(8), parent: CHILD, attempt, issued_at: NOW };
    assert_eq!(decision, RefreshDecision::Advance { head, child: given, healed: 0 });
    let version = session.version;
    decision.update().unwrap().apply(&mut session);
    assert_eq!((session.head, session.version), (head, Version(version.0 + 1)));
}

#[test]
fn a_heal_is_an_advance_that_says_how_much_was_lost() {
    let session = advanced();
    let ahead = token(10, CHILD, Nonce([55; 8]), NOW);
    let RefreshDecision::Advance { head, healed, .. } = decide(&session, &present(&session, ahead), NOW)
    else {
        panic!("a token two further than a child heals");
    };
    assert_eq!(
        (head.generation, head.nonce, head.parent, healed),
        (ahead.generation, CHILD, ahead.parent, 2)
    );
    let implausible = decide(&session, &present(&session, token(25, CHILD, HEAD, NOW)), NOW);
    assert_eq!(implausible, RefreshDecision::InDoubt { lost: 17 });
    assert_eq!(implausible.update(), None);
}

#[test]
fn a_reuse_ends_this_session_and_only_by_policy_the_users_others() {
    let mut session = advanced();
    for scope in [ReuseScope::Session, ReuseScope::User] {
        let policy = Policy { on_reuse: scope, ..POLICY };
        let presented = present(&session, ancient());
        let decision = refresh(&session, &Standing::default(), &presented, None, &policy, NOW);
        let revocation = Revocation { at: NOW, reason: RevokeReason::TokenReused };
        assert_eq!(decision, RefreshDecision::Reuse { revocation, scope, evidence: Evidence::Older });
        assert_eq!(decision.update(), Some(Update::Revoke(revocation)));
    }
    let head = session.head;
    decide(&session, &present(&session, ancient()), NOW).update().unwrap().apply(&mut session);
    assert_eq!(session.head, head, "a revocation moves no head");
    assert!(matches!(decide(&session, &present(&session, child()), NOW), RefreshDecision::Refuse(_)));
}

#[test]
fn each_transport_has_the_window_of_its_own() {
    let windows = Windows { cookie: Seconds(30), body: Seconds(10) };
    assert_eq!((windows.of(Transport::Cookie), windows.of(Transport::Body)), (Seconds(30), Seconds(10)));
    for (transport, window) in [(Transport::Cookie, 30_000), (Transport::Body, 10_000)] {
        let mut session = session(transport);
        session.head = advanced().head;
        let presented = present(&session, child());
        let last_fresh = decide(&session, &presented, after(HEAD_AT, window - 1));
        assert!(matches!(last_fresh, RefreshDecision::Answer { repeat: false, .. }), "{transport:?}");
        let first_settled = decide(&session, &presented, after(HEAD_AT, window));
        assert!(matches!(first_settled, RefreshDecision::Advance { .. }), "{transport:?}");
    }
}

#[test]
fn logout_takes_any_genuine_token_of_the_session_old_ones_too() {
    let session = advanced();
    for token in [child(), the_head(), ancient(), token(99, CHILD, CHILD, NOW)] {
        let decision = log_out(&session, &present(&session, token), NOW);
        let revocation = Revocation { at: NOW, reason: RevokeReason::Logout };
        assert_eq!(decision, LogoutDecision::Revoke(Update::Revoke(revocation)));
    }
}

#[test]
fn logout_does_nothing_for_a_misbound_token_or_an_ended_session() {
    let mut session = advanced();
    for (presented, _) in misbound(&session, child()) {
        assert_eq!(log_out(&session, &presented, NOW), LogoutDecision::Nothing);
    }
    let end = session.idle_expires_at();
    let presented = present(&session, child());
    assert!(matches!(log_out(&session, &presented, after(end, -1)), LogoutDecision::Revoke(_)));
    assert_eq!(log_out(&session, &presented, end), LogoutDecision::Nothing);
    session.state = State::Revoked(REVOCATION);
    assert_eq!(log_out(&session, &presented, NOW), LogoutDecision::Nothing);
}

fn decide(session: &Session, presented: &Presentation, now: Timestamp) -> RefreshDecision {
    refresh(session, &Standing::default(), presented, None, &POLICY, now)
}

fn log_out(session: &Session, presented: &Presentation, now: Timestamp) -> LogoutDecision {
    logout(session, &Standing::default(), presented, RevokeReason::Logout, now)
}

const fn refused(why: Ended) -> RefreshDecision {
    RefreshDecision::Refuse(Refusal::Ended(why))
}

fn misbound(session: &Session, token: RefreshToken) -> Vec<(Presentation, Refusal)> {
    let right = present(session, token);
    let body = Presentation { transport: Transport::Body, ..right.clone() };
    vec![
        (body.clone(), Refusal::WrongTransport),
        (Presentation { device: None, ..body }, Refusal::WrongTransport),
        (Presentation { client_id: Some("spa".parse().unwrap()), ..right.clone() }, Refusal::WrongClient),
        (Presentation { device: None, ..right.clone() }, Refusal::WrongDevice),
        (Presentation { device: Some(DeviceHash([1; 8])), ..right }, Refusal::WrongDevice),
    ]
}

/// A browser's session at generation 7, whose head is an hour old at [`NOW`].
fn advanced() -> Session {
    let mut session = session(Transport::Cookie);
    session.version = Version(7);
    session.head = Head {
        generation: Generation(7),
        nonce: HEAD,
        parent: Nonce([60; 8]),
        at: HEAD_AT,
        attempt: Some(HEADS_ATTEMPT),
    };
    session
}

fn child() -> RefreshToken {
    token(8, CHILD, HEAD, HEAD_AT)
}

fn the_head() -> RefreshToken {
    token(7, HEAD, Nonce([60; 8]), HEAD_AT)
}

fn ancient() -> RefreshToken {
    token(1, Nonce([11; 8]), LOGIN_NONCE, LOGIN_AT)
}

const HEAD_AT: Timestamp = after(LOGIN_AT, 7 * 3_600_000);
const NOW: Timestamp = after(LOGIN_AT, 8 * 3_600_000);
const HEAD: Nonce = Nonce([70; 8]);
const CHILD: Nonce = Nonce([80; 8]);
const HEADS_ATTEMPT: AttemptHash = AttemptHash([1; 8]);
const REVOCATION: Revocation = Revocation { at: LOGIN_AT, reason: RevokeReason::EndedByOperator };
