//! Second factors in memory: they are the account's, and go with it.

use crate::memory::MemoryStore;
use crate::memory::tables::{Account, Tables};
use crate::{
    Commit, ConfirmFactor, Factor, FactorState, FactorStore, NewEvent, RecoveryHash, SealedSeed,
    SecondFactors, StoreError,
};
use relatch_core::Epoch;
use relatch_token::{FactorId, UserId};

#[async_trait::async_trait]
impl FactorStore for MemoryStore {
    async fn second_factors(&self, user: UserId) -> Result<SecondFactors, StoreError> {
        self.with(|tables| tables.accounts.get(&user).map(Account::second_factors).unwrap_or_default())
    }

    async fn add_factor(&self, factor: Factor, epoch: Epoch, most: u32) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.add_factor(factor, epoch, most)))
    }

    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.confirm_factor(confirm)))
    }

    async fn accept_step(&self, user: UserId, factor: FactorId, step: u64) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.accept_step(user, factor, step)))
    }

    async fn use_recovery_code(
        &self,
        user: UserId,
        code: RecoveryHash,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.use_recovery_code(user, code, event)))
    }

    async fn count_wrong_code(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError> {
        self.with(|tables| tables.count_wrong_code(user, event).unwrap_or_default())
    }

    async fn replace_recovery_codes(
        &self,
        user: UserId,
        epoch: Epoch,
        codes: Vec<RecoveryHash>,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.replace_recovery_codes(user, epoch, codes, event)))
    }

    async fn remove_factor(
        &self,
        user: UserId,
        epoch: Epoch,
        factor: FactorId,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        self.with(|tables| done(tables.remove_factor(user, epoch, factor, event)))
    }

    async fn remove_factors(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError> {
        self.with(|tables| tables.remove_factors(user, event))
    }

    async fn factors_not_under(&self, master_id: u8, limit: usize) -> Result<Vec<Factor>, StoreError> {
        self.with(|tables| {
            let all = tables.accounts.values().flat_map(|account| &account.factors);
            all.filter(|factor| factor.seed.master_id != master_id).take(limit).cloned().collect()
        })
    }

    async fn reseal_factor(
        &self,
        factor: FactorId,
        old: SealedSeed,
        new: SealedSeed,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            let all = tables.accounts.values_mut().flat_map(|account| &mut account.factors);
            all.filter(|one| one.id == factor && one.seed == old).for_each(|one| one.seed = new.clone());
        })
    }
}

/// Nothing of a verb that answers `None` was written.
impl Tables {
    fn add_factor(&mut self, factor: Factor, epoch: Epoch, most: u32) -> Option<()> {
        let account = self.account_at(factor.user_id, epoch)?;
        if account.confirmed().count() >= most as usize {
            return None;
        }
        account.factors.retain(Factor::is_confirmed);
        account.factors.push(factor);
        Some(())
    }

    fn confirm_factor(&mut self, confirm: ConfirmFactor) -> Option<()> {
        let ConfirmFactor { user_id, factor_id, at, step, recovery_codes, event } = confirm;
        let account = self.accounts.get_mut(&user_id)?;
        let factor = account.factors.iter_mut().find(|factor| factor.id == factor_id)?;
        match factor.state {
            FactorState::Pending { expires_at } if at < expires_at => {}
            _ => return None,
        }
        factor.state = FactorState::Confirmed { at, last_step: step };
        if let Some(codes) = recovery_codes {
            account.recovery_codes = codes.into_iter().collect();
        }
        self.events.push(event);
        Some(())
    }

    fn accept_step(&mut self, user: UserId, factor: FactorId, step: u64) -> Option<()> {
        let account = self.accounts.get_mut(&user)?;
        let factor = account.factors.iter_mut().find(|one| one.id == factor)?;
        match &mut factor.state {
            FactorState::Confirmed { last_step, .. } if *last_step < step => *last_step = step,
            _ => return None,
        }
        account.code_failures = 0;
        Some(())
    }

    fn use_recovery_code(&mut self, user: UserId, code: RecoveryHash, event: NewEvent) -> Option<()> {
        let account = self.accounts.get_mut(&user)?;
        if !account.recovery_codes.remove(&code) {
            return None;
        }
        account.code_failures = 0;
        self.events.push(event);
        Some(())
    }

    fn count_wrong_code(&mut self, user: UserId, event: NewEvent) -> Option<u32> {
        let account = self.accounts.get_mut(&user)?;
        account.code_failures = account.code_failures.saturating_add(1);
        self.events.push(event);
        Some(account.code_failures)
    }

    fn replace_recovery_codes(
        &mut self,
        user: UserId,
        epoch: Epoch,
        codes: Vec<RecoveryHash>,
        event: NewEvent,
    ) -> Option<()> {
        let account = self.account_at(user, epoch)?;
        account.confirmed().next()?;
        account.recovery_codes = codes.into_iter().collect();
        self.events.push(event);
        Some(())
    }

    fn remove_factor(&mut self, user: UserId, epoch: Epoch, factor: FactorId, event: NewEvent) -> Option<()> {
        let account = self.account_at(user, epoch)?;
        let at = account.factors.iter().position(|one| one.id == factor)?;
        account.factors.remove(at);
        if account.confirmed().next().is_none() {
            account.recovery_codes.clear();
            account.code_failures = 0;
        }
        self.events.push(event);
        Some(())
    }

    fn remove_factors(&mut self, user: UserId, event: NewEvent) -> u32 {
        let Some(account) = self.accounts.get_mut(&user) else { return 0 };
        let confirmed = account.confirmed().count() as u32;
        let had_any = !account.factors.is_empty() || !account.recovery_codes.is_empty();
        account.factors.clear();
        account.recovery_codes.clear();
        account.code_failures = 0;
        if had_any {
            self.events.push(event);
        }
        confirmed
    }

    /// The account where its epoch is still that one.
    fn account_at(&mut self, user: UserId, epoch: Epoch) -> Option<&mut Account> {
        self.accounts.get_mut(&user).filter(|account| account.user.standing.not_before == epoch)
    }
}

impl Account {
    fn confirmed(&self) -> impl Iterator<Item = &Factor> {
        self.factors.iter().filter(|factor| factor.is_confirmed())
    }

    fn second_factors(&self) -> SecondFactors {
        SecondFactors {
            factors: self.factors.clone(),
            recovery_codes: self.recovery_codes.len() as u32,
            failures: self.code_failures,
        }
    }
}

fn done(outcome: Option<()>) -> Commit {
    if outcome.is_some() { Commit::Done } else { Commit::Conflict }
}
