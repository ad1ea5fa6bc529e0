//! Second factors come and go: begun with a proof, counted once the app shows the right codes.

use super::proof::{Proof, ProofRefusal, Proved};
use super::{Accounts, TypedCode};
use crate::environment::EntropyExt;
use crate::factors::{Enrolment, FACTORS_MAX, RecoveryCode, Seed, TotpCode};
use crate::sessions::Doubt;
use relatch_core::{EventKind, Origin, Session};
use relatch_store::{
    Commit, ConfirmFactor, Factor, FactorKind, FactorState, NewEvent, SecondFactors, UserKey,
};
use relatch_token::{FactorId, Seconds, UserId};

/// A factor that waits for its first code.
#[derive(Clone, Debug)]
pub struct BegunFactor {
    /// Its name.
    pub id: FactorId,
    /// What the app needs.
    pub enrolment: Enrolment,
}

/// Why no factor is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginRefusal {
    /// It was not proved that the owner asks.
    Proof(ProofRefusal),
    /// The account has as many as one may have.
    TooManyFactors,
}

/// A first code of a begun factor.
#[derive(Debug)]
pub struct ConfirmTotp {
    /// The live session that asks.
    pub session: Session,
    /// Which factor.
    pub factor_id: FactorId,
    /// What the app shows.
    pub code: TypedCode,
    /// From where.
    pub origin: Origin,
}

/// Why a factor is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmRefusal {
    /// It was never begun, has expired, or is confirmed already.
    NotFound,
    /// The app shows something else, or the clocks are too far apart.
    WrongCode,
    /// Too many tries.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

/// Why nothing is removed or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorRefusal {
    /// It was not proved that the owner asks.
    Proof(ProofRefusal),
    /// There is no such factor, or none at all.
    NotFound,
}

impl Accounts {
    /// What a user has beside their password.
    pub async fn second_factors(&self, user: UserId) -> Result<SecondFactors, Doubt> {
        let mut found = self.parts.store.second_factors(user).await?;
        let now = self.now();
        found.factors.retain(|factor| match factor.state {
            FactorState::Pending { expires_at } => now < expires_at,
            FactorState::Confirmed { .. } => true,
        });
        Ok(found)
    }

    /// Begins a factor, in the place of another that was begun and never confirmed. It counts for nothing until
    /// [`confirm_totp`](Self::confirm_totp), for which there is a quarter of an hour.
    pub async fn begin_totp(
        &self,
        proof: Proof,
        name: Option<String>,
    ) -> Result<Result<BegunFactor, BeginRefusal>, Doubt> {
        let Proved { user, factors, .. } = match self.prove(proof).await? {
            Ok(proved) => proved,
            Err(refusal) => return Ok(Err(BeginRefusal::Proof(refusal))),
        };
        let confirmed = factors.factors.iter().filter(|factor| factor.is_confirmed()).count();
        if confirmed >= FACTORS_MAX as usize {
            return Ok(Err(BeginRefusal::TooManyFactors));
        }
        let entropy = &*self.parts.surroundings.entropy;
        let (id, seed, now) = (FactorId::from_bytes(entropy.array()), Seed::draw(entropy), self.now());
        let account = user.email.as_ref().map(|email| email.address.clone());
        let account = account.or(user.name).unwrap_or_else(|| user.id.to_string());
        let no_picture = || Doubt::Sealed("no picture can be made of the seed".to_owned());
        let enrolment = seed.enrolment(&self.parts.policy.service_name, &account).ok_or_else(no_picture)?;
        let factor = Factor {
            id,
            user_id: user.id,
            kind: FactorKind::Totp,
            name: name.unwrap_or_default(),
            seed: self.parts.vault.seal(&seed, id, user.id),
            created_at: now,
            state: FactorState::Pending { expires_at: now + PENDING_LIFE },
        };
        match self.parts.store.add_factor(factor, user.standing.not_before, FACTORS_MAX).await? {
            Commit::Done => Ok(Ok(BegunFactor { id, enrolment })),
            Commit::Conflict => Err(Doubt::Contended),
        }
    }

    /// Makes a factor count, by a first code of it. With the account's first factor come recovery codes, which are
    /// told here and never again.
    pub async fn confirm_totp(
        &self,
        confirm: ConfirmTotp,
    ) -> Result<Result<Option<Vec<RecoveryCode>>, ConfirmRefusal>, Doubt> {
        let ConfirmTotp { session, factor_id, code, origin } = confirm;
        let user_id = session.user_id;
        let found = self.second_factors(user_id).await?;
        let pending = |factor: &&Factor| factor.id == factor_id && !factor.is_confirmed();
        let Some(factor) = found.factors.iter().find(pending) else {
            return Ok(Err(ConfirmRefusal::NotFound));
        };
        let now = self.now();
        // Whoever asks has proved the password when it was begun; a bound keeps a stolen session from guessing.
        if let Err(limited) = self.parts.confirm_limits.take(&factor_id, now) {
            return Ok(Err(ConfirmRefusal::TooMany { retry_after: limited.retry_after }));
        }
        let step = match TotpCode::parse(&code) {
            Some(code) => self.step_of(factor, &code, now)?,
            None => None,
        };
        let Some(step) = step else { return Ok(Err(ConfirmRefusal::WrongCode)) };
        let is_first = !found.factors.iter().any(Factor::is_confirmed);
        let codes = is_first.then(|| RecoveryCode::draw_set(&*self.parts.surroundings.entropy));
        let hashed = |codes: &Vec<RecoveryCode>| codes.iter().map(|code| code.hash(user_id)).collect();
        let confirm = ConfirmFactor {
            user_id,
            factor_id,
            at: now,
            step,
            recovery_codes: codes.as_ref().map(hashed),
            event: self.event_in(&session, EventKind::FactorAdded, &origin),
        };
        if self.parts.store.confirm_factor(confirm).await? == Commit::Conflict {
            return Ok(Err(ConfirmRefusal::NotFound));
        }
        self.tell(user_id, "A second factor was added", FACTOR_ADDED).await?;
        Ok(Ok(codes))
    }

    /// Removes a factor, and with the last one the recovery codes.
    pub async fn remove_factor(
        &self,
        proof: Proof,
        factor: FactorId,
    ) -> Result<Result<(), FactorRefusal>, Doubt> {
        let Proved { user, session, origin, factors, .. } = match self.prove(proof).await? {
            Ok(proved) => proved,
            Err(refusal) => return Ok(Err(FactorRefusal::Proof(refusal))),
        };
        if !factors.factors.iter().any(|one| one.id == factor) {
            return Ok(Err(FactorRefusal::NotFound));
        }
        let event = self.event_in(&session, EventKind::FactorRemoved, &origin);
        let epoch = user.standing.not_before;
        if self.parts.store.remove_factor(user.id, epoch, factor, event).await? == Commit::Conflict {
            return Err(Doubt::Contended);
        }
        self.mail_notice(&user, "A second factor was removed", FACTOR_REMOVED).await;
        Ok(Ok(()))
    }

    /// Makes new recovery codes in the place of all others. They are told here and never again.
    pub async fn make_recovery_codes(
        &self,
        proof: Proof,
    ) -> Result<Result<Vec<RecoveryCode>, FactorRefusal>, Doubt> {
        let Proved { user, session, origin, factors, .. } = match self.prove(proof).await? {
            Ok(proved) => proved,
            Err(refusal) => return Ok(Err(FactorRefusal::Proof(refusal))),
        };
        if !factors.factors.iter().any(Factor::is_confirmed) {
            return Ok(Err(FactorRefusal::NotFound));
        }
        let codes = RecoveryCode::draw_set(&*self.parts.surroundings.entropy);
        let hashes = codes.iter().map(|code| code.hash(user.id)).collect();
        let event = self.event_in(&session, EventKind::RecoveryCodesMade, &origin);
        let epoch = user.standing.not_before;
        match self.parts.store.replace_recovery_codes(user.id, epoch, hashes, event).await? {
            Commit::Done => {}
            Commit::Conflict => return Err(Doubt::Contended),
        }
        self.mail_notice(&user, "You have new recovery codes", CODES_MADE).await;
        Ok(Ok(codes))
    }

    /// Removes all factors and recovery codes of a user whose phone is lost, on an operator's word, and says how
    /// many factors counted. `None` where there is no such user.
    pub async fn remove_factors(&self, key: &UserKey, by: &str) -> Result<Option<u32>, Doubt> {
        let Some(user) = self.parts.store.user(key).await? else { return Ok(None) };
        let event = self.event(EventKind::FactorRemoved, user.id, &Origin::default(), Some(by));
        let removed = self.parts.store.remove_factors(user.id, event).await?;
        if removed > 0 {
            self.mail_notice(&user, "Your second factors were removed", REMOVED_BY_OPERATOR).await;
        }
        Ok(Some(removed))
    }

    fn event_in(&self, session: &Session, kind: EventKind, origin: &Origin) -> NewEvent {
        NewEvent { session_id: Some(session.id), ..self.event(kind, session.user_id, origin, None) }
    }

    async fn tell(&self, user: UserId, subject: &str, text: &str) -> Result<(), Doubt> {
        if let Some(user) = self.parts.store.user(&UserKey::Id(user)).await? {
            self.mail_notice(&user, subject, text).await;
        }
        Ok(())
    }
}

/// To install an app and to scan a picture.
const PENDING_LIFE: Seconds = Seconds(900);
const FACTOR_ADDED: &str = "An authenticator app was added to your account. From now on a login asks for its codes.\n\n\
     If that was not you, change your password at once, and tell those who run this service.\n";
const FACTOR_REMOVED: &str = "An authenticator app was removed from your account, by somebody who knew the password and a code.\n\n\
     If that was not you, change your password at once.\n";
const CODES_MADE: &str = "New recovery codes were made for your account. The old ones don't work any more.\n\n\
     If that was not you, change your password at once.\n";
const REMOVED_BY_OPERATOR: &str = "Those who run this service have removed the second factors of your account. A login asks for the \
     password alone now; you may add a new factor.\n\n\
     If you did not ask for it, tell them.\n";
