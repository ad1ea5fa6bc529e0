//! Many tabs on one jar: the rows of the scenario table that are about chance, each on 2,000 seeds.

use crate::common::{LOGIN_AT, POLICY, after};
use crate::model::{HOUR, Reply, Server};
use relatch_core::Transport;
use relatch_token::{Generation, RefreshToken, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[test]
fn twenty_tabs_that_restore_within_five_seconds_keep_their_session() {
    every_seed_keeps_its_session(&Crowd { tabs: 20, within_ms: 5000, latency_ms: 1000, lost_percent: 5 });
}

#[test]
fn a_hundred_tabs_over_ten_minutes_keep_their_session() {
    every_seed_keeps_its_session(&Crowd { tabs: 100, within_ms: 600_000, latency_ms: 500, lost_percent: 5 });
}

/// Tabs that wake up at random, and how their network behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) tabs: usize,
    pub(crate) within_ms: u64,
    /// The longest a message takes, each way.
    pub(crate) latency_ms: u64,
    pub(crate) lost_percent: u64,
}

/// `RELATCH_SEEDS=100000` looks at more, a small number at fewer.
fn every_seed_keeps_its_session(crowd: &Crowd) {
    let seeds = std::env::var("RELATCH_SEEDS").map_or(2000, |seeds| seeds.parse().unwrap());
    let lost: Vec<u64> = (0..seeds).filter(|seed| !keeps_its_session(crowd, *seed)).collect();
    assert!(lost.is_empty(), "{} of {seeds} sessions were lost, by seeds {lost:?}", lost.len());
}

/// Lets a crowd wake up after an hour of sleep, then one tab come back an hour later, and another one after that.
fn keeps_its_session(crowd: &Crowd, seed: u64) -> bool {
    let mut browser = Browser::after_login(crowd.tabs, seed);
    browser.wake_up(crowd, LOGIN_AT + HOUR);
    browser.run(crowd).is_some_and(|end| browser.comes_back(end))
}

/// A browser: tabs that share one jar and one storage, and a network that loses and reorders.
pub(crate) struct Browser {
    pub(crate) server: Server,
    pub(crate) jar: RefreshToken,
    /// Whether a tab whose answer is of a lower generation than was seen here refreshes once more.
    pub(crate) refreshes_again: bool,
    /// Whether the server serves another child of the previous head for one window only, as it once did.
    pub(crate) recent_is_one_window: bool,
    /// The highest generation that an answer ever had.
    highest: Generation,
    /// The attempt id in shared storage, until it is answered.
    attempt: Option<String>,
    attempts: u32,
    answered: Vec<bool>,
    /// When, what, which tab, which message.
    events: BinaryHeap<Reverse<(Timestamp, Event, usize, usize)>>,
    /// Every message that was ever sent: a token and its attempt id.
    said: Vec<(RefreshToken, String)>,
    chance: Chance,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A tab finds itself without an access token.
    Wake,
    /// A request reaches the server.
    Request,
    /// An answer reaches the browser.
    Answer,
}

impl Browser {
    pub(crate) fn after_login(tabs: usize, seed: u64) -> Self {
        let (server, first) = Server::after_login(Transport::Cookie);
        Self {
            server,
            jar: first,
            refreshes_again: false,
            recent_is_one_window: false,
            highest: first.generation,
            attempt: None,
            attempts: 0,
            answered: vec![false; tabs],
            events: BinaryHeap::new(),
            said: Vec::new(),
            chance: Chance(seed),
        }
    }

    /// Every tab of the crowd will wake up, from then on.
    pub(crate) fn wake_up(&mut self, crowd: &Crowd, from: Timestamp) {
        for tab in 0..crowd.tabs {
            let wakes_at = after(from, self.chance.below(crowd.within_ms + 1));
            self.events.push(Reverse((wakes_at, Event::Wake, tab, 0)));
        }
    }

    /// Until every tab is served: the time of the last event. `None` when the session was lost on the way.
    pub(crate) fn run(&mut self, crowd: &Crowd) -> Option<Timestamp> {
        let mut end = LOGIN_AT;
        while let Some(Reverse((now, event, tab, message))) = self.events.pop() {
            end = now;
            match event {
                Event::Wake if self.answered[tab] => {}
                Event::Wake => self.send(tab, now, crowd),
                Event::Request => self.serve(tab, message, now, crowd)?,
                Event::Answer => self.receive(tab, message, now),
            }
        }
        Some(end)
    }

    /// One tab an hour later, and one another hour later: whether both are served.
    pub(crate) fn comes_back(&mut self, end: Timestamp) -> bool {
        (1..=2).all(|hours| {
            let token = self.jar;
            let now = after(end, hours * i64::from(HOUR.0) * 1000);
            let reply = self.server.refresh(&token, Some(&format!("later {hours}")), now);
            let served = reply.token().map(|token| self.jar = token);
            served.is_some()
        })
    }

    fn send(&mut self, tab: usize, now: Timestamp, crowd: &Crowd) {
        let fresh = format!("attempt {}", self.attempts + 1);
        let attempt = self.attempt.get_or_insert_with(|| {
            self.attempts += 1;
            fresh
        });
        self.said.push((self.jar, attempt.clone()));
        self.travel(now, Event::Request, tab, crowd);
        // A tab without an answer asks again, until it has one.
        self.events.push(Reverse((after(now, RETRY_AFTER_MS), Event::Wake, tab, 0)));
    }

    fn serve(&mut self, tab: usize, message: usize, now: Timestamp, crowd: &Crowd) -> Option<()> {
        let (token, attempt) = self.said[message].clone();
        if self.recent_is_one_window && self.is_second_window(&token, now) {
            return None;
        }
        let Reply::Served(child) = self.server.refresh(&token, Some(&attempt), now) else { return None };
        self.said.push((child, attempt));
        if self.chance.below(100) >= crowd.lost_percent as i64 {
            self.travel(now, Event::Answer, tab, crowd);
        }
        Some(())
    }

    /// Whether this is another child of the previous head, issued more than one window ago.
    fn is_second_window(&self, token: &RefreshToken, now: Timestamp) -> bool {
        let head = self.server.session.head;
        let is_other_branch = token.generation == head.generation && token.nonce != head.nonce;
        is_other_branch && now.millis_since(token.issued_at) > POLICY.reuse_window.cookie.as_millis()
    }

    /// Every answer goes into the jar, in whatever order it comes: that is how browsers are.
    fn receive(&mut self, tab: usize, message: usize, now: Timestamp) {
        let (token, attempt) = self.said[message].clone();
        self.jar = token;
        if self.attempt == Some(attempt) {
            self.attempt = None;
        }
        self.answered[tab] = !self.refreshes_again || token.generation >= self.highest;
        self.highest = self.highest.max(token.generation);
        if !self.answered[tab] {
            self.events.push(Reverse((now, Event::Wake, tab, 0)));
        }
    }

    /// Sends the last message on its way.
    fn travel(&mut self, now: Timestamp, event: Event, tab: usize, crowd: &Crowd) {
        let arrives_at = after(now, self.chance.below(crowd.latency_ms + 1));
        self.events.push(Reverse((arrives_at, event, tab, self.said.len() - 1)));
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound) as i64
    }
}

/// Longer than the longest round trip, shorter than either window.
const RETRY_AFTER_MS: i64 = 5000;
