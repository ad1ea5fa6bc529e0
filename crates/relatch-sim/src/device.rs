//! An owner's device: a browser with any number of tabs on one jar, or an app that holds its token itself.

use crate::dice::Dice;
use crate::history::Party;
use crate::network::Network;
use crate::rule::{Answer, DoorKind, Grant, Request, SECOND};
use crate::timeline::Millis;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::Mutex;

/// How a client refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// As our client library does: one refresh at a time where a lock can be had, "did another tab do it
    /// meanwhile?", an attempt id in shared storage until it is answered, no answer that is older than what is
    /// there; and where the browser put such a cookie into the jar all the same, another refresh at once, while
    /// the window that it came out of is still open.
    Ours,
    /// Every tab for itself, and whatever arrives last is kept; but an attempt id in shared storage.
    NaiveWithAttempt,
    /// The same without an attempt id.
    Naive,
}

/// What a refresh came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There are tokens.
    Served,
    /// Not now.
    Later,
    /// The session is over: log in.
    Over,
}

/// A device; clones are the same one.
#[derive(Clone)]
pub(crate) struct Device {
    /// Its number.
    pub(crate) number: usize,
    /// Whose it is.
    pub(crate) user: usize,
    /// How its token travels.
    pub(crate) door: DoorKind,
    /// How it refreshes.
    pub(crate) manners: Manners,
    network: Network,
    dice: Dice,
    state: Rc<RefCell<State>>,
    lock: Rc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    jar: Option<Grant>,
    attempt: Option<String>,
    attempts: u64,
    /// The newest generation that was heard of.
    newest: u64,
}

impl Device {
    /// A device that nobody has logged in on.
    pub(crate) fn new(
        number: usize,
        user: usize,
        door: DoorKind,
        manners: Manners,
        network: Network,
        dice: Dice,
    ) -> Self {
        Self { number, user, door, manners, network, dice, state: Rc::default(), lock: Rc::default() }
    }

    /// What it holds.
    pub(crate) fn jar(&self) -> Option<Grant> {
        self.state.borrow().jar.clone()
    }

    /// Logs in.
    pub(crate) async fn log_in(&self, tab: usize) -> End {
        let request = Request::LogIn { user: self.user, door: self.door };
        match self.call(tab, request, PATIENCE).await {
            Some(Answer::Served(grant)) => {
                *self.state.borrow_mut() = State { jar: Some(grant), attempt: None, ..self.forget() };
                End::Served
            }
            Some(Answer::Refused(_)) => End::Over,
            _ => End::Later,
        }
    }

    /// Logs out here. Whatever comes back, the token is thrown away.
    pub(crate) async fn log_out(&self, tab: usize) {
        let Some(jar) = self.jar() else { return };
        let request = Request::LogOut { token: jar.refresh_token, door: self.door };
        self.call(tab, request, PATIENCE).await;
        *self.state.borrow_mut() = self.forget();
    }

    /// Asks a protected route.
    pub(crate) async fn look(&self, tab: usize) {
        if let Some(jar) = self.jar() {
            self.call(tab, Request::Me { access_token: jar.access_token }, PATIENCE).await;
        }
    }

    /// Gets new tokens, in a few tries.
    pub(crate) async fn refresh(&self, tab: usize) -> End {
        let mut seen = self.jar();
        for attempt in 0..TRIES_MAX {
            if attempt > 0 {
                self.network.timeline.sleep(self.dice.between((0, BACKOFF << attempt))).await;
            }
            let _locked = match self.manners {
                Manners::Ours => self.network.timeline.within(LOCK_WAIT, self.lock.lock()).await,
                _ => None,
            };
            if self.manners == Manners::Ours && self.jar() != seen {
                return if self.jar().is_some() { End::Served } else { End::Over };
            }
            match self.refresh_once(tab, PATIENCE).await {
                End::Later => {}
                End::Served if self.manners == Manners::Ours && self.is_superseded() => seen = self.jar(),
                end => return end,
            }
        }
        End::Later
    }

    /// Sends what is in the jar, once.
    pub(crate) async fn refresh_once(&self, tab: usize, patience: Millis) -> End {
        let Some(jar) = self.jar() else { return End::Over };
        let attempt = self.attempt();
        let request =
            Request::Refresh { token: jar.refresh_token, door: self.door, attempt: attempt.clone() };
        match self.call(tab, request, patience).await {
            Some(Answer::Served(grant)) => {
                self.keep(grant, attempt);
                End::Served
            }
            Some(Answer::Refused(_)) => {
                *self.state.borrow_mut() = self.forget();
                End::Over
            }
            Some(Answer::Done | Answer::TryLater) | None => End::Later,
        }
    }

    /// The attempt id in shared storage, drawn where there is none.
    fn attempt(&self) -> Option<String> {
        let mut state = self.state.borrow_mut();
        if self.manners != Manners::Naive && state.attempt.is_none() {
            state.attempts += 1;
            state.attempt = Some(format!("{}/{}", self.number, state.attempts));
        }
        state.attempt.clone()
    }

    fn keep(&self, grant: Grant, attempt: Option<String>) {
        let mut state = self.state.borrow_mut();
        if state.attempt == attempt {
            state.attempt = None;
        }
        // A browser keeps the cookie that came last, and no script can help it; a token of its own our client
        // would not put back.
        let is_older = self.manners == Manners::Ours
            && self.door == DoorKind::Body
            && state.jar.as_ref().is_some_and(|jar| jar.generation > grant.generation);
        if !is_older {
            state.newest = state.newest.max(grant.generation);
            state.jar = Some(grant);
        }
    }

    /// Whether the cookie in the jar is older than one that was there before: its answer was overtaken.
    fn is_superseded(&self) -> bool {
        let state = self.state.borrow();
        state.jar.as_ref().is_some_and(|jar| jar.generation < state.newest)
    }

    /// The state of a device that nobody is logged in on. Attempt ids are never drawn twice.
    fn forget(&self) -> State {
        State { attempts: self.state.borrow().attempts, ..State::default() }
    }

    async fn call(&self, tab: usize, request: Request, patience: Millis) -> Option<Answer> {
        self.network.call(Party::Owner(self.number, tab), request, patience).await
    }
}

/// How long a request may take (CLIENT.md).
const PATIENCE: Millis = 10 * SECOND;
/// How long to wait for the lock before going on without.
const LOCK_WAIT: Millis = 5 * SECOND;
const TRIES_MAX: u32 = 3;
/// The longest pause before the first retry; it doubles.
const BACKOFF: Millis = SECOND / 2;
