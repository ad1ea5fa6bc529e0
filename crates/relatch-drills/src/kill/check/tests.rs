//! Hand-made histories: the checker catches each planted violation, and is quiet where all is well.

use super::*;
use Heard::{Done, Nothing};
use Party::{Forger, Operator, Owner, Prober, Thief};

const WINDOW: Micros = 1_000_000;
const S: SessionNo = SessionNo(1);

/// A call that begins at `begun` milliseconds and takes five.
fn call(begun: Micros, party: Party, asked: Asked, heard: Heard) -> Call {
    Call { begun: begun * 1000, ended: begun * 1000 + 5000, party, asked, heard }
}

fn login(begun: Micros) -> Call {
    call(begun, Owner, Asked::Open { user: 1, password: 0 }, given(1))
}

/// Token `generation * 10 + i` is one of that generation.
fn given(token: usize) -> Heard {
    Heard::Tokens { session: S, token: TokenNo(token), generation: token as u64 / 10 + 1 }
}

fn refresh(begun: Micros, party: Party, token: usize, attempt: u64, heard: Heard) -> Call {
    call(begun, party, Asked::Refresh { session: S, token: TokenNo(token), attempt }, heard)
}

fn refused(code: &str) -> Heard {
    Heard::Refused(401, code.to_owned())
}

/// The first words of each promise that is broken.
fn broken(calls: &[Call]) -> Vec<&'static str> {
    let findings = check(calls, WINDOW, Some(9_000_000));
    findings
        .into_iter()
        .filter(|finding| !finding.violations.is_empty())
        .map(|finding| finding.promise)
        .collect()
}

const UNDONE: &str = "an acknowledged logout, revocation or change of password is never undone";

#[test]
fn an_honest_history_breaks_nothing() {
    let calls = [
        login(0),
        refresh(2000, Owner, 1, 1, Nothing),
        refresh(2010, Owner, 1, 1, given(11)),
        refresh(2012, Owner, 1, 1, given(11)),
        refresh(2500, Owner, 11, 2, given(12)),
        refresh(4000, Owner, 12, 3, given(21)),
        refresh(9500, Owner, 21, 4, given(31)),
    ];
    assert_eq!(broken(&calls), [""; 0]);
}

#[test]
fn a_logout_that_was_undone_is_caught() {
    let end = |heard| call(3000, Owner, Asked::End { session: S }, heard);
    let late = refresh(3006, Prober, 11, 2, given(21));
    assert_eq!(broken(&[login(0), end(Done), late.clone()]), [UNDONE]);
    let bearer = call(3006, Prober, Asked::Me { session: S }, Done);
    assert_eq!(broken(&[login(0), end(Done), bearer]), [UNDONE]);
    // What nobody acknowledged may have happened or not, and what was asked meanwhile may be older.
    assert_eq!(broken(&[login(0), end(Nothing), late]), [""; 0]);
    assert_eq!(broken(&[login(0), end(Done), refresh(3005, Prober, 11, 2, given(21))]), [""; 0]);
}

#[test]
fn an_end_of_all_sessions_ends_those_from_before_and_no_later_ones() {
    let all = call(3000, Operator, Asked::EndAll { user: 1 }, Done);
    let late = refresh(4000, Prober, 1, 1, given(11));
    assert_eq!(broken(&[login(0), all.clone(), late.clone()]), [UNDONE]);
    assert_eq!(broken(&[login(2998), all.clone(), late.clone()]), [""; 0]);
    let again = refresh(9500, Owner, 11, 2, given(21));
    assert_eq!(broken(&[login(3100), all, late, again]), [""; 0]);
}

#[test]
fn a_change_of_password_ends_sessions_and_the_old_password() {
    let new = Heard::Tokens { session: SessionNo(2), token: TokenNo(100), generation: 1 };
    let change = call(3000, Owner, Asked::ChangePassword { user: 1, from: 0 }, new);
    let end_new = call(3100, Owner, Asked::End { session: SessionNo(2) }, Done);
    let old = call(3200, Owner, Asked::Open { user: 1, password: 0 }, Done);
    let late = refresh(3300, Prober, 1, 1, given(11));
    let calls = [login(0), change, end_new, old, late];
    assert_eq!(broken(&calls), [UNDONE, "after a change of password the old one opens nothing"]);
}

#[test]
fn a_session_that_was_refused_or_forgotten_is_caught() {
    let refusal = refresh(5000, Owner, 1, 1, refused("invalid_token"));
    let last = refresh(9500, Owner, 1, 2, given(11));
    assert_eq!(broken(&[login(0), refusal, last]), ["no honest holder of a live session is refused"]);
    assert_eq!(broken(&[login(0)]), ["every live session refreshes at the end"]);
    let reused = [
        login(0),
        refresh(2000, Thief, 1, 1, given(11)),
        refresh(4000, Owner, 1, 2, refused("token_reused")),
    ];
    assert_eq!(broken(&reused), [""; 0]);
}

#[test]
fn a_session_that_rises_again_is_caught() {
    let calls = [
        login(0),
        refresh(2000, Thief, 1, 1, given(11)),
        refresh(4000, Owner, 1, 2, refused("token_reused")),
        refresh(4100, Thief, 11, 3, given(21)),
    ];
    assert_eq!(broken(&calls), ["what was once said to have ended stays ended"]);
}

#[test]
fn a_copy_that_is_served_after_the_window_is_caught_and_a_retry_is_not() {
    let first = refresh(2000, Owner, 1, 1, given(11));
    let last = refresh(9500, Owner, 11, 9, given(21));
    let at = |begun, attempt, heard| {
        broken(&[login(0), first.clone(), refresh(begun, Owner, 1, attempt, heard), last.clone()])
    };
    // The first answer came at 2005.
    assert_eq!(at(3010, 2, given(12)), [""; 0]);
    assert_eq!(at(3011, 2, given(12)), ["a superseded copy serves nobody once the window has passed"]);
    assert_eq!(at(3011, 1, given(11)), [""; 0]);
    assert_eq!(at(3011, 1, given(12)), ["a retry with its attempt id gets the same token, byte for byte"]);
}

#[test]
fn a_theft_that_goes_on_is_caught_in_its_third_period() {
    let mut calls = vec![login(0)];
    for period in 1..=3 {
        assert_eq!(
            broken(&calls[..if period == 1 { 0 } else { calls.len() }]),
            [""; 0],
            "before period {period}"
        );
        let (at, next) = (period * 2500, period as usize * 10 + 1);
        let (own, copied) = if period == 1 { (1, 1) } else { (next - 10, next - 9) };
        calls.push(refresh(at, Owner, own, period * 2, given(next)));
        calls.push(refresh(at + 100, Thief, copied, period * 2 + 1, given(next + 1)));
    }
    assert_eq!(broken(&calls), ["owner and thief are not both served in three settled periods"]);
}

#[test]
fn lost_rotations_fooled_doors_and_faults_are_caught() {
    let last = refresh(9500, Owner, 21, 9, given(31));
    let back = [
        login(0),
        refresh(2000, Owner, 1, 1, given(11)),
        refresh(4000, Owner, 11, 2, given(21)),
        refresh(6000, Owner, 11, 2, given(12)),
        last.clone(),
    ];
    assert_eq!(broken(&back), ["generations never go back: no acknowledged rotation is lost"]);
    let forged = [login(0), refresh(2000, Forger, 99, 1, given(11)), last.clone()];
    assert_eq!(broken(&forged), ["an altered token, or one without its device cookie, is refused"]);
    let fault = [login(0), refresh(2000, Owner, 1, 1, Heard::Fault(500)), last];
    assert_eq!(broken(&fault), ["no answer is a 5xx other than 503"]);
}
