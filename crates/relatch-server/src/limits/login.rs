//! How often a password may be tried.

use super::limiter::{Limited, Limiter, Quota};
use super::network::network_of;
use crate::config::LimitsConfig;
use crate::environment::{Clock, Entropy};
use relatch_token::{DeviceHash, Seconds, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// The budgets of failed logins.
///
/// A try from a device that has logged in to this account before is counted by account and device alone:
/// whatever others do to the account, or from the same address, leaves the owner's own devices untouched.
/// Every other try is counted by address, and then by account.
///
/// A try is taken before the password is judged, so that a thousand parallel ones count as a thousand, and
/// given back when it was right. Where a budget is spent, but by tries that are still being judged, the next
/// one waits for their verdicts: right passwords that come at once use up nobody's budget. A try on a closed
/// account still costs the address it comes from.
///
/// What remains: somebody with very many addresses can use up the budget of an account, and then its owner
/// can't log in from a device that the account has never seen, until the attacker pauses. His known devices
/// and his sessions go on, and the attacker gets no more guesses than the account's budget. Of IPv6 each /64
/// is one address: who holds a whole /48 has 65,536 of them, and meets the budgets of the accounts only.
pub struct LoginLimits {
    per_account: Limiter,
    per_address: Limiter,
    per_known_device: Limiter,
    /// How many tries of each budget are being judged. Budgets are spent and given back under this lock, so
    /// that who finds one spent knows whether it may still change.
    judged: Mutex<HashMap<Budget, u32>>,
    /// Told at each verdict.
    verdict: Notify,
    waiting: Semaphore,
}

/// What a try is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Budget {
    Account(String),
    Address(IpAddr),
    KnownDevice(String, DeviceHash),
}

/// A try that was taken. It counts as a failure unless it is told otherwise: dropped, too, so that hanging up
/// before the answer saves nobody a guess.
#[must_use]
pub struct LoginTry<'a> {
    limits: &'a LoginLimits,
    budgets: Vec<Budget>,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Failed,
    Right,
    NotJudged,
}

impl LoginLimits {
    /// As configured. A known device has the same budget as an account.
    pub fn new(config: &LimitsConfig, entropy: &dyn Entropy) -> Self {
        let window = Seconds(config.login_window_seconds);
        let quota = |max| Quota::new(max, window);
        let names = ["login_account", "login_address", "login_known_device"];
        let per_account = quota(config.login_failures_per_account_max);
        let per_address = quota(config.login_failures_per_address_max);
        Self::of(names, per_account, per_address, config.tracked_max, entropy)
    }

    /// For codes of second factors, of which there are so few that a day of guessing must not be worth while:
    /// ten wrong ones at once, and then ten a day, for each account and for each known device.
    pub fn for_codes(config: &LimitsConfig, entropy: &dyn Entropy) -> Self {
        let names = ["code_account", "code_address", "code_known_device"];
        let per_account = Quota::new(WRONG_CODES_A_DAY, Seconds(86_400));
        let window = Seconds(config.login_window_seconds);
        let per_address = Quota::new(config.login_failures_per_address_max, window);
        Self::of(names, per_account, per_address, config.tracked_max, entropy)
    }

    fn of(
        [account, address, known_device]: [&'static str; 3],
        per_account: Quota,
        per_address: Quota,
        tracked_max: usize,
        entropy: &dyn Entropy,
    ) -> Self {
        let limiter = |name, quota| Limiter::new(name, quota, tracked_max, entropy);
        Self {
            per_account: limiter(account, per_account),
            per_address: limiter(address, per_address),
            per_known_device: limiter(known_device, per_account),
            judged: Mutex::default(),
            verdict: Notify::new(),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// Takes a try, before the password is looked at; may wait for the verdicts of others.
    ///
    /// `account` names the account whether or not it exists (the unique key of the typed address), so that
    /// a 429 does not tell. `known_device` is a device that the store knows to have logged in to this very
    /// account; a device cookie alone proves nothing.
    pub async fn take(
        &self,
        account: &str,
        address: IpAddr,
        known_device: Option<DeviceHash>,
        clock: &dyn Clock,
    ) -> Result<LoginTry<'_>, Limited> {
        let budgets = match known_device {
            Some(device) => vec![Budget::KnownDevice(account.to_owned(), device)],
            None => vec![Budget::Address(network_of(address)), Budget::Account(account.to_owned())],
        };
        let mut place = None;
        loop {
            let mut verdict = pin!(self.verdict.notified());
            // From here on no verdict is missed.
            verdict.as_mut().enable();
            let refusal = match self.take_now(&budgets, clock.now()) {
                Ok(()) => return Ok(LoginTry { limits: self, budgets, verdict: Verdict::Failed }),
                Err(refusal) => refusal,
            };
            if place.is_none() {
                place = self.waiting.try_acquire().ok();
            }
            if !refusal.may_change || place.is_none() {
                refusal.by.count_refusal();
                return Err(refusal.limited);
            }
            verdict.await;
        }
    }

    /// Spends all of the budgets. Where one is spent, those before it stay spent, unless that may change.
    fn take_now(&self, budgets: &[Budget], now: Timestamp) -> Result<(), Refusal<'_>> {
        let mut judged = self.judged();
        for (index, budget) in budgets.iter().enumerate() {
            if let Err(limited) = self.spend(budget, now) {
                let may_change = judged.contains_key(budget);
                if may_change {
                    budgets[..index].iter().for_each(|taken| self.give_back(taken));
                }
                return Err(Refusal { limited, may_change, by: self.limiter(budget) });
            }
        }
        for budget in budgets {
            *judged.entry(budget.clone()).or_default() += 1;
        }
        Ok(())
    }

    /// A try is over. Account and address get back the one try of a right password and not all, or somebody
    /// with an account of his own could clear the budget of his address at will, and the owner's logins would
    /// clear an attacker's; a known device starts afresh.
    fn close(&self, budgets: &[Budget], verdict: Verdict) {
        let mut judged = self.judged();
        for budget in budgets {
            match (verdict, budget) {
                (Verdict::Failed, _) => {}
                (Verdict::Right, Budget::KnownDevice(account, device)) => {
                    self.per_known_device.forget(&(account, device));
                }
                (Verdict::Right | Verdict::NotJudged, _) => self.give_back(budget),
            }
            if let Some(count) = judged.get_mut(budget) {
                *count -= 1;
                if *count == 0 {
                    judged.remove(budget);
                }
            }
        }
        drop(judged);
        self.verdict.notify_waiters();
    }

    fn spend(&self, budget: &Budget, now: Timestamp) -> Result<(), Limited> {
        match budget {
            Budget::Account(account) => self.per_account.take_quietly(account, now),
            Budget::Address(network) => self.per_address.take_quietly(network, now),
            Budget::KnownDevice(account, device) => {
                self.per_known_device.take_quietly(&(account, device), now)
            }
        }
    }

    fn give_back(&self, budget: &Budget) {
        match budget {
            Budget::Account(account) => self.per_account.give_back(account),
            Budget::Address(network) => self.per_address.give_back(network),
            Budget::KnownDevice(account, device) => self.per_known_device.give_back(&(account, device)),
        }
    }

    fn limiter(&self, budget: &Budget) -> &Limiter {
        match budget {
            Budget::Account(_) => &self.per_account,
            Budget::Address(_) => &self.per_address,
            Budget::KnownDevice(..) => &self.per_known_device,
        }
    }

    fn judged(&self) -> MutexGuard<'_, HashMap<Budget, u32>> {
        // Nothing under this lock panics half-way.
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Refusal<'a> {
    limited: Limited,
    /// Whether a try that spent the budget is still being judged.
    may_change: bool,
    by: &'a Limiter,
}

impl LoginTry<'_> {
    /// The password was right: the try does not count.
    pub fn succeeded(mut self) {
        self.verdict = Verdict::Right;
    }

    /// The password was not judged (503): the try does not count. Otherwise a flood that keeps the password
    /// threads busy would lock the owner out.
    pub fn undecided(mut self) {
        self.verdict = Verdict::NotJudged;
    }
}

impl Drop for LoginTry<'_> {
    fn drop(&mut self) {
        self.limits.close(&self.budgets, self.verdict);
    }
}

/// Somebody who mistypes as often has another problem, and a known device or a recovery code at hand.
const WRONG_CODES_A_DAY: u32 = 10;
/// Over so many that wait, the next one is refused at once: each verdict wakes them all.
const WAITING_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ADA: &str = "ada@example.com";
    const LAPTOP: Option<DeviceHash> = Some(DeviceHash([1; 8]));

    /// 10 failures for an account and then one in 30 s, 30 for an address and then one in 10 s.
    fn limits() -> LoginLimits {
        let config = LimitsConfig {
            login_window_seconds: 300,
            login_failures_per_account_max: 10,
            login_failures_per_address_max: 30,
            ..LimitsConfig::default()
        };
        LoginLimits::new(&config, &OsEntropy::open().unwrap())
    }

    struct Still(Timestamp);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    impl LoginLimits {
        /// A try that nobody waits for.
        fn begin(
            &self,
            account: &str,
            address: IpAddr,
            device: Option<DeviceHash>,
            now: Timestamp,
        ) -> Result<LoginTry<'_>, Limited> {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match pin!(self.take(account, address, device, &Still(now))).poll(&mut context) {
                std::task::Poll::Ready(taken) => taken,
                std::task::Poll::Pending => panic!("it waits for somebody"),
            }
        }

        /// A try with a wrong password.
        fn check(
            &self,
            account: &str,
            address: IpAddr,
            device: Option<DeviceHash>,
            now: Timestamp,
        ) -> Result<(), Limited> {
            self.begin(account, address, device, now).map(drop)
        }
    }

    fn address(host: u32) -> IpAddr {
        IpAddr::from((0xC000_0200 + host).to_be_bytes())
    }

    #[test]
    fn an_account_closes_after_ten_failures_from_anywhere() {
        let limits = limits();
        for host in 0..10 {
            assert_eq!(limits.check(ADA, address(host), None, NOW), Ok(()));
        }
        assert_eq!(limits.check(ADA, address(10), None, NOW), Err(Limited { retry_after: Seconds(30) }));
        assert_eq!(limits.check("eve@example.com", address(10), None, NOW), Ok(()));
        assert_eq!(limits.check(ADA, address(10), None, NOW + Seconds(30)), Ok(()));
    }

    #[test]
    fn an_address_closes_after_thirty_failures_on_any_account() {
        let limits = limits();
        for account in 0..30 {
            assert_eq!(limits.check(&account.to_string(), address(1), None, NOW), Ok(()));
        }
        assert_eq!(limits.check(ADA, address(1), None, NOW), Err(Limited { retry_after: Seconds(10) }));
        assert_eq!(limits.check(ADA, address(2), None, NOW), Ok(()));
    }

    #[test]
    fn nobody_locks_out_the_owners_device_neither_by_account_nor_by_address() {
        let limits = limits();
        let shared_office = address(1);
        for host in 0..1000 {
            let _ = limits.check(ADA, address(host), None, NOW);
            let _ = limits.check(&host.to_string(), shared_office, None, NOW);
        }
        assert!(limits.check(ADA, shared_office, None, NOW).is_err());
        for _ in 0..10 {
            assert_eq!(limits.check(ADA, shared_office, LAPTOP, NOW), Ok(()));
        }
        // The device has a budget all the same, since it may be in the wrong hands.
        assert_eq!(limits.check(ADA, shared_office, LAPTOP, NOW), Err(Limited { retry_after: Seconds(30) }));
        // And its budget is for this account: as the device of another one, it is another one.
        assert_eq!(limits.check("eve@example.com", shared_office, LAPTOP, NOW), Ok(()));
        let phone = Some(DeviceHash([2; 8]));
        assert_eq!(limits.check(ADA, shared_office, phone, NOW), Ok(()));
    }

    #[test]
    fn a_right_password_does_not_count() {
        let limits = limits();
        for _ in 0..100 {
            limits.begin(ADA, address(1), None, NOW).unwrap().succeeded();
        }
        for _ in 0..9 {
            assert_eq!(limits.check(ADA, address(1), LAPTOP, NOW), Ok(()));
        }
        limits.begin(ADA, address(1), LAPTOP, NOW).unwrap().succeeded();
        for _ in 0..10 {
            assert_eq!(limits.check(ADA, address(1), LAPTOP, NOW), Ok(()));
        }
        assert!(limits.check(ADA, address(1), LAPTOP, NOW).is_err());
    }

    #[test]
    fn ones_own_logins_do_not_clear_the_failures_on_other_accounts() {
        let limits = limits();
        let mut guesses = 0;
        for account in 0..1000 {
            guesses += u32::from(limits.check(&account.to_string(), address(1), None, NOW).is_ok());
            if let Ok(own) = limits.begin("eve@example.com", address(1), None, NOW) {
                own.succeeded();
            }
        }
        assert_eq!(guesses, 30);
    }

    #[test]
    fn a_try_that_was_not_judged_does_not_count() {
        let limits = limits();
        for _ in 0..100 {
            for device in [None, LAPTOP] {
                limits.begin(ADA, address(1), device, NOW).unwrap().undecided();
            }
        }
    }

    #[test]
    fn a_closed_account_still_costs_the_attackers_address() {
        let limits = limits();
        for _ in 0..30 {
            let _ = limits.check(ADA, address(1), None, NOW);
        }
        assert!(limits.check("eve@example.com", address(1), None, NOW).is_err());
    }

    /// As many as a morning brings, each of which takes the time of an Argon2 computation.
    async fn at_once(limits: &Arc<LoginLimits>, tries: u32, is_right: fn(u32) -> bool) -> Vec<bool> {
        let tasks: Vec<_> = (0..tries)
            .map(|n| {
                let limits = Arc::clone(limits);
                tokio::spawn(async move {
                    let taken = limits.take(ADA, address(1), None, &Still(NOW)).await;
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    taken.map(|one| if is_right(n) { one.succeeded() } else { drop(one) }).is_ok()
                })
            })
            .collect();
        let mut served = Vec::new();
        for task in tasks {
            served.push(task.await.unwrap());
        }
        served
    }

    #[tokio::test(start_paused = true)]
    async fn right_passwords_that_come_at_once_wait_for_each_other_and_all_get_in() {
        let limits = Arc::new(limits());
        assert_eq!(at_once(&limits, 100, |_| true).await, [true; 100]);
        // And nothing of the budget is gone.
        for _ in 0..10 {
            assert_eq!(limits.check(ADA, address(1), None, NOW), Ok(()));
        }
        assert!(limits.check(ADA, address(1), None, NOW).is_err());
        assert!(limits.judged().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_that_come_at_once_are_as_few_as_one_by_one() {
        let limits = Arc::new(limits());
        let served = at_once(&limits, 100, |_| false).await;
        assert_eq!(served.iter().filter(|served| **served).count(), 10);
        assert_eq!(limits.waiting.available_permits(), WAITING_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn over_the_bound_nobody_waits() {
        let limits = Arc::new(limits());
        let served = at_once(&limits, 1000, |_| true).await;
        assert_eq!(served.iter().filter(|served| **served).count(), 10 + WAITING_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_has_guessed_and_keeps_nobody_waiting() {
        let limits = Arc::new(limits());
        for _ in 0..10 {
            let hang_up = limits.take(ADA, address(1), None, &Still(NOW)).await.unwrap();
            drop(hang_up);
        }
        assert!(limits.take(ADA, address(1), None, &Still(NOW)).await.is_err());
    }
}
