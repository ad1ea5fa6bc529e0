//! Whose access token is this, and does its session still live?

use super::{Doubt, Sessions};
use crate::keys::TokenProblem;
use crate::tokens::AccessTokens;
use relatch_core::Ended;
use relatch_store::Loaded;
use relatch_token::AccessClaims;

/// A live session, proved by an access token.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The session and its user.
    pub loaded: Loaded,
    /// What the token says.
    pub claims: AccessClaims,
}

/// Why an access token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerProblem {
    /// Its time is over.
    Expired,
    /// Its session has ended.
    Revoked,
    /// It isn't one of ours, or not for us.
    Invalid,
}

impl Sessions {
    /// Reads an access token and then its session's row: a logout counts at once here.
    pub async fn authenticate(&self, access_token: &str) -> Result<Result<Bearer, BearerProblem>, Doubt> {
        let now = self.now();
        let claims = match self.access.verify(access_token, now).await? {
            Ok(claims) => claims,
            Err(TokenProblem::Expired) => return Ok(Err(BearerProblem::Expired)),
            Err(_) => return Ok(Err(BearerProblem::Invalid)),
        };
        let Ok(session_id) = claims.sid.parse() else { return Ok(Err(BearerProblem::Invalid)) };
        let Some(loaded) = self.store.load(session_id).await? else {
            return Ok(Err(BearerProblem::Revoked));
        };
        if !AccessTokens::speak_of(&claims, &loaded.session, loaded.user.id) {
            return Ok(Err(BearerProblem::Invalid));
        }
        Ok(match loaded.session.check(&loaded.user.standing, now) {
            Ok(()) => Ok(Bearer { loaded, claims }),
            Err(Ended::Revoked(_)) => Err(BearerProblem::Revoked),
            Err(Ended::Idle | Ended::TooOld) => Err(BearerProblem::Expired),
        })
    }
}
