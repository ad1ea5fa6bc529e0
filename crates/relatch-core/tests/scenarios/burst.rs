//! Bursts of tabs that straddle the moment when the head settles: what one window of kinship lost, and two keep.
//!
//! Goal: the figures of `docs/decisions/0005-recent-is-two-windows.md`. Method: a tab refreshes; two to ten
//! tabs wake up in the seconds around the end of its window; an hour later one comes back. Each burst is one seed.

use crate::common::{LOGIN_AT, POLICY, after};
use crate::model::HOUR;
use crate::tabs::{Browser, Crowd};
use std::io::Write;

#[test]
fn a_burst_around_the_windows_end_keeps_its_session_with_a_client_that_refreshes_again() {
    for lost_percent in [0, 5] {
        let crowd = Crowd { lost_percent, ..BURST };
        let lost = |rule, client| lost_bursts(&crowd, rule, client);
        let one = [lost(Recent::OneWindow, Client::Naive), lost(Recent::OneWindow, Client::Ours)];
        let two = [lost(Recent::TwoWindows, Client::Naive), lost(Recent::TwoWindows, Client::Ours)];
        // Straight to the terminal: the figures are to be seen where the test passes.
        let _ = writeln!(
            std::io::stderr(),
            "bursts: {} each, {lost_percent} % of answers lost: sessions lost with one window {} by a naive client, \
             {} by ours; with two {} and {}",
            bursts(),
            one[0].len(),
            one[1].len(),
            two[0].len(),
            two[1].len(),
        );
        assert_eq!(two[1], [0u64; 0], "ours, by these seeds");
        if bursts() >= BURSTS {
            assert!(one[1].len() > 10, "one window loses sessions of the best client");
            assert!(two[0].len() < one[0].len(), "two windows keep more sessions of any client");
            assert!(!two[0].is_empty(), "and the rest is what refreshing again is for");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Recent {
    OneWindow,
    TwoWindows,
}

#[derive(Clone, Copy, PartialEq)]
enum Client {
    /// Takes every answer as it comes.
    Naive,
    /// Refreshes once more when an answer is of a lower generation than it has seen.
    Ours,
}

/// The seeds whose session was lost.
fn lost_bursts(crowd: &Crowd, recent: Recent, client: Client) -> Vec<u64> {
    (0..bursts()).filter(|seed| !keeps_its_session(crowd, *seed, recent, client)).collect()
}

fn keeps_its_session(crowd: &Crowd, seed: u64, recent: Recent, client: Client) -> bool {
    let crowd = &Crowd { tabs: 2 + seed as usize % (crowd.tabs - 1), ..*crowd };
    let mut browser = Browser::after_login(crowd.tabs, seed);
    browser.recent_is_one_window = recent == Recent::OneWindow;
    browser.refreshes_again = client == Client::Ours;
    let start = LOGIN_AT + HOUR;
    let token = browser.jar;
    browser.jar = browser.server.refresh(&token, Some("the first"), start).token().unwrap();
    let settles_after = POLICY.reuse_window.cookie.as_millis();
    browser.wake_up(crowd, after(start, settles_after - crowd.within_ms as i64 / 2));
    browser.run(crowd).is_some_and(|end| browser.comes_back(end))
}

/// `RELATCH_SEEDS=60000` looks at more, a small number at fewer.
fn bursts() -> u64 {
    std::env::var("RELATCH_SEEDS").map_or(BURSTS, |seeds| seeds.parse().unwrap())
}

const BURST: Crowd = Crowd { tabs: 10, within_ms: 4000, latency_ms: 1000, lost_percent: 0 };
const BURSTS: u64 = 3000;
