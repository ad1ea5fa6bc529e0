//! Logout: any genuine token of the session will do, old ones too, where it is rightly bound.

use crate::refresh::check_binding;
use crate::{Presentation, Revocation, RevokeReason, Session, Standing, Update};
use relatch_token::Timestamp;

/// What is to be done about a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogoutDecision {
    /// Commit the end of the session.
    Revoke(Update),
    /// Nothing: it is over already, or the token is not the caller's.
    Nothing,
}

/// Decides about a logout, which is never refused: there is nothing to learn from its answer.
pub fn logout(
    session: &Session,
    user: &Standing,
    presented: &Presentation,
    reason: RevokeReason,
    now: Timestamp,
) -> LogoutDecision {
    if check_binding(session, presented).is_err() || session.check(user, now).is_err() {
        return LogoutDecision::Nothing;
    }
    LogoutDecision::Revoke(Update::Revoke(Revocation { at: now, reason }))
}
