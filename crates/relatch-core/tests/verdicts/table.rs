//! The table itself: row by row, fresh and settled, and the moment where one becomes the other.

use crate::common::{LOGIN_AT, LOGIN_NONCE, after, token};
use relatch_core::{Evidence, HEAL_GENERATIONS_MAX, Head, SIBLING_WINDOWS, Verdict, place};
use relatch_token::{AttemptHash, Generation, Nonce, RefreshToken, Seconds, Timestamp};

/// Goal: each row says the same at every fresh age, and the same at every settled age.
/// Method: one head, every kind of token that can stand around it, every kind of attempt id, all ages.
#[test]
fn every_cell_of_the_verdict_table_holds_at_every_age() {
    let (advance, repeat, sibling) = (Verdict::Advance, Verdict::Repeat, Verdict::Sibling);
    let rows = [
        Row {
            is: "a child of the head",
            generation: 8,
            nonce: OTHER,
            parent: HEAD,
            fresh: sibling,
            settled: advance,
        },
        Row {
            is: "the head",
            generation: 7,
            nonce: HEAD,
            parent: PREVIOUS,
            fresh: sibling,
            settled: Verdict::Reuse(Evidence::ExchangedBefore),
        },
        Row {
            is: "the previous head",
            generation: 6,
            nonce: PREVIOUS,
            parent: ELDER,
            fresh: sibling,
            settled: Verdict::Reuse(Evidence::PreviousHead),
        },
        Row {
            is: "a child of the previous head, issued just now",
            generation: 7,
            nonce: OTHER,
            parent: PREVIOUS,
            fresh: sibling,
            settled: Verdict::Reuse(Evidence::OtherBranch),
        },
        Row::always("one further than a child", 9, OTHER, OTHER, Verdict::Heal { lost: 1 }),
        Row::always("two further than a child", 10, OTHER, OTHER, Verdict::Heal { lost: 2 }),
        Row::always("further, and a child of the head by name", 9, OTHER, HEAD, Verdict::Heal { lost: 1 }),
        Row::always("the head's generation, by another parent", 7, OTHER, OTHER, reuse(Evidence::Older)),
        Row::always("the next generation, by another parent", 8, OTHER, OTHER, reuse(Evidence::OtherParent)),
        Row::always(
            "the next generation, by the previous head",
            8,
            OTHER,
            PREVIOUS,
            reuse(Evidence::OtherParent),
        ),
        Row::always("a sibling of the previous head", 6, OTHER, ELDER, reuse(Evidence::Older)),
        Row::always("two before the head", 5, ELDER, OTHER, reuse(Evidence::Older)),
        Row::always(
            "two before the head, by the previous head's name",
            5,
            PREVIOUS,
            OTHER,
            reuse(Evidence::Older),
        ),
        Row::always("of the beginning", 1, OTHER, LOGIN_NONCE, reuse(Evidence::Older)),
        Row::always("the login itself", 0, LOGIN_NONCE, Nonce([0; 8]), reuse(Evidence::Older)),
    ];
    for row in &rows {
        for attempt in [None, Some(HEADS_ATTEMPT), Some(OTHER_ATTEMPT)] {
            for (ages, expected) in [(FRESH, row.fresh), (SETTLED, row.settled)] {
                let is_repeat = row.nonce == HEAD && attempt == Some(HEADS_ATTEMPT);
                let expected = if is_repeat { repeat } else { expected };
                for &age in ages {
                    let now = after(HEAD_AT, age);
                    let presented = token(row.generation, row.nonce, row.parent, now);
                    let verdict = place(&head(), &presented, attempt, WINDOW, now);
                    assert_eq!(verdict, expected, "{}, {attempt:?}, head {age} ms old", row.is);
                }
            }
        }
    }
}

#[test]
fn the_head_is_fresh_until_the_window_and_settled_from_then_on() {
    assert!(head().is_fresh(WINDOW, after(HEAD_AT, WINDOW_MS - 1)));
    assert!(!head().is_fresh(WINDOW, after(HEAD_AT, WINDOW_MS)));
    assert!(!head().is_fresh(WINDOW, after(HEAD_AT, WINDOW_MS + 1)));
    // A clock that was set back makes nothing settled that is not.
    assert!(head().is_fresh(WINDOW, after(HEAD_AT, -1)));
}

#[test]
fn a_child_of_the_previous_head_is_family_for_two_windows_after_it_was_issued() {
    assert_eq!(SIBLING_WINDOWS, 2);
    let now = after(HEAD_AT, WINDOW_MS - 1);
    let issued = |age: i64| token(7, OTHER, PREVIOUS, after(now, -age));
    for age in [0, WINDOW_MS, WINDOW_MS + 1, 2 * WINDOW_MS - 1, 2 * WINDOW_MS] {
        assert_eq!(at(&issued(age), now), Verdict::Sibling, "issued {age} ms ago");
    }
    for age in [2 * WINDOW_MS + 1, 3 * WINDOW_MS, HOUR_MS] {
        assert_eq!(at(&issued(age), now), reuse(Evidence::OtherBranch), "issued {age} ms ago");
    }
    // However young it is, it is too late once the head has settled.
    assert_eq!(at(&issued(0), after(HEAD_AT, WINDOW_MS)), reuse(Evidence::OtherBranch));
}

/// The reason for two windows, in one history: the head before this one gave its last sibling in its last
/// millisecond, another child took the next step at once, and the sibling comes in this head's last millisecond.
#[test]
fn the_latest_sibling_that_an_honest_tab_can_hold_is_family_until_the_head_settles() {
    let previous_at = after(HEAD_AT, -WINDOW_MS);
    for issued_after in [0, 1, WINDOW_MS / 2, WINDOW_MS - 1] {
        let sibling = token(7, OTHER, PREVIOUS, after(previous_at, issued_after));
        for age in [0, 1, WINDOW_MS - 1] {
            assert_eq!(at(&sibling, after(HEAD_AT, age)), Verdict::Sibling, "{issued_after}, {age}");
        }
        assert_eq!(at(&sibling, after(HEAD_AT, WINDOW_MS)), reuse(Evidence::OtherBranch));
    }
}

#[test]
fn the_previous_head_is_family_in_the_window_however_long_ago_it_was_issued() {
    let old = token(6, PREVIOUS, ELDER, after(HEAD_AT, -HOUR_MS));
    assert_eq!(at(&old, after(HEAD_AT, WINDOW_MS - 1)), Verdict::Sibling);
    assert_eq!(at(&old, after(HEAD_AT, WINDOW_MS)), reuse(Evidence::PreviousHead));
}

#[test]
fn login_is_head_zero_and_long_settled() {
    let head = Head::login(LOGIN_NONCE, LOGIN_AT);
    let first = token(1, OTHER, LOGIN_NONCE, LOGIN_AT);
    for age in [0, 1, WINDOW_MS - 1, WINDOW_MS, HOUR_MS] {
        let now = after(LOGIN_AT, age);
        assert!(!head.is_fresh(WINDOW, now));
        assert_eq!(place(&head, &first, None, WINDOW, now), Verdict::Advance);
    }
}

#[test]
fn a_window_of_zero_is_the_strict_rule_with_repeats() {
    for age in [0, 1, HOUR_MS] {
        let now = after(HEAD_AT, age);
        let strict = |token, attempt| place(&head(), &token, attempt, Seconds(0), now);
        let the_head = token(7, HEAD, PREVIOUS, HEAD_AT);
        assert_eq!(strict(token(8, OTHER, HEAD, HEAD_AT), None), Verdict::Advance);
        assert_eq!(strict(the_head, Some(HEADS_ATTEMPT)), Verdict::Repeat);
        assert_eq!(strict(the_head, Some(OTHER_ATTEMPT)), reuse(Evidence::ExchangedBefore));
        assert_eq!(strict(the_head, None), reuse(Evidence::ExchangedBefore));
        assert_eq!(strict(token(6, PREVIOUS, ELDER, HEAD_AT), None), reuse(Evidence::PreviousHead));
        assert_eq!(strict(token(7, OTHER, PREVIOUS, now), None), reuse(Evidence::OtherBranch));
    }
}

#[test]
fn a_head_that_came_without_an_attempt_id_has_no_repeat() {
    let head = Head { attempt: None, ..head() };
    let the_head = token(7, HEAD, PREVIOUS, HEAD_AT);
    for attempt in [None, Some(HEADS_ATTEMPT)] {
        let fresh = place(&head, &the_head, attempt, WINDOW, after(HEAD_AT, WINDOW_MS - 1));
        let settled = place(&head, &the_head, attempt, WINDOW, after(HEAD_AT, WINDOW_MS));
        assert_eq!((fresh, settled), (Verdict::Sibling, reuse(Evidence::ExchangedBefore)));
    }
}

#[test]
fn sixteen_lost_generations_heal_and_seventeen_are_in_doubt() {
    assert_eq!(HEAL_GENERATIONS_MAX, 16);
    for now in [HEAD_AT, after(HEAD_AT, WINDOW_MS), after(HEAD_AT, HOUR_MS)] {
        let ahead = |lost: u64| at(&token(8 + lost, OTHER, OTHER, now), now);
        assert_eq!(ahead(1), Verdict::Heal { lost: 1 });
        assert_eq!(ahead(16), Verdict::Heal { lost: 16 });
        assert_eq!(ahead(17), Verdict::InDoubt { lost: 17 });
        assert_eq!(ahead(1_000_000), Verdict::InDoubt { lost: 1_000_000 });
        assert_eq!(at(&token(u64::MAX, OTHER, OTHER, now), now), Verdict::InDoubt { lost: u64::MAX - 8 });
    }
}

#[test]
fn evidence_has_a_word_of_its_own_each() {
    use Evidence::{ExchangedBefore, Older, OtherBranch, OtherParent, PreviousHead};
    let words = [ExchangedBefore, PreviousHead, OtherBranch, OtherParent, Older].map(Evidence::as_str);
    assert_eq!(words, ["exchanged_before", "previous_head", "other_branch", "other_parent", "older"]);
}

struct Row {
    is: &'static str,
    generation: u64,
    nonce: Nonce,
    parent: Nonce,
    fresh: Verdict,
    settled: Verdict,
}

impl Row {
    const fn always(
        is: &'static str,
        generation: u64,
        nonce: Nonce,
        parent: Nonce,
        verdict: Verdict,
    ) -> Self {
        Self { is, generation, nonce, parent, fresh: verdict, settled: verdict }
    }
}

fn at(token: &RefreshToken, now: Timestamp) -> Verdict {
    place(&head(), token, None, WINDOW, now)
}

const fn reuse(evidence: Evidence) -> Verdict {
    Verdict::Reuse(evidence)
}

const fn head() -> Head {
    Head {
        generation: Generation(7),
        nonce: HEAD,
        parent: PREVIOUS,
        at: HEAD_AT,
        attempt: Some(HEADS_ATTEMPT),
    }
}

const HEAD_AT: Timestamp = after(LOGIN_AT, 5 * HOUR_MS);
const WINDOW: Seconds = Seconds(30);
const WINDOW_MS: i64 = 30_000;
const HOUR_MS: i64 = 3_600_000;
const FRESH: &[i64] = &[-1, 0, 1, 15_000, WINDOW_MS - 1];
const SETTLED: &[i64] = &[WINDOW_MS, WINDOW_MS + 1, 2 * WINDOW_MS, HOUR_MS, 8 * HOUR_MS];
const HEAD: Nonce = Nonce([70; 8]);
const PREVIOUS: Nonce = Nonce([60; 8]);
const ELDER: Nonce = Nonce([50; 8]);
const OTHER: Nonce = Nonce([99; 8]);
const HEADS_ATTEMPT: AttemptHash = AttemptHash([1; 8]);
const OTHER_ATTEMPT: AttemptHash = AttemptHash([2; 8]);
