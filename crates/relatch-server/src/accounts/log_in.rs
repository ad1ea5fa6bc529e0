//! Login by password.

use super::challenge::Challenge;
use super::proof::amr;
use super::{Accounts, TypedPassword, Visitor};
use crate::email::EmailAddress;
use crate::environment::EntropyExt;
use crate::sessions::{Doubt, OpenRefusal, Tokens};
use relatch_core::{Action, EventKind};
use relatch_store::{PasswordHash, User, UserKey};
use relatch_token::{DeviceHash, Seconds, UserId};
use std::net::IpAddr;

/// A login as it was asked for.
#[derive(Debug)]
pub struct LogIn {
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: TypedPassword,
    /// Who asks.
    pub visitor: Visitor,
    /// From which network address.
    pub address: IpAddr,
}

/// How a login with a right password goes on.
#[derive(Debug)]
pub enum LoggedIn {
    /// The session has begun.
    Opened(Box<Tokens>),
    /// A second factor has to be proved first: nothing has begun.
    Challenged(Challenge),
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// No such account, another password, or a disabled user: nobody can tell which.
    InvalidCredentials,
    /// The password is right, but the address has to be proved first.
    EmailNotVerified,
    /// The password is right, but there are as many sessions as one person may have.
    TooManySessions,
    /// Too many tries.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

impl Accounts {
    /// Logs a person in, or asks for their second factor.
    pub async fn log_in(&self, login: LogIn) -> Result<Result<LoggedIn, LoginRefusal>, Doubt> {
        let key = UserKey::Email(login.email.unique_key().to_owned());
        for _ in 0..LOGIN_TRIES_MAX {
            let found = self.parts.store.credentials(&key).await?;
            let user_id = found.as_ref().map(|(user, _)| user.id);
            let known_device = self.known_device(user_id, &login.visitor).await?;
            let taken = self
                .parts
                .login_limits
                .take(login.email.unique_key(), login.address, known_device, &*self.parts.surroundings.clock)
                .await;
            let attempt = match taken {
                Ok(attempt) => attempt,
                Err(limited) => return Ok(Err(LoginRefusal::TooMany { retry_after: limited.retry_after })),
            };
            let (user, stored) = found.map_or((None, None), |(user, stored)| (Some(user), stored));
            let verdict = match self.verify_password(stored.as_ref(), login.password.clone()).await {
                Ok(verdict) => verdict,
                Err(doubt) => {
                    attempt.undecided();
                    return Err(doubt);
                }
            };
            let Some(user) = user.filter(|user| verdict.matches && user.standing.disabled_at.is_none())
            else {
                self.remember_failure(user_id, &login.visitor);
                return Ok(Err(LoginRefusal::InvalidCredentials));
            };
            if self.parts.policy.verify_email_first && !is_verified(&user) {
                attempt.succeeded();
                return Ok(Err(LoginRefusal::EmailNotVerified));
            }
            let weighed = match self.weigh_login(&user, &login.visitor, known_device.is_some()).await {
                Ok(weighed) => weighed,
                Err(doubt) => {
                    attempt.undecided();
                    return Err(doubt);
                }
            };
            // The try counts as a failure then, or its answer's time could be measured until it tells that the
            // password was right.
            if weighed.action >= Action::StepUp {
                self.refuse_login(user, &login.visitor, &weighed).await?;
                return Ok(Err(LoginRefusal::InvalidCredentials));
            }
            attempt.succeeded();
            if let (Some(better), Some(old)) = (verdict.upgrade, stored) {
                let event = self.event(EventKind::PasswordUpgraded, user.id, &login.visitor.origin, None);
                let better = PasswordHash::new(better.expose().to_owned());
                self.parts.store.upgrade_password(user.id, &old, better, event).await?;
            }
            if let Some(challenge) = self.challenge(&user, &login.visitor).await? {
                if let Some(note) = &weighed.note {
                    self.note_challenged(&user, &login.visitor, note);
                }
                return Ok(Ok(LoggedIn::Challenged(challenge)));
            }
            // Stale: the password was changed while this one was being checked. Check again.
            match self.open_session(user, &login.visitor, EventKind::Login, amr(false)).await? {
                Ok(tokens) => {
                    if let Some(note) = &weighed.note {
                        self.note_login(&tokens.user, tokens.session.id, &login.visitor, note).await;
                    }
                    return Ok(Ok(LoggedIn::Opened(Box::new(tokens))));
                }
                Err(OpenRefusal::Full) => return Ok(Err(LoginRefusal::TooManySessions)),
                Err(OpenRefusal::Stale) => {}
            }
        }
        Err(Doubt::Contended)
    }

    /// The device cookie, where it is of a device that this user has logged in with and not forgotten. An
    /// unknown user costs the same look.
    pub(super) async fn known_device(
        &self,
        user_id: Option<UserId>,
        visitor: &Visitor,
    ) -> Result<Option<DeviceHash>, Doubt> {
        let Some(device) = visitor.device.filter(|_| visitor.is_returning) else { return Ok(None) };
        let nobody = || UserId::from_bytes(self.parts.surroundings.entropy.array());
        let known = self.parts.store.device(user_id.unwrap_or_else(nobody), device).await?;
        Ok(known.map(|known| known.hash))
    }

    /// Leaves an event in the history of whoever's account was tried, after the answer: a write that only
    /// happens for real accounts must not be heard in the answer's time.
    fn remember_failure(&self, user_id: Option<UserId>, visitor: &Visitor) {
        let Some(user_id) = user_id else { return };
        let event = self.event(EventKind::LoginFailed, user_id, &visitor.origin, Some("wrong_password"));
        let store = self.parts.store.clone();
        self.afterwards("recording a failed login", async move { Ok(store.record(event).await?) });
    }
}

pub(super) fn is_verified(user: &User) -> bool {
    user.email.as_ref().is_some_and(|email| email.verified_at.is_some())
}

/// A second try follows when the password changed during the first; more than a few is somebody's game.
const LOGIN_TRIES_MAX: usize = 3;
