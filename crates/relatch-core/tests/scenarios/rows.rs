//! The rows of the scenario table that one can tell as a story.

use crate::common::{LOGIN_AT, LOGIN_NONCE, POLICY, after, present, session, token};
use crate::model::{HOUR, Reply, Server};
use relatch_core::{
    Evidence, Policy, Presentation, RefreshDecision, RevokeReason, Session, Standing, Transport, Version,
    Windows, refresh,
};
use relatch_token::{DeviceHash, Nonce, RefreshToken, Seconds, Timestamp};

#[test]
fn two_tabs_fifty_milliseconds_apart_are_served_with_answers_in_either_order() {
    for attempts in [[Some("one"), Some("one")], [Some("one"), Some("two")], [None, None]] {
        for last_answer in [0, 1] {
            let (mut server, jar) = Server::after_login(Transport::Cookie);
            let now = LOGIN_AT + HOUR;
            let answers = [
                served(server.refresh(&jar, attempts[0], now)),
                served(server.refresh(&jar, attempts[1], after(now, 50))),
            ];
            let later = served(server.refresh(&answers[last_answer], Some("later"), now + HOUR));
            served(server.refresh(&later, Some("later still"), now + HOUR + HOUR));
        }
    }
}

#[test]
fn a_lost_answer_is_made_good_five_seconds_later_with_another_attempt_id() {
    for transport in [Transport::Cookie, Transport::Body] {
        for retry in [Some("two"), None] {
            let (mut server, jar) = Server::after_login(transport);
            let now = LOGIN_AT + HOUR;
            let _lost = served(server.refresh(&jar, Some("one"), now));
            let retried = served(server.refresh(&jar, retry, now + Seconds(5)));
            served(server.refresh(&retried, Some("later"), now + HOUR));
        }
    }
}

#[test]
fn a_lost_answer_is_repeated_eight_hours_later_for_the_same_attempt_id() {
    for transport in [Transport::Cookie, Transport::Body] {
        let (mut server, jar) = Server::after_login(transport);
        let now = LOGIN_AT + HOUR;
        let lost = served(server.refresh(&jar, Some("one"), now));
        let repeated = served(server.refresh(&jar, Some("one"), now + Seconds(8 * 3600)));
        assert_eq!(server.seal(&repeated), server.seal(&lost), "the same child, byte for byte");
        served(server.refresh(&repeated, Some("later"), now + Seconds(9 * 3600)));
    }
}

#[test]
fn a_store_that_lost_its_last_one_or_two_writes_is_healed_by_the_token() {
    for lost in [1, 2] {
        for answered in [true, false] {
            let (mut server, mut jar) = Server::after_login(Transport::Cookie);
            let mut now = LOGIN_AT;
            for step in 0..3 {
                now = now + HOUR;
                let attempt = format!("step {step}");
                let answer = served(server.refresh(&jar, Some(&attempt), now));
                jar = if answered || step < 2 { answer } else { jar };
            }
            server.lose_writes(lost);
            jar = served(server.refresh(&jar, Some("step 2"), now + Seconds(7)));
            // Where the last answer was lost as well, the token is one step less ahead.
            assert_eq!(server.healed, lost as u64 - u64::from(!answered));
            served(server.refresh(&jar, Some("later"), now + HOUR));
            assert!(!server.is_revoked());
        }
    }
}

#[test]
fn a_thief_close_to_the_owner_is_found_out_in_the_second_cycle_at_the_latest() {
    for lag_seconds in [1, 9, 29, -5, -29] {
        for owned in [0, 1, 5] {
            let end = theft(Transport::Cookie, POLICY, lag_seconds, owned);
            assert!(end.revoked_in_cycle <= 2, "{lag_seconds} s, {end:?}");
            assert!(end.thief_served <= 2 && end.owner_served <= 2, "{lag_seconds} s, {end:?}");
        }
    }
    for lag_seconds in [1, 9, -5, -9] {
        assert!(theft(Transport::Body, POLICY, lag_seconds, 1).revoked_in_cycle <= 2, "{lag_seconds} s");
    }
}

#[test]
fn a_thief_outside_the_window_is_found_out_in_the_first_cycle() {
    for lag_seconds in [31, 1800, -31, -1800] {
        let end = theft(Transport::Cookie, POLICY, lag_seconds, 1);
        assert_eq!(end.revoked_in_cycle, 1, "{lag_seconds} s");
        assert_eq!(end.thief_served, u32::from(lag_seconds < 0), "who comes second gets nothing");
    }
    for lag_seconds in [11, 1800, -11, -1800] {
        assert_eq!(theft(Transport::Body, POLICY, lag_seconds, 1).revoked_in_cycle, 1, "{lag_seconds} s");
    }
}

#[test]
fn without_a_window_a_thief_is_found_out_in_the_first_cycle_at_any_lag() {
    let strict = Policy { reuse_window: Windows { cookie: Seconds(0), body: Seconds(0) }, ..POLICY };
    for transport in [Transport::Cookie, Transport::Body] {
        for lag_seconds in [1, 5, 9, 29, 31, 1800, -1, -5, -29, -1800] {
            let end = theft(transport, strict, lag_seconds, 1);
            assert_eq!(end.revoked_in_cycle, 1, "{transport:?}, {lag_seconds} s");
        }
    }
}

/// Goal: how long an owner must pause for a thief who follows close by to be found out, as a number of windows.
/// Method: one refresh each per period, at every lag of whole seconds, from owners of both kinds.
#[test]
fn a_period_beyond_two_windows_finds_out_a_thief_at_any_lag_and_a_shorter_one_may_not() {
    let window = POLICY.reuse_window.cookie.0;
    let lags = |period: u32| (1 - i64::from(period)..i64::from(period)).filter(|lag| *lag != 0);
    for period in [2 * window + 1, 3 * window, 3 * window + 1, 10 * window] {
        for lag in lags(period) {
            for owned in [0, 2] {
                let end = theft_every(Seconds(period), Transport::Cookie, POLICY, lag, owned);
                assert!(end.revoked_in_cycle <= 2, "every {period} s, {lag} s after: {end:?}");
            }
        }
    }
    let escapes = |period: u32| {
        let end = |lag| theft_every(Seconds(period), Transport::Cookie, POLICY, lag, 1);
        lags(period).any(|lag| end(lag).revoked_in_cycle == CYCLES_MAX)
    };
    assert!(escapes(window + 1) && escapes(2 * window), "two who both come back so soon look like two tabs");
}

#[test]
fn a_superseded_token_gives_its_thief_nothing_and_ends_the_session() {
    let cases =
        [("the previous token", 1, 1800, Evidence::ExchangedBefore), ("five back", 5, 3, Evidence::Older)];
    for (stolen, generations_old, seconds_later, evidence) in cases {
        let (mut server, mut jar) = Server::after_login(Transport::Cookie);
        let mut held = vec![jar];
        let mut now = LOGIN_AT;
        for step in 0..8 {
            now = now + HOUR;
            jar = served(server.refresh(&jar, Some(&format!("step {step}")), now));
            held.push(jar);
        }
        let copy = &held[held.len() - 1 - generations_old];
        let presented = present(&server.session, *copy);
        let now = now + Seconds(seconds_later);
        let decision = server.decide(&presented, Some("thief"), now);
        assert!(
            matches!(decision, RefreshDecision::Reuse { evidence: it, .. } if it == evidence),
            "{stolen}"
        );
        assert_eq!(server.refresh(copy, Some("thief"), now), Reply::Refused, "{stolen}");
        assert!(server.is_revoked(), "{stolen}");
        assert_eq!(server.refresh(&jar, Some("owner"), now), Reply::Refused, "{stolen}");
    }
}

#[test]
fn forged_truncated_extended_and_wrong_device_tokens_are_refused_and_the_row_is_not_written() {
    let (mut server, first) = Server::after_login(Transport::Cookie);
    let jar = served(server.refresh(&first, Some("one"), LOGIN_AT + HOUR));
    let row = server.session.clone();
    let now = LOGIN_AT + HOUR + HOUR;
    let text = server.seal(&jar);
    for _ in 0..3 {
        for at in 0..text.len() {
            assert_eq!(server.refresh_text(&text[..at], None, now), Reply::Refused);
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let forged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(server.refresh_text(&forged, None, now), Reply::Refused);
        }
        assert_eq!(server.refresh_text(&format!("{text}A"), None, now), Reply::Refused);
        // A copy, even a superseded one, without the right device cookie or by the other transport.
        for token in [jar, first] {
            let genuine = present(&server.session, token);
            let body = Presentation { transport: Transport::Body, device: None, ..genuine.clone() };
            for device in [None, Some(DeviceHash([1; 8]))] {
                let wrong = Presentation { device, ..genuine.clone() };
                assert_eq!(server.refresh_bound(&wrong, None, now), Reply::Refused);
            }
            assert_eq!(server.refresh_bound(&body, None, now), Reply::Refused);
        }
    }
    assert_eq!(server.session, row, "the row is not written");
    assert!(matches!(server.refresh_text(&text, Some("two"), now), Reply::Served(_)));
}

/// Goal: whatever order a refresh and a revoke meet in, nothing is accepted once the revoke has answered.
/// Method: a refresh is two halves, deciding and committing; the revoke falls before, between or after them.
#[test]
fn after_an_acknowledged_revoke_nothing_newer_is_accepted_however_they_raced() {
    for reason in [RevokeReason::Logout, RevokeReason::PasswordChanged, RevokeReason::LogoutAll] {
        for revoke_comes in ["before", "between", "after"] {
            let (mut server, jar) = Server::after_login(Transport::Cookie);
            let now = LOGIN_AT + HOUR;
            let presented = present(&server.session, jar);
            let revoke = |server: &mut Server, moment| {
                if moment == revoke_comes && reason == RevokeReason::Logout {
                    server.log_out(&jar, now);
                } else if moment == revoke_comes {
                    server.revoke(reason, now);
                }
                assert!(moment != revoke_comes || server.is_revoked());
            };
            revoke(&mut server, "before");
            let based_on = server.session.version;
            let mut decision = server.decide(&presented, Some("one"), now);
            revoke(&mut server, "between");
            if !server.commit(&decision, based_on) {
                assert_eq!(revoke_comes, "between");
                decision = server.decide(&presented, Some("one"), now);
                assert!(server.commit(&decision, server.session.version));
            }
            let answer = server.answer(&decision);
            revoke(&mut server, "after");
            assert_eq!(matches!(answer, Reply::Served(_)), revoke_comes == "after");
            for token in [Some(jar), answer.token()].into_iter().flatten() {
                for later in [now, now + Seconds(31), now + HOUR] {
                    for attempt in [Some("one"), Some("two"), None] {
                        assert_eq!(server.refresh(&token, attempt, later), Reply::Refused);
                    }
                }
            }
        }
    }
}

#[test]
fn a_token_of_the_first_day_is_reuse_after_a_million_refreshes_and_the_row_has_not_grown() {
    let born = session(Transport::Cookie);
    let mut grown = born.clone();
    let mut newest = token(1, Nonce([1; 8]), LOGIN_NONCE, LOGIN_AT);
    let first = newest;
    let policy = Policy { reuse_window: Windows { cookie: Seconds(1), body: Seconds(1) }, ..POLICY };
    let mut now = LOGIN_AT;
    for count in 1..=1_000_000u64 {
        now = now + Seconds(1);
        let decision = ask(&grown, newest, &policy, now);
        let RefreshDecision::Advance { child, .. } = decision else {
            panic!("refresh {count}: {decision:?}")
        };
        decision.update().unwrap().apply(&mut grown);
        newest = child.token(grown.id, Nonce(count.to_be_bytes()));
    }
    let row = grown.clone();
    for ancient in [first, token(0, LOGIN_NONCE, Nonce([0; 8]), LOGIN_AT)] {
        let decision = ask(&grown, ancient, &policy, now);
        assert!(matches!(decision, RefreshDecision::Reuse { evidence: Evidence::Older, .. }));
    }
    assert_eq!((grown.head.generation.0, grown.version), (1_000_000, Version(1_000_000)));
    grown.head = born.head;
    grown.version = born.version;
    assert_eq!(grown, born, "nothing but head and version, both of fixed size, ever changes");
    assert_eq!(size_of_val(&row.head), size_of_val(&born.head));
}

#[derive(Debug, Default)]
struct Theft {
    revoked_in_cycle: u32,
    owner_served: u32,
    thief_served: u32,
}

/// Owner and thief refresh once an hour each, the thief so many seconds after the owner, from a copy that he
/// took when the owner had refreshed `owned` times.
fn theft(transport: Transport, policy: Policy, lag_seconds: i64, owned: u32) -> Theft {
    let end = theft_every(HOUR, transport, policy, lag_seconds, owned);
    assert!(end.revoked_in_cycle < CYCLES_MAX, "never found out: {end:?}");
    end
}

/// The same with another period, for so many cycles at most.
fn theft_every(period: Seconds, transport: Transport, policy: Policy, lag_seconds: i64, owned: u32) -> Theft {
    let (mut server, mut jar) = Server::after_login(transport);
    server.policy = policy;
    let mut now = LOGIN_AT;
    for step in 0..owned {
        now = now + period;
        jar = served(server.refresh(&jar, Some(&format!("before {step}")), now));
    }
    let mut loot = jar;
    let mut end = Theft::default();
    while !server.is_revoked() && end.revoked_in_cycle < CYCLES_MAX {
        now = now + period;
        end.revoked_in_cycle += 1;
        let mut visits = [(now, true), (after(now, lag_seconds * 1000), false)];
        visits.sort();
        for (at, is_owner) in visits {
            let (hand, name, count) = if is_owner {
                (&mut jar, "owner", &mut end.owner_served)
            } else {
                (&mut loot, "thief", &mut end.thief_served)
            };
            if let Some(token) = server.refresh(hand, Some(&format!("{name} {at:?}")), at).token() {
                *hand = token;
                *count += 1;
            }
        }
    }
    end
}

fn ask(session: &Session, it: RefreshToken, policy: &Policy, now: Timestamp) -> RefreshDecision {
    refresh(session, &Standing::default(), &present(session, it), None, policy, now)
}

fn served(reply: Reply) -> RefreshToken {
    reply.token().expect("the owner is served")
}

/// A theft that lasted so long is one that nobody will notice.
const CYCLES_MAX: u32 = 100;
