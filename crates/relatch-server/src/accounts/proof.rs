//! The current password, asked again before something that a stolen session must not do.

use super::{Accounts, TypedPassword};
use crate::sessions::Doubt;
use relatch_core::Session;
use relatch_store::{User, UserKey};
use relatch_token::Seconds;
use std::net::IpAddr;

/// Why the current password proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofRefusal {
    /// It is another, or the user has none.
    WrongPassword,
    /// Too many tries.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

impl Accounts {
    /// The user of a session who typed their current password right, as they were *before* it was checked:
    /// what follows has to be refused where the epoch has moved since.
    pub(super) async fn prove_password(
        &self,
        session: &Session,
        typed: TypedPassword,
        address: IpAddr,
    ) -> Result<Result<User, ProofRefusal>, Doubt> {
        let found = self.parts.store.credentials(&UserKey::Id(session.user_id)).await?;
        let account = session.user_id.to_string();
        let clock = &*self.parts.surroundings.clock;
        // The session counts as a known device: others who fail at the same account don't matter.
        let attempt = match self.parts.login_limits.take(&account, address, session.device, clock).await {
            Ok(attempt) => attempt,
            Err(limited) => return Ok(Err(ProofRefusal::TooMany { retry_after: limited.retry_after })),
        };
        let Some((user, stored)) = found else { return Ok(Err(ProofRefusal::WrongPassword)) };
        let verdict = match self.verify_password(stored.as_ref(), typed).await {
            Ok(verdict) => verdict,
            Err(doubt) => {
                attempt.undecided();
                return Err(doubt);
            }
        };
        if !verdict.matches {
            return Ok(Err(ProofRefusal::WrongPassword));
        }
        attempt.succeeded();
        Ok(Ok(user))
    }
}
