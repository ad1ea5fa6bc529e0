//! Accounts: sign-up, login, passwords and the links that are mailed.
//!
//! Nothing here tells by text, status or time whether an account exists, but a sign-up in its default mode.

mod challenge;
mod change_email;
mod delete;
mod enrol;
mod link;
mod log_in;
mod operate;
mod password;
mod proof;
mod risk;
mod second_factor;
mod sign_up;

pub use challenge::{AnswerChallenge, Challenge, ChallengeRefusal};
pub use change_email::{ChangeEmail, ChangeEmailRefusal, ConfirmEmailRefusal};
pub use enrol::{BeginRefusal, BegunFactor, ConfirmRefusal, ConfirmTotp, FactorRefusal};
pub use link::LinkToken;
pub use log_in::{LogIn, LoggedIn, LoginRefusal};
pub use operate::{NewAccount, NewAccountRefusal};
pub use password::{ChangePassword, ChangeRefusal, ResetPassword, ResetRefusal};
pub use proof::{Proof, ProofRefusal};
pub use second_factor::TypedCode;
pub use sign_up::{SignUp, SignUpRefusal, SignedUp};

use crate::environment::EntropyExt;
use crate::factors::SeedVault;
use crate::limits::{Limiter, LoginLimits, MailLimits};
use crate::mail::Message;
use crate::outbox::Outbox;
use crate::password::{
    BreachedError, BreachedFilter, NewPassword, OwnWords, PasswordRefusal, PasswordRules, PasswordVerdict,
    Passwords, StoredHash,
};
use crate::sessions::{Doubt, OpenRefusal, Opening, RiskWatch, Sessions, Surroundings, Tokens};
use relatch_core::{EventKind, Origin, Transport};
use relatch_store::{Channel, Delivery, NewEvent, PasswordHash, Store, User};
use relatch_token::{DeviceHash, Secret, Timestamp, UserId};
use serde_json::Map;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Who may make an account, and what links and messages say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPolicy {
    /// Whether people may sign up by themselves.
    pub is_signup_enabled: bool,
    /// Whether an account begins only when a mailed link was followed.
    pub verify_email_first: bool,
    /// How the world reaches the server; never taken from a request.
    pub public_url: String,
    /// Where mailed links lead: pages `reset` and `verify` below it; without it the code is mailed alone.
    pub pages_url: Option<String>,
    /// Where the hosted pages are, unless they are off: an account is moved to another address there alone.
    pub hosted_pages_url: Option<String>,
    /// What the service is called.
    pub service_name: String,
    /// What may become a password.
    pub password_rules: PasswordRules,
}

/// A browser or app that asks for a session.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// How its refresh token shall travel.
    pub transport: Transport,
    /// The device cookie that the session will be bound to; none for the body transport.
    pub device: Option<DeviceHash>,
    /// Whether it brought that device cookie along, and so may be known.
    pub is_returning: bool,
    /// Whether its cookies outlive the browser window.
    pub remember: bool,
    /// From where.
    pub origin: Origin,
}

/// Accounts, from sign-up to the last password change.
#[derive(Clone)]
pub struct Accounts {
    parts: Arc<AccountsParts>,
    /// How many things may be done after the answer at a time.
    afterwards: Arc<Semaphore>,
}

/// What [`Accounts`] is made of.
pub struct AccountsParts {
    /// Where accounts are kept.
    pub store: Arc<dyn Store>,
    /// Where their sessions are made.
    pub sessions: Sessions,
    /// Where passwords are hashed.
    pub passwords: Passwords,
    /// How often a login may fail.
    pub login_limits: LoginLimits,
    /// How often a code may be wrong.
    pub code_limits: LoginLimits,
    /// How often a new app's first code may be.
    pub confirm_limits: Limiter,
    /// How seeds are kept.
    pub vault: SeedVault,
    /// What is unusual about a login, and what follows.
    pub risk: Arc<RiskWatch>,
    /// How often an account may be written to.
    pub mail_limits: MailLimits,
    /// The passwords that nobody may choose any more, because they were in breaches.
    pub breached: Option<Arc<BreachedFilter>>,
    /// Where messages wait to leave.
    pub outbox: Outbox,
    /// Whether any leave at all.
    pub can_mail: bool,
    /// The operator's decisions.
    pub policy: AccountPolicy,
    /// Time and randomness.
    pub surroundings: Surroundings,
}

impl Accounts {
    /// The room, furnished.
    pub fn new(parts: AccountsParts) -> Self {
        Self { parts: Arc::new(parts), afterwards: Arc::new(Semaphore::new(AFTERWARDS_MAX)) }
    }

    /// Checks a password that somebody wants to have: by the rules, then against the breached ones.
    async fn check_new_password(
        &self,
        typed: &TypedPassword,
        email: &str,
    ) -> Result<Result<NewPassword, PasswordRefusal>, Doubt> {
        let policy = &self.parts.policy;
        let own = OwnWords { email, service: &policy.service_name };
        let password = match policy.password_rules.check(typed.expose(), own) {
            Ok(password) => password,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(filter) = self.parts.breached.clone() else { return Ok(Ok(password)) };
        let typed = typed.clone();
        // It reads a file, which may be slow.
        let found = tokio::task::spawn_blocking(move || filter.contains(typed.expose())).await;
        match found {
            Ok(Ok(true)) => Ok(Err(PasswordRefusal::Breached)),
            Ok(Ok(false)) => Ok(Ok(password)),
            Ok(Err(error)) => Err(Doubt::Breached(error.to_string())),
            Err(_) => Err(Doubt::Breached("the check broke down".to_owned())),
        }
    }

    /// Reads what is only looked into while the server runs, and refuses it where it is damaged.
    pub fn check_files(&self) -> Result<(), BreachedError> {
        self.parts.breached.as_ref().map_or(Ok(()), |filter| filter.check())
    }

    /// Judges an attempt at a password. A stored hash that can't be read counts as none, which takes as long.
    async fn verify_password(
        &self,
        stored: Option<&PasswordHash>,
        attempt: TypedPassword,
    ) -> Result<PasswordVerdict, Doubt> {
        let stored = stored.and_then(|text| match StoredHash::parse(text.expose()) {
            Ok(hash) => Some(hash),
            Err(error) => {
                tracing::error!(%error, "a stored password hash can't be read");
                None
            }
        });
        Ok(self.parts.passwords.verify(stored, attempt).await?)
    }

    async fn hash_password(&self, password: NewPassword) -> Result<PasswordHash, Doubt> {
        let hash = self.parts.passwords.hash(password).await?;
        Ok(PasswordHash::new(hash.expose().to_owned()))
    }

    /// Opens a first-party session for a person who proved who they are, by those methods.
    async fn open_session(
        &self,
        user: User,
        visitor: &Visitor,
        kind: EventKind,
        amr: Vec<String>,
    ) -> Result<Result<Tokens, OpenRefusal>, Doubt> {
        let opening = Opening {
            user,
            transport: visitor.transport,
            device: visitor.device,
            client_id: None,
            scope: None,
            amr,
            origin: visitor.origin.clone(),
            remember: visitor.remember,
            claims: Map::new(),
            kind,
            reason: None,
        };
        self.parts.sessions.open(opening).await
    }

    /// Answers the password work that was taken, and takes no more; ends what goes on after answers.
    pub async fn stop(&self) {
        self.parts.passwords.stop().await;
        let all = u32::try_from(AFTERWARDS_MAX).unwrap_or(u32::MAX);
        if tokio::time::timeout(AFTERWARDS_GRACE, self.afterwards.acquire_many(all)).await.is_err() {
            tracing::warn!("stopped before all was done that goes on after answers");
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.surroundings.clock.now()
    }

    fn draw_user_id(&self) -> UserId {
        UserId::from_bytes(self.parts.surroundings.entropy.array())
    }

    /// Does something after the answer, so that its duration tells the caller nothing. Beyond a bound it is
    /// left undone, and said so: what is done here is asked for anonymously.
    fn afterwards(&self, what: &'static str, work: impl Future<Output = Result<(), Doubt>> + Send + 'static) {
        let Ok(permit) = Arc::clone(&self.afterwards).try_acquire_owned() else {
            tracing::warn!(what, "left undone: too much is under way");
            return;
        };
        tokio::spawn(async move {
            if let Err(doubt) = work.await {
                tracing::warn!(what, %doubt, "could not be done");
            }
            drop(permit);
        });
    }

    /// Whether messages leave this server at all.
    pub fn can_mail(&self) -> bool {
        self.parts.can_mail
    }

    /// A message as the outbox keeps it. What belongs to a user leaves with them.
    fn delivery(&self, message: &Message, user_id: Option<UserId>) -> Delivery {
        self.parts.outbox.delivery(Channel::Mail, user_id, &message.to_payload())
    }

    fn event(&self, kind: EventKind, user_id: UserId, origin: &Origin, reason: Option<&str>) -> NewEvent {
        NewEvent {
            kind,
            at: self.now(),
            user_id,
            session_id: None,
            origin: origin.clone(),
            reason: reason.map(str::to_owned),
        }
    }
}

/// A password as it was typed.
pub type TypedPassword = Secret<String>;

/// Each holds little memory and one queue place of the store; a flood must not pile up.
const AFTERWARDS_MAX: usize = 256;
/// A few writes to the store; one that hangs must not keep the server from stopping.
const AFTERWARDS_GRACE: Duration = Duration::from_secs(5);
