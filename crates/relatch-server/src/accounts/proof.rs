//! The current password, and a code where there is a second factor, asked again before something that a stolen
//! session must not do.

use super::second_factor::{CodeRefusal, Guess, GuessFrom};
use super::{Accounts, TypedCode, TypedPassword};
use crate::factors::Methods;
use crate::sessions::Doubt;
use relatch_core::{Origin, Session};
use relatch_store::{SecondFactors, User, UserKey};
use relatch_token::Seconds;
use std::net::IpAddr;

/// What somebody gives to prove that it is them, and from where.
#[derive(Debug)]
pub struct Proof {
    /// The live session that asks.
    pub session: Session,
    /// The current password.
    pub password: TypedPassword,
    /// A code, where one was given.
    pub code: Option<TypedCode>,
    /// From which network address.
    pub address: IpAddr,
    /// From where.
    pub origin: Origin,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofRefusal {
    /// The password is another, or the user has none.
    WrongPassword,
    /// The password is right, and a code has to come with it.
    CodeRequired {
        /// Of which kinds.
        methods: Methods,
    },
    /// The password is right, and the code is not.
    WrongCode,
    /// Too many tries.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

/// Somebody who proved that it is them.
#[derive(Debug)]
pub(super) struct Proved {
    /// The user as they were *before* the password was checked: what follows has to be refused where the epoch
    /// has moved since.
    pub(super) user: User,
    /// What they had beside the password.
    pub(super) factors: SecondFactors,
    pub(super) session: Session,
    pub(super) origin: Origin,
}

impl Accounts {
    /// Checks the password of a session's user, and then a code where the user has a second factor.
    pub(super) async fn prove(&self, proof: Proof) -> Result<Result<Proved, ProofRefusal>, Doubt> {
        let Proof { session, password, code, address, origin } = proof;
        let user = match self.prove_password(&session, password, address).await? {
            Ok(user) => user,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let asking = (&session, code, address, &origin);
        Ok(match self.prove_code(&user, asking).await? {
            Ok((_, factors)) => Ok(Proved { user, factors, session, origin }),
            Err(refusal) => Err(refusal),
        })
    }

    /// Asks for a code, of a user who typed their password right and has a second factor. Answers what was proved
    /// all in all.
    pub(super) async fn prove_code(
        &self,
        user: &User,
        (session, code, address, origin): (&Session, Option<TypedCode>, IpAddr, &Origin),
    ) -> Result<Result<(Vec<String>, SecondFactors), ProofRefusal>, Doubt> {
        let factors = self.parts.store.second_factors(user.id).await?;
        let Some(methods) = Methods::of(&factors) else { return Ok(Ok((amr(false), factors))) };
        let Some(code) = code else { return Ok(Err(ProofRefusal::CodeRequired { methods })) };
        let guess = Guess {
            user_id: user.id,
            factors: &factors,
            method: None,
            code: &code,
            from: GuessFrom::Session(session.id, session.device),
            address,
            origin,
        };
        Ok(match self.judge_code(guess).await? {
            Ok(()) => Ok((amr(true), factors)),
            Err(CodeRefusal::Wrong) => Err(ProofRefusal::WrongCode),
            Err(CodeRefusal::TooMany { retry_after }) => Err(ProofRefusal::TooMany { retry_after }),
        })
    }

    /// The user of a session who typed their current password right, as they were *before* it was checked.
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

/// The words of RFC 8176 for a password, and for a code beside it: of an app or of a recovery sheet, both are
/// one-time passwords.
pub(super) fn amr(with_code: bool) -> Vec<String> {
    let words = if with_code { &["pwd", "otp"][..] } else { &["pwd"] };
    words.iter().map(|word| (*word).to_owned()).collect()
}
