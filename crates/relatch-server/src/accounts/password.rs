//! Passwords change: by somebody who knows the old one, or by a mailed link. Every session from before ends.

use super::{Accounts, LinkToken, Proof, ProofRefusal, TypedPassword, Visitor};
use crate::email::EmailAddress;
use crate::limits::Purpose;
use crate::password::PasswordRefusal;
use crate::sessions::{Doubt, EndAll, Tokens};
use relatch_core::{EventKind, Origin, RevokeReason};
use relatch_store::{LinkPurpose, SubjectChange, SubjectEnd, SubjectUpdate, User, UserKey};
use std::net::IpAddr;

/// A change of password as it was asked for.
#[derive(Debug)]
pub struct ChangePassword {
    /// The password until now, and who asks.
    pub proof: Proof,
    /// The password from now on.
    pub new: TypedPassword,
}

/// Why a change of password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// It was not proved that the owner asks.
    Proof(ProofRefusal),
    /// The new one breaks a rule.
    Password(PasswordRefusal),
}

/// A reset as it was asked for.
#[derive(Debug)]
pub struct ResetPassword {
    /// The link's random part.
    pub token: LinkToken,
    /// The password from now on.
    pub new: TypedPassword,
    /// From where.
    pub origin: Origin,
}

/// Why a reset is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetRefusal {
    /// The link was never good, is used up, or too old.
    InvalidLink,
    /// The new password breaks a rule; the link can be used again.
    Password(PasswordRefusal),
}

impl Accounts {
    /// Changes a password, ends every session, and opens a new one on the same device.
    pub async fn change_password(
        &self,
        change: ChangePassword,
    ) -> Result<Result<Tokens, ChangeRefusal>, Doubt> {
        let Proof { session, password: current, code, address, origin } = change.proof;
        let mut user = match self.prove_password(&session, current, address).await? {
            Ok(user) => user,
            Err(refusal) => return Ok(Err(ChangeRefusal::Proof(refusal))),
        };
        let password = match self.check_new_password(&change.new, address_of(&user)).await? {
            Ok(password) => password,
            Err(refusal) => return Ok(Err(ChangeRefusal::Password(refusal))),
        };
        // Last, since a right code is used up.
        let amr = match self.prove_code(&user, (&session, code, address, &origin)).await? {
            Ok((amr, _)) => amr,
            Err(refusal) => return Ok(Err(ChangeRefusal::Proof(refusal))),
        };
        let hash = self.hash_password(password).await?;
        let end = EndAll {
            user: user.clone(),
            is_conditional: true,
            keep: None,
            reason: RevokeReason::PasswordChanged,
            update: Some(SubjectUpdate::Password(hash)),
            kind: EventKind::PasswordChanged,
            from: Some(session.id),
            origin: origin.clone(),
            by: None,
        };
        let SubjectEnd::Done { epoch, .. } = self.parts.sessions.end_all(end).await? else {
            return Err(Doubt::Contended);
        };
        user.standing.not_before = epoch;
        let visitor = Visitor {
            transport: session.transport,
            device: session.device,
            is_returning: true,
            remember: session.remember,
            origin: Origin { device_name: session.origin.device_name.clone(), ..origin },
        };
        match self.open_session(user, &visitor, EventKind::Login, amr).await? {
            Ok(tokens) => Ok(Ok(tokens)),
            // Every session from before has ended: only others that log in meanwhile are in the way.
            Err(_) => Err(Doubt::Contended),
        }
    }

    /// Mails a link to set a new password, where the address has an account. Its time and its answer are the
    /// same where it hasn't, and where too many were mailed already.
    pub fn forgot_password(&self, email: &EmailAddress, address: IpAddr, origin: Origin) {
        let limits = &self.parts.mail_limits;
        let now = self.now();
        if limits.check_address(Purpose::ForgottenPassword, address, now).is_err()
            || limits.check_account(Purpose::ForgottenPassword, email.unique_key(), now).is_err()
        {
            return;
        }
        let this = self.clone();
        let key = UserKey::Email(email.unique_key().to_owned());
        self.afterwards("mailing a link to reset a password", async move {
            let Some(user) = this.parts.store.user(&key).await? else { return Ok(()) };
            if user.standing.disabled_at.is_some() {
                return Ok(());
            }
            let event = this.event(EventKind::PasswordResetRequested, user.id, &origin, None);
            this.mail_link(&user, LinkPurpose::ResetPassword, Some(event)).await
        });
    }

    /// Sets a password by a mailed link, which is used up, and ends every session.
    pub async fn reset_password(&self, reset: ResetPassword) -> Result<Result<(), ResetRefusal>, Doubt> {
        let hash = reset.token.hash();
        let now = self.now();
        // Looked at before the password is hashed, so that made-up links cost nothing.
        let Some(link) = self.parts.store.link(hash, LinkPurpose::ResetPassword, now).await? else {
            return Ok(Err(ResetRefusal::InvalidLink));
        };
        let Some(user) = self.parts.store.user(&UserKey::Id(link.user_id)).await? else {
            return Ok(Err(ResetRefusal::InvalidLink));
        };
        let password = match self.check_new_password(&reset.new, address_of(&user)).await? {
            Ok(password) => password,
            Err(refusal) => return Ok(Err(ResetRefusal::Password(refusal))),
        };
        let new = self.hash_password(password).await?;
        let change = SubjectChange {
            user_id: link.user_id,
            expected: Some(link.epoch),
            at: self.now(),
            reason: RevokeReason::PasswordReset,
            keep: None,
            update: Some(SubjectUpdate::PasswordByLink(new, hash)),
            event: self.event(EventKind::PasswordReset, link.user_id, &reset.origin, None),
        };
        Ok(match self.parts.store.revoke_subject(change).await? {
            SubjectEnd::Done { .. } => Ok(()),
            SubjectEnd::Conflict => Err(ResetRefusal::InvalidLink),
        })
    }
}

fn address_of(user: &User) -> &str {
    user.email.as_ref().map_or("", |email| &email.address)
}
