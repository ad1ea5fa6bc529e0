//! What operators do to accounts: make them (with an imported hash, if they like), disable and enable them.

use super::{Accounts, TypedPassword};
use crate::email::EmailAddress;
use crate::password::{HashError, PasswordRefusal, StoredHash};
use crate::sessions::{Doubt, EndAll};
use relatch_core::{EventKind, Origin, RevokeReason, Standing};
use relatch_store::{CreateUser, NewUser, PasswordHash, SubjectEnd, SubjectUpdate, User, UserEmail, UserKey};

/// An account that an operator or another system makes.
#[derive(Debug)]
pub struct NewAccount {
    /// The address.
    pub email: Option<EmailAddress>,
    /// Whether it counts as proved.
    pub is_verified: bool,
    /// What to call the person.
    pub name: Option<String>,
    /// The name that another system knows them by.
    pub external_id: Option<String>,
    /// A password, which has to keep the rules.
    pub password: Option<TypedPassword>,
    /// Or the hash that another system kept of it.
    pub imported_hash: Option<PasswordHash>,
    /// Who makes it.
    pub by: String,
}

/// Why an account is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewAccountRefusal {
    /// The address has an account.
    #[error("the address has an account already")]
    EmailTaken,
    /// The external id has one.
    #[error("the external id has an account already")]
    ExternalIdTaken,
    /// The password breaks a rule.
    #[error(transparent)]
    Password(PasswordRefusal),
    /// The hash can't be checked here.
    #[error(transparent)]
    Hash(HashError),
}

impl Accounts {
    /// Makes an account.
    pub async fn create(&self, new: NewAccount) -> Result<Result<User, NewAccountRefusal>, Doubt> {
        let email = new.email.as_ref().map_or("", |email| email.display());
        let password = match (&new.password, new.imported_hash) {
            (Some(typed), _) => match self.check_new_password(typed, email).await? {
                Ok(password) => Some(self.hash_password(password).await?),
                Err(refusal) => return Ok(Err(NewAccountRefusal::Password(refusal))),
            },
            (None, Some(hash)) => match StoredHash::parse(hash.expose()) {
                Ok(_) => Some(hash),
                Err(error) => return Ok(Err(NewAccountRefusal::Hash(error))),
            },
            (None, None) => None,
        };
        let now = self.now();
        let user = User {
            id: self.draw_user_id(),
            email: new.email.map(|email| UserEmail {
                address: email.display().to_owned(),
                unique_key: email.unique_key().to_owned(),
                verified_at: new.is_verified.then_some(now),
            }),
            name: new.name,
            external_id: new.external_id,
            created_at: now,
            standing: Standing::default(),
        };
        let event = self.event(EventKind::SignedUp, user.id, &Origin::default(), Some(&new.by));
        let made = user.clone();
        Ok(match self.parts.store.create_user(NewUser { user, password, event, welcome: None }).await? {
            CreateUser::Done => Ok(made),
            CreateUser::EmailTaken => Err(NewAccountRefusal::EmailTaken),
            CreateUser::ExternalIdTaken => Err(NewAccountRefusal::ExternalIdTaken),
        })
    }

    /// Whether this password would log the user in; nothing is written and no limit counts, so this is not for
    /// strangers to ask. `None` where there is no such user.
    pub async fn would_log_in(&self, key: &UserKey, typed: TypedPassword) -> Result<Option<bool>, Doubt> {
        let Some((user, stored)) = self.parts.store.credentials(key).await? else { return Ok(None) };
        let verdict = self.verify_password(stored.as_ref(), typed).await?;
        Ok(Some(verdict.matches && user.standing.disabled_at.is_none()))
    }

    /// Disables a user and ends all their sessions. `None` where there is no such user.
    pub async fn disable(&self, key: &UserKey, by: &str) -> Result<Option<u64>, Doubt> {
        let end = (RevokeReason::UserDisabled, Some(SubjectUpdate::Disable), EventKind::UserDisabled);
        self.end_all_of(key, end, by).await
    }

    /// Ends all sessions of a user. `None` where there is no such user.
    pub async fn log_out_everywhere(&self, key: &UserKey, by: &str) -> Result<Option<u64>, Doubt> {
        self.end_all_of(key, (RevokeReason::EndedByOperator, None, EventKind::LogoutAll), by).await
    }

    /// Lets a disabled user come back. `None` where there is no such user.
    pub async fn enable(&self, key: &UserKey, by: &str) -> Result<Option<()>, Doubt> {
        let Some(user) = self.parts.store.user(key).await? else { return Ok(None) };
        let event = self.event(EventKind::UserEnabled, user.id, &Origin::default(), Some(by));
        self.parts.store.enable_user(user.id, event).await?;
        Ok(Some(()))
    }

    async fn end_all_of(
        &self,
        key: &UserKey,
        (reason, update, kind): (RevokeReason, Option<SubjectUpdate>, EventKind),
        by: &str,
    ) -> Result<Option<u64>, Doubt> {
        let Some(user) = self.parts.store.user(key).await? else { return Ok(None) };
        let end = EndAll {
            user,
            is_conditional: false,
            keep: None,
            reason,
            update,
            kind,
            from: None,
            origin: Origin::default(),
            by: Some(by.to_owned()),
        };
        Ok(match self.parts.sessions.end_all(end).await? {
            SubjectEnd::Done { revoked, .. } => Some(revoked),
            SubjectEnd::Conflict => None,
        })
    }
}
