//! Sessions end: here, elsewhere, everywhere.

use super::{COMMIT_TRIES_MAX, Door, Doubt, Sessions};
use relatch_core::{EventKind, LogoutDecision, Origin, Revocation, RevokeReason, Session, Update, logout};
use relatch_store::{Change, Commit, Loaded, NewEvent, SubjectChange, SubjectEnd, SubjectUpdate, User};
use relatch_token::{SealedToken, SessionId, Timestamp, UserId};

/// The end of one session, by somebody who names it.
#[derive(Clone, Debug)]
pub struct EndOne {
    /// Which.
    pub session_id: SessionId,
    /// Whose it must be; none for an operator, who may end anybody's.
    pub owner: Option<UserId>,
    /// Why.
    pub reason: RevokeReason,
    /// From where it was asked.
    pub origin: Origin,
    /// Who asked, where it was not the owner.
    pub by: Option<String>,
}

/// The end of all sessions of a user.
#[derive(Clone, Debug)]
pub struct EndAll {
    /// Whose, as they were read.
    pub user: User,
    /// Whether it only counts while the user's epoch is as it was read: a check of the password came before.
    pub is_conditional: bool,
    /// The one that goes on.
    pub keep: Option<SessionId>,
    /// Why.
    pub reason: RevokeReason,
    /// What else changes in the same write.
    pub update: Option<SubjectUpdate>,
    /// The kind of the event that tells of it.
    pub kind: EventKind,
    /// The session from which it was asked.
    pub from: Option<SessionId>,
    /// From where it was asked.
    pub origin: Origin,
    /// Who asked, where it was not the owner.
    pub by: Option<String>,
}

impl Sessions {
    /// Ends the session of a presented token: any genuine one of the session will do, where it is rightly
    /// bound. Says whether a live session ended.
    pub async fn log_out(
        &self,
        token: &SealedToken,
        door: &Door,
        reason: RevokeReason,
        origin: &Origin,
    ) -> Result<bool, Doubt> {
        for _ in 0..COMMIT_TRIES_MAX {
            let Some(Loaded { session, user }) = self.store.load(token.session_id()).await? else {
                return Ok(false);
            };
            let Ok(token) = token.clone().open(&self.ring, &session.secret) else { return Ok(false) };
            let presented = door.presenting(token);
            let now = self.now();
            let LogoutDecision::Revoke(update) = logout(&session, &user.standing, &presented, reason, now)
            else {
                return Ok(false);
            };
            let event = self.event(kind_of(reason), &session, origin, None, now);
            if self.commit_end(&session, update, event).await? {
                return Ok(true);
            }
        }
        Err(Doubt::Contended)
    }

    /// Ends a session by name. `false` where there is none that lives, or where it is not the owner's.
    pub async fn end_one(&self, end: &EndOne) -> Result<bool, Doubt> {
        for _ in 0..COMMIT_TRIES_MAX {
            let Some(Loaded { session, user }) = self.store.load(end.session_id).await? else {
                return Ok(false);
            };
            let now = self.now();
            let is_anothers = end.owner.is_some_and(|owner| owner != session.user_id);
            if is_anothers || session.check(&user.standing, now).is_err() {
                return Ok(false);
            }
            let update = Update::Revoke(Revocation { at: now, reason: end.reason });
            let word = end.by.as_deref().unwrap_or(end.reason.as_str());
            let event = self.event(kind_of(end.reason), &session, &end.origin, Some(word), now);
            if self.commit_end(&session, update, event).await? {
                return Ok(true);
            }
        }
        Err(Doubt::Contended)
    }

    /// Ends all sessions of a user in one write.
    pub async fn end_all(&self, end: EndAll) -> Result<SubjectEnd, Doubt> {
        let now = self.now();
        let event = NewEvent {
            kind: end.kind,
            at: now,
            user_id: end.user.id,
            session_id: end.from,
            origin: end.origin,
            reason: end.by,
        };
        let change = SubjectChange {
            user_id: end.user.id,
            expected: end.is_conditional.then_some(end.user.standing.not_before),
            at: now,
            reason: end.reason,
            keep: end.keep,
            update: end.update,
            event,
        };
        Ok(self.store.revoke_subject(change).await?)
    }

    /// The live sessions of a user, the newest first.
    pub async fn list(&self, user: UserId) -> Result<Vec<Session>, Doubt> {
        Ok(self.store.list(user, self.now(), SESSIONS_LISTED_MAX).await?)
    }

    /// When a session was last heard of: its head moves at most once a window, so this is as coarse as that.
    pub const fn last_seen_at(session: &Session) -> Timestamp {
        session.head.at
    }

    async fn commit_end(&self, session: &Session, update: Update, event: NewEvent) -> Result<bool, Doubt> {
        let change = Change { session_id: session.id, expected: session.version, update, event: Some(event) };
        Ok(self.store.commit(change).await? == Commit::Done)
    }
}

fn kind_of(reason: RevokeReason) -> EventKind {
    match reason {
        RevokeReason::Logout => EventKind::Logout,
        _ => EventKind::SessionRevoked,
    }
}

/// More devices than a person has; a list without a bound is a door for a flood.
const SESSIONS_LISTED_MAX: usize = 500;
