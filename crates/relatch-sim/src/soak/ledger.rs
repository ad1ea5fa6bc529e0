//! Who got which token, and which session it belongs to: looked up again and again by the checker.

use crate::history::{CallId, History, Party, What};
use crate::rule::{Answer, Request};
use crate::timeline::Millis;
use std::collections::BTreeMap;

/// A session's place in the ledger.
pub(super) type SessionNumber = usize;

/// What a history says about sessions and tokens as a whole.
#[derive(Default)]
pub(super) struct Ledger {
    /// Every session, in the order of the logins.
    pub(super) sessions: Vec<Opened>,
    /// Every refresh token.
    tokens: BTreeMap<String, Given>,
    access_tokens: BTreeMap<String, SessionNumber>,
    by_name: BTreeMap<String, SessionNumber>,
    /// Ends of all sessions: whose, from when to when it may have taken effect.
    ends: BTreeMap<CallId, (usize, Millis, Millis)>,
}

/// A refresh token that was given to somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// When first.
    pub(super) at: Millis,
    /// Of which session it is.
    pub(super) session: SessionNumber,
    /// Its generation.
    pub(super) generation: u64,
}

/// How a session began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// On which device.
    pub(super) device: usize,
    /// Whose it is.
    pub(super) user: usize,
    /// When the login was sent.
    pub(super) asked_at: Millis,
    /// When the server had decided it.
    pub(super) at: Millis,
}

impl Ledger {
    /// The ledger of a whole history.
    pub(super) fn of(history: &History) -> Self {
        let mut ledger = Self::default();
        for moment in &history.moments {
            match &moment.what {
                What::Asked(call) => {
                    if let Request::EndAll { user, .. } = history.calls[*call].request {
                        ledger.ends.insert(*call, (user, moment.at, moment.at));
                    }
                }
                What::Decided { call, reply, .. } => {
                    ledger.note_end(*call, moment.at);
                    if let Answer::Served(grant) = &reply.answer {
                        let number = ledger.number(&grant.session, history, *call, moment.at);
                        let given = Given { at: moment.at, session: number, generation: grant.generation };
                        ledger.tokens.entry(grant.refresh_token.clone()).or_insert(given);
                        ledger.access_tokens.insert(grant.access_token.clone(), number);
                    }
                }
                What::Lost { call, .. } => ledger.note_end(*call, moment.at),
                _ => {}
            }
        }
        ledger
    }

    /// The session that a request is about, where its token is one that was given.
    pub(super) fn session_of(&self, request: &Request) -> Option<SessionNumber> {
        match request {
            Request::Refresh { token, .. } | Request::LogOut { token, .. } => {
                self.given(token).map(|given| given.session)
            }
            Request::Me { access_token } => self.access_tokens.get(access_token).copied(),
            Request::LogIn { .. } | Request::EndAll { .. } => None,
        }
    }

    /// What is known of a refresh token.
    pub(super) fn given(&self, token: &str) -> Option<Given> {
        self.tokens.get(token).copied()
    }

    /// Whether somebody had asked for the end of all sessions of its user, in time to end this one.
    pub(super) fn may_have_ended(&self, session: &Opened, by: Millis) -> bool {
        let concerns = |(user, from, to): &(usize, Millis, Millis)| {
            *user == session.user && *from <= by && *to >= session.asked_at
        };
        self.ends.values().any(concerns)
    }

    fn note_end(&mut self, call: CallId, at: Millis) {
        if let Some((_, _, last)) = self.ends.get_mut(&call) {
            *last = at;
        }
    }

    fn number(&mut self, name: &str, history: &History, call: CallId, at: Millis) -> SessionNumber {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let call = &history.calls[call];
        let device = match call.party {
            Party::Owner(device, _) | Party::Thief(device) | Party::Forger(device) => device,
            Party::Operator => usize::MAX,
        };
        let user = if let Request::LogIn { user, .. } = call.request { user } else { usize::MAX };
        self.sessions.push(Opened { device, user, asked_at: call.sent_at, at });
        self.by_name.insert(name.to_owned(), self.sessions.len() - 1);
        self.sessions.len() - 1
    }
}
