//! Sign-up: an account and its first session, or, where addresses are proved first, a mail.

use super::log_in::is_verified;
use super::proof::amr;
use super::{Accounts, TypedPassword, Visitor};
use crate::email::EmailAddress;
use crate::limits::Purpose;
use crate::password::{NewPassword, PasswordRefusal};
use crate::sessions::{Doubt, Tokens};
use relatch_core::{Epoch, EventKind, Standing};
use relatch_store::{CreateUser, Enqueue, LinkPurpose, NewUser, PasswordHash, User, UserEmail, UserKey};
use relatch_token::Seconds;
use std::net::IpAddr;

/// A sign-up as it was asked for.
#[derive(Debug)]
pub struct SignUp {
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: TypedPassword,
    /// What to call the person.
    pub name: Option<String>,
    /// Who asks.
    pub visitor: Visitor,
    /// From which network address.
    pub address: IpAddr,
}

/// How a sign-up went.
#[derive(Debug)]
pub enum SignedUp {
    /// The account exists, and its first session.
    Opened(Box<Tokens>),
    /// The rest happens by mail.
    MailSent,
}

/// Why a sign-up is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpRefusal {
    /// People can't sign up by themselves here.
    Disabled,
    /// The address has an account.
    EmailTaken,
    /// The password breaks a rule.
    Password(PasswordRefusal),
    /// Too many sign-ups from one address.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

impl Accounts {
    /// Signs a person up.
    pub async fn sign_up(&self, sign_up: SignUp) -> Result<Result<SignedUp, SignUpRefusal>, Doubt> {
        if !self.parts.policy.is_signup_enabled {
            return Ok(Err(SignUpRefusal::Disabled));
        }
        let password = match self.check_new_password(&sign_up.password, sign_up.email.display()).await? {
            Ok(password) => password,
            Err(refusal) => return Ok(Err(SignUpRefusal::Password(refusal))),
        };
        if let Err(limited) =
            self.parts.mail_limits.check_address(Purpose::SignUp, sign_up.address, self.now())
        {
            return Ok(Err(SignUpRefusal::TooMany { retry_after: limited.retry_after }));
        }
        if self.parts.policy.verify_email_first {
            self.sign_up_by_mail(sign_up, password).await.map(|()| Ok(SignedUp::MailSent))
        } else {
            self.sign_up_at_once(sign_up, password).await
        }
    }

    async fn sign_up_at_once(
        &self,
        sign_up: SignUp,
        password: NewPassword,
    ) -> Result<Result<SignedUp, SignUpRefusal>, Doubt> {
        let key = UserKey::Email(sign_up.email.unique_key().to_owned());
        if self.parts.store.user(&key).await?.is_some() {
            return Ok(Err(SignUpRefusal::EmailTaken));
        }
        let hash = self.hash_password(password).await?;
        let new = self.new_user(&sign_up, Some(hash));
        let user = new.user.clone();
        if self.parts.store.create_user(new).await? != CreateUser::Done {
            return Ok(Err(SignUpRefusal::EmailTaken));
        }
        self.parts.outbox.queued(Enqueue::Done);
        match self.open_session(user, &sign_up.visitor, EventKind::Login, amr(false)).await? {
            Ok(tokens) => Ok(Ok(SignedUp::Opened(Box::new(tokens)))),
            Err(_) => Err(Doubt::Contended),
        }
    }

    /// Hashes in any case, and does the rest after the answer: its time tells nobody whether the address has
    /// an account.
    async fn sign_up_by_mail(&self, sign_up: SignUp, password: NewPassword) -> Result<(), Doubt> {
        let hash = self.hash_password(password).await?;
        let this = self.clone();
        self.afterwards("signing up by mail", async move { this.finish_by_mail(sign_up, hash).await });
        Ok(())
    }

    async fn finish_by_mail(&self, sign_up: SignUp, hash: PasswordHash) -> Result<(), Doubt> {
        let unique_key = sign_up.email.unique_key();
        // Over the budget nothing shows: the answer has gone out.
        if self.parts.mail_limits.check_account(Purpose::SignUp, unique_key, self.now()).is_err() {
            return Ok(());
        }
        let new = self.new_user(&sign_up, Some(hash));
        if self.parts.store.create_user(new).await? == CreateUser::Done {
            self.parts.outbox.queued(Enqueue::Done);
            return Ok(());
        }
        let key = UserKey::Email(unique_key.to_owned());
        let Some(user) = self.parts.store.user(&key).await? else { return Ok(()) };
        if is_verified(&user) {
            return self.mail_reminder(&user).await;
        }
        // Who asks has proved nothing, and an account with an unproved address may be in use, made by an
        // operator or in another mode: nothing of it changes. Whoever reads its mail chooses the password; and
        // a link under way must not vouch for the password of whoever asked first.
        self.void_links(&user, LinkPurpose::VerifyEmail).await?;
        self.mail_link(&user, LinkPurpose::ResetPassword, None).await
    }

    fn new_user(&self, sign_up: &SignUp, password: Option<PasswordHash>) -> NewUser {
        let user = User {
            id: self.draw_user_id(),
            email: Some(UserEmail {
                address: sign_up.email.display().to_owned(),
                unique_key: sign_up.email.unique_key().to_owned(),
                verified_at: None,
            }),
            name: sign_up.name.clone(),
            external_id: None,
            created_at: self.now(),
            standing: Standing { not_before: Epoch(0), moved: None, disabled_at: None },
        };
        let event = self.event(EventKind::SignedUp, user.id, &sign_up.visitor.origin, None);
        let welcome = self.welcome(&user);
        NewUser { user, password, event, welcome }
    }
}
