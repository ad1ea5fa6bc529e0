//! Second factors: authenticator apps, and the recovery codes for when one is lost.

use crate::{Commit, NewEvent, StoreError};
use relatch_core::Epoch;
use relatch_token::{FactorId, Timestamp, UserId};

/// A second factor of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its name on the wire.
    pub id: FactorId,
    /// Whose.
    pub user_id: UserId,
    /// Of which kind.
    pub kind: FactorKind,
    /// What its owner calls it; empty where that is nothing.
    pub name: String,
    /// Its seed, sealed by the server: never in the clear.
    pub seed: SealedSeed,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Whether it counts yet.
    pub state: FactorState,
}

/// What a second factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactorKind {
    /// An authenticator app (RFC 6238).
    Totp,
}

/// A seed as it lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSeed {
    /// The number of the master key that it is sealed under.
    pub master_id: u8,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// Whether a factor counts yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactorState {
    /// Its owner has to prove first that the app shows the right codes.
    Pending {
        /// Until when.
        expires_at: Timestamp,
    },
    /// Logins ask for it.
    Confirmed {
        /// Since when.
        at: Timestamp,
        /// The newest time step of which a code was accepted: no code of it, or of one before, counts again.
        last_step: u64,
    },
}

impl Factor {
    /// Whether logins ask for it.
    pub const fn is_confirmed(&self) -> bool {
        matches!(self.state, FactorState::Confirmed { .. })
    }
}

/// What a user has beside their password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondFactors {
    /// Their factors, the oldest first; of those that wait to be confirmed at most one, expired or not.
    pub factors: Vec<Factor>,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
    /// How many wrong codes were given since the last right one.
    pub failures: u32,
}

/// The hash of a recovery code, salted with its owner's id by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecoveryHash(pub [u8; 32]);

/// The confirmation of a factor.
#[derive(Clone, Debug)]
pub struct ConfirmFactor {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub factor_id: FactorId,
    /// When; it must not have expired.
    pub at: Timestamp,
    /// The time step of the code that confirms it, which is used up thereby.
    pub step: u64,
    /// The recovery codes that take the place of all others; `None` leaves those that there are.
    pub recovery_codes: Option<Vec<RecoveryHash>>,
    /// The event that tells of it.
    pub event: NewEvent,
}

/// Second factors, behind promises.
///
/// Every verb that begins with a proof (a password, a code) takes the epoch that the user had before that proof
/// was looked at, and is a conflict where it has moved since: what was proved may be yesterday's. A deleted user
/// has no factors, and gets none.
#[async_trait::async_trait]
pub trait FactorStore: Send + Sync {
    /// What the user has, read at one moment; nothing for a user who isn't there.
    async fn second_factors(&self, user: UserId) -> Result<SecondFactors, StoreError>;

    /// Keeps a pending factor in the place of the user's other pending one. [`Commit::Conflict`] where the epoch
    /// has moved, or the user has `most` confirmed factors already.
    async fn add_factor(&self, factor: Factor, epoch: Epoch, most: u32) -> Result<Commit, StoreError>;

    /// Makes a pending factor count, from then on and durably. [`Commit::Conflict`] where it isn't pending any
    /// more, has expired, or is not that user's.
    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Commit, StoreError>;

    /// Uses up the time step of a code, by compare-and-swap: [`Commit::Done`] where the factor is confirmed and the
    /// last step is an earlier one, and then no code of this step or an earlier one is ever accepted again. Of any
    /// number of callers with one step, one is done. The count of failures begins anew.
    async fn accept_step(&self, user: UserId, factor: FactorId, step: u64) -> Result<Commit, StoreError>;

    /// Uses up a recovery code and writes the event that tells of it. [`Commit::Conflict`] where the user has no
    /// such code, or it was used: of any number of callers with one code, one is done. The count of failures
    /// begins anew.
    async fn use_recovery_code(
        &self,
        user: UserId,
        code: RecoveryHash,
        event: NewEvent,
    ) -> Result<Commit, StoreError>;

    /// Counts a wrong code, and writes the event that tells of it. Answers the count; zero for a user who isn't
    /// there.
    async fn count_wrong_code(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError>;

    /// Puts new recovery codes in the place of all others. [`Commit::Conflict`] where the epoch has moved, or the
    /// user has no confirmed factor that they could stand in for.
    async fn replace_recovery_codes(
        &self,
        user: UserId,
        epoch: Epoch,
        codes: Vec<RecoveryHash>,
        event: NewEvent,
    ) -> Result<Commit, StoreError>;

    /// Removes a factor; with the last confirmed one the recovery codes go too, and the count of failures.
    /// [`Commit::Conflict`] where the epoch has moved, or the user has no such factor.
    async fn remove_factor(
        &self,
        user: UserId,
        epoch: Epoch,
        factor: FactorId,
        event: NewEvent,
    ) -> Result<Commit, StoreError>;

    /// Removes all of a user's factors and recovery codes, on an operator's word, and answers how many confirmed
    /// factors those were. The event is written where there was anything to remove.
    async fn remove_factors(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError>;

    /// Factors whose seed is sealed under another master key than this one, at most `limit`.
    async fn factors_not_under(&self, master_id: u8, limit: usize) -> Result<Vec<Factor>, StoreError>;

    /// Puts the same seed, sealed anew, in the place of `old`, where that is still there.
    async fn reseal_factor(
        &self,
        factor: FactorId,
        old: SealedSeed,
        new: SealedSeed,
    ) -> Result<(), StoreError>;
}
