//! The least system around the rule: a server with real keys, and what it answers.

use crate::common::{LOGIN_AT, LOGIN_NONCE, POLICY, present, session};
use relatch_core::{
    Child, LogoutDecision, Policy, Presentation, RefreshDecision, RevokeReason, Session, Standing, State,
    Transport, Update, Version, logout, refresh,
};
use relatch_token::{
    AttemptHash, KeyRing, MasterKey, Nonce, RefreshToken, SealedToken, Seconds, Secret, SessionKeys,
    Timestamp,
};

/// One row, the keys to it, and the row as it was before each write.
pub(crate) struct Server {
    pub(crate) session: Session,
    pub(crate) policy: Policy,
    pub(crate) healed: u64,
    ring: KeyRing,
    keys: SessionKeys,
    before: Vec<Session>,
    drawn: u64,
}

/// What a refresh came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reply {
    Served(RefreshToken),
    Refused,
}

impl Server {
    /// A server right after login, and the token it handed out.
    pub(crate) fn after_login(transport: Transport) -> (Self, RefreshToken) {
        let master = MasterKey { id: 1, secret: Secret::new([3; 32]) };
        let ring = KeyRing::new(b"scenarios", vec![master]).unwrap();
        let session = session(transport);
        let keys = ring.session(1, &session.secret).unwrap();
        let mut server =
            Self { session, policy: POLICY, healed: 0, ring, keys, before: Vec::new(), drawn: 0 };
        let head = server.session.head;
        assert_eq!(head.nonce, LOGIN_NONCE);
        let first = server.child(&Child::of(&head, None, LOGIN_AT));
        (server, first)
    }

    /// A refresh by whom the token was issued to.
    pub(crate) fn refresh(&mut self, token: &RefreshToken, attempt: Option<&str>, now: Timestamp) -> Reply {
        let presented = present(&self.session, *token);
        self.refresh_bound(&presented, attempt, now)
    }

    /// A refresh with whatever text somebody sent.
    pub(crate) fn refresh_text(&mut self, text: &str, attempt: Option<&str>, now: Timestamp) -> Reply {
        self.open(text).map_or(Reply::Refused, |token| self.refresh(&token, attempt, now))
    }

    /// A refresh, bound as it is presented.
    pub(crate) fn refresh_bound(
        &mut self,
        it: &Presentation,
        attempt: Option<&str>,
        now: Timestamp,
    ) -> Reply {
        let decision = self.decide(it, attempt, now);
        let based_on = self.session.version;
        assert!(self.commit(&decision, based_on), "nobody else writes here");
        self.answer(&decision)
    }

    /// The first half of a refresh: what is to be done, as the row stands now.
    pub(crate) fn decide(&self, it: &Presentation, attempt: Option<&str>, now: Timestamp) -> RefreshDecision {
        let attempt = attempt.map(|id| self.keys.attempt_hash(id.as_bytes()));
        refresh(&self.session, &Standing::default(), it, attempt, &self.policy, now)
    }

    /// The second half: write it, unless the row has changed since (`false`: load and decide again).
    pub(crate) fn commit(&mut self, decision: &RefreshDecision, based_on: Version) -> bool {
        let Some(update) = decision.update() else { return true };
        if self.session.version != based_on {
            return false;
        }
        self.before.push(self.session.clone());
        update.apply(&mut self.session);
        if let RefreshDecision::Advance { healed, .. } = decision {
            self.healed += healed;
        }
        true
    }

    /// What the client is told, once it is committed.
    pub(crate) fn answer(&mut self, decision: &RefreshDecision) -> Reply {
        match decision {
            RefreshDecision::Advance { child, .. } | RefreshDecision::Answer { child, .. } => {
                Reply::Served(self.child(child))
            }
            _ => Reply::Refused,
        }
    }

    /// A logout with that token.
    pub(crate) fn log_out(&mut self, token: &RefreshToken, now: Timestamp) {
        let presented = present(&self.session, *token);
        if let LogoutDecision::Revoke(update) =
            logout(&self.session, &Standing::default(), &presented, RevokeReason::Logout, now)
        {
            update.apply(&mut self.session);
        }
    }

    /// Ends the session as an operator or a password change does.
    pub(crate) fn revoke(&mut self, reason: RevokeReason, now: Timestamp) {
        Update::Revoke(relatch_core::Revocation { at: now, reason }).apply(&mut self.session);
    }

    /// A crash after which the last writes are gone.
    pub(crate) fn lose_writes(&mut self, count: usize) {
        for _ in 0..count {
            self.session = self.before.pop().unwrap();
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.session.state != State::Live
    }

    /// The token as it crosses the wire.
    pub(crate) fn seal(&self, token: &RefreshToken) -> String {
        token.seal(&self.ring, &self.keys).unwrap().expose().clone()
    }

    /// A text as the edge reads it: no token for anything that this server did not issue.
    pub(crate) fn open(&self, text: &str) -> Option<RefreshToken> {
        SealedToken::parse(text, &self.ring).ok()?.open(&self.ring, &self.session.secret).ok()
    }

    fn child(&mut self, child: &Child) -> RefreshToken {
        let nonce = match child.attempt {
            Some(attempt) => self.derived(child, attempt),
            None => self.drawn(),
        };
        child.token(self.session.id, nonce)
    }

    fn derived(&self, child: &Child, attempt: AttemptHash) -> Nonce {
        self.keys.child_nonce((child.parent_generation, child.parent), attempt)
    }

    fn drawn(&mut self) -> Nonce {
        self.drawn += 1;
        Nonce(self.drawn.to_be_bytes())
    }
}

impl Reply {
    /// The token, where there is one.
    pub(crate) fn token(self) -> Option<RefreshToken> {
        match self {
            Self::Served(token) => Some(token),
            Self::Refused => None,
        }
    }
}

/// One refresh period.
pub(crate) const HOUR: Seconds = Seconds(3600);
