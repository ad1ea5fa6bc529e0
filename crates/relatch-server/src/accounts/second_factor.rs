//! A code is judged: whose it is, how often it may be guessed, and that it counts once.

use super::Accounts;
use crate::factors::{Method, RecoveryCode, TotpCode};
use crate::sessions::Doubt;
use relatch_core::{EventKind, Origin};
use relatch_store::{Commit, Factor, SecondFactors};
use relatch_token::{DeviceHash, Seconds, Secret, SessionId, Timestamp, UserId};
use std::net::IpAddr;

/// A code of either kind, as it was typed.
pub type TypedCode = Secret<String>;

/// A code that somebody gave who knows the password.
pub(super) struct Guess<'a> {
    /// Whose second factor it shall be.
    pub(super) user_id: UserId,
    /// What that user has, read after the password was checked.
    pub(super) factors: &'a SecondFactors,
    /// Of which kind it is said to be; told by its shape if not given.
    pub(super) method: Option<Method>,
    /// The code.
    pub(super) code: &'a TypedCode,
    /// From where.
    pub(super) from: GuessFrom,
    /// From which network address.
    pub(super) address: IpAddr,
    /// For the history.
    pub(super) origin: &'a Origin,
}

/// What a guess is counted by, beside its account.
#[derive(Clone, Copy, Debug)]
pub(super) enum GuessFrom {
    /// A login; with the device, where this user has had a session beside it.
    Login(Option<DeviceHash>),
    /// A live session of the user, and its device.
    Session(SessionId, Option<DeviceHash>),
}

/// Why a code proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeRefusal {
    /// It is none of the user's, or was used before.
    Wrong,
    /// Too many wrong ones.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

impl Accounts {
    /// Judges a code. A right one is used up before this answers, so that of any number of parallel submissions
    /// one is right.
    ///
    /// Wrong ones are counted twice. By the day in memory, as wrong passwords are: a device that is known has a count
    /// of its own, so that nobody locks the owner out. And in the database, over all of time: after
    /// [`WRONG_CODES_MAX`] in a row no code counts any more that comes from a device which the account has never
    /// seen, until a right one comes from another; after [`WRONG_CODES_MAX_KNOWN`] none at all. How little that
    /// leaves to guess is told in `docs/guides/second-factors.md`.
    pub(super) async fn judge_code(&self, guess: Guess<'_>) -> Result<Result<(), CodeRefusal>, Doubt> {
        let user_id = guess.user_id;
        // A session without a device cookie is counted apart from strangers who log in.
        let (key, device) = match guess.from {
            GuessFrom::Login(device) => (user_id.to_string(), device),
            GuessFrom::Session(_, Some(device)) => (user_id.to_string(), Some(device)),
            GuessFrom::Session(..) => (format!("{user_id} in a session"), None),
        };
        let most = match guess.from {
            GuessFrom::Login(None) => WRONG_CODES_MAX,
            GuessFrom::Login(Some(_)) | GuessFrom::Session(..) => WRONG_CODES_MAX_KNOWN,
        };
        if guess.factors.failures >= most {
            return Ok(Err(CodeRefusal::TooMany { retry_after: CLOSED_FOR }));
        }
        let clock = &*self.parts.surroundings.clock;
        let attempt = match self.parts.code_limits.take(&key, guess.address, device, clock).await {
            Ok(attempt) => attempt,
            Err(limited) => return Ok(Err(CodeRefusal::TooMany { retry_after: limited.retry_after })),
        };
        match self.use_up(&guess).await {
            Ok(true) => {
                attempt.succeeded();
                Ok(Ok(()))
            }
            Ok(false) => {
                let mut event = self.event(EventKind::MfaFailed, user_id, guess.origin, Some("wrong_code"));
                if let GuessFrom::Session(id, _) = guess.from {
                    event.session_id = Some(id);
                }
                self.parts.store.count_wrong_code(user_id, event).await?;
                Ok(Err(CodeRefusal::Wrong))
            }
            Err(doubt) => {
                attempt.undecided();
                Err(doubt)
            }
        }
    }

    /// Whether the code is right, and used up now.
    async fn use_up(&self, guess: &Guess<'_>) -> Result<bool, Doubt> {
        if guess.method != Some(Method::RecoveryCode)
            && let Some(code) = TotpCode::parse(guess.code)
        {
            return self.use_up_step(guess.user_id, guess.factors, &code).await;
        }
        if guess.method != Some(Method::Totp)
            && let Some(code) = RecoveryCode::parse(guess.code)
        {
            let mut event = self.event(EventKind::RecoveryCodeUsed, guess.user_id, guess.origin, None);
            if let GuessFrom::Session(id, _) = guess.from {
                event.session_id = Some(id);
            }
            let hash = code.hash(guess.user_id);
            let outcome = self.parts.store.use_recovery_code(guess.user_id, hash, event).await?;
            return Ok(outcome == Commit::Done);
        }
        Ok(false)
    }

    async fn use_up_step(
        &self,
        user_id: UserId,
        factors: &SecondFactors,
        code: &TotpCode,
    ) -> Result<bool, Doubt> {
        for factor in factors.factors.iter().filter(|factor| factor.is_confirmed()) {
            let Some(step) = self.step_of(factor, code, self.now())? else { continue };
            if self.parts.store.accept_step(user_id, factor.id, step).await? == Commit::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The time step of which this is a code of that factor.
    pub(super) fn step_of(
        &self,
        factor: &Factor,
        code: &TotpCode,
        now: Timestamp,
    ) -> Result<Option<u64>, Doubt> {
        let seed = self.parts.vault.open(factor).map_err(Doubt::Sealed)?;
        Ok(seed.step_of(code, now))
    }

    /// Seals anew what is sealed under a master key of before, so that it can be taken away some day.
    pub async fn tend_factors(&self) -> Result<(), Doubt> {
        let (store, vault) = (&self.parts.store, &self.parts.vault);
        for factor in store.factors_not_under(vault.current_id(), RESEALED_MAX).await? {
            match vault.seal_anew(&factor) {
                Ok(Some(anew)) => store.reseal_factor(factor.id, factor.seed, anew).await?,
                Ok(None) => {}
                Err(problem) => tracing::error!(%problem, "a second factor can't be sealed anew"),
            }
        }
        Ok(())
    }
}

/// NIST SP 800-63B §5.2.2 allows a hundred in a row.
const WRONG_CODES_MAX: u32 = 100;
/// Strangers can't get there, so it is somebody who holds the password and a device of the account.
const WRONG_CODES_MAX_KNOWN: u32 = 1000;
/// Whoever comes again may find that the owner has logged in meanwhile.
const CLOSED_FOR: Seconds = Seconds(86_400);
/// In one round of tending; the next one goes on.
const RESEALED_MAX: usize = 10_000;
