//! An account is deleted, by its owner or by an operator: at once, for good, with everything personal.

use super::proof::Proved;
use super::{Accounts, Proof, ProofRefusal};
use crate::sessions::{Doubt, EndAll};
use relatch_core::{EventKind, Origin, RevokeReason};
use relatch_store::{SubjectEnd, SubjectUpdate, User, UserKey};

impl Accounts {
    /// Deletes the account of who asks, and ends all its sessions, in one write that nothing undoes. The
    /// address may sign up again, and is another user then. A farewell is mailed to it.
    ///
    /// Who has no password (brought by another system) can't prove one: an operator deletes them.
    pub async fn delete(&self, proof: Proof) -> Result<Result<(), ProofRefusal>, Doubt> {
        let Proved { user, session, origin, .. } = match self.prove(proof).await? {
            Ok(proved) => proved,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let end = EndAll {
            // The password that was checked must still be the password.
            is_conditional: true,
            from: Some(session.id),
            origin,
            ..deletion_of(user.clone())
        };
        let SubjectEnd::Done { .. } = self.parts.sessions.end_all(end).await? else {
            return Err(Doubt::Contended);
        };
        self.mail_farewell(&user, "Your account is deleted", FAREWELL).await;
        Ok(Ok(()))
    }

    /// Deletes an account on an operator's word, and says how many sessions ended. `None` where there is no
    /// such user.
    pub async fn delete_by_operator(&self, key: &UserKey, by: &str) -> Result<Option<u64>, Doubt> {
        let Some(user) = self.parts.store.user(key).await? else { return Ok(None) };
        let end = EndAll { by: Some(by.to_owned()), ..deletion_of(user) };
        Ok(match self.parts.sessions.end_all(end).await? {
            SubjectEnd::Done { revoked, .. } => Some(revoked),
            SubjectEnd::Conflict => None,
        })
    }
}

fn deletion_of(user: User) -> EndAll {
    EndAll {
        user,
        is_conditional: false,
        keep: None,
        reason: RevokeReason::UserDeleted,
        update: Some(SubjectUpdate::Delete),
        kind: EventKind::UserDeleted,
        from: None,
        origin: Origin::default(),
        by: None,
    }
}

const FAREWELL: &str = "Your account was deleted, as you asked, and all its sessions have ended.\n\n\
     This cannot be undone. You may sign up again, and begin anew.\n";
