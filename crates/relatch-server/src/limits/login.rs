//! How often a password may be tried.

use super::limiter::{Limited, Limiter, Quota};
use super::network::{network_of, subnet_of};
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
/// Every other try is counted by address, by subnet (IPv4 /24, IPv6 /48), and then by account.
///
/// **Delay.** From the third failure into one account on, the next try has to wait: a second, two, four, up to
/// half a minute; before an account closes, guessing it becomes slow, and whoever mistypes hardly notices. Tries
/// that come at once then wait for each other's verdict.
///
/// **Siege.** Failures are also counted all together. Over that budget addresses and subnets get a tenth of
/// theirs: a crowd of addresses, each of which would be within its budget, gets far fewer guesses, and a person
/// at an address without failures still comes in.
///
/// A try is taken before the password is judged, so that a thousand parallel ones count as a thousand, and
/// given back when it was right. Where a budget is spent, but by tries that are still being judged, the next
/// one waits for their verdicts: right passwords that come at once use up nobody's budget. A try on a closed
/// account still costs the address it comes from.
///
/// What remains: somebody with very many addresses can use up the budget of an account, and then its owner
/// can't log in from a device that the account has never seen, until the attacker pauses. His known devices
/// and his sessions go on, and the attacker gets no more guesses than the account's budget. Of IPv6 each /64
/// is one address: who holds a whole /48 has 65,536 of them, and meets the budget of that subnet.
pub struct LoginLimits {
    per_account: Limiter,
    per_address: Limiter,
    per_subnet: Limiter,
    per_known_device: Limiter,
    /// All failures together, under one key.
    all: Limiter,
    /// Until when the next try at an account has to wait.
    pace: Limiter,
    delay: Delay,
    address_max: u32,
    subnet_max: u32,
    /// How many tries of each budget are being judged. Budgets are spent and given back under this lock, so
    /// that who finds one spent knows whether it may still change.
    judged: Mutex<HashMap<Budget, u32>>,
    /// Told at each verdict.
    verdict: Notify,
    waiting: Semaphore,
}

/// How long the next try at an account has to wait.
#[derive(Clone, Copy)]
struct Delay {
    /// From so many failures on.
    after: u32,
    /// No longer than this; zero is never.
    seconds_max: u32,
}

impl Delay {
    /// One second, and twice as long with each further failure.
    fn behind(self, failures: u32) -> Option<Seconds> {
        let doublings = failures.checked_sub(self.after).filter(|_| self.seconds_max > 0)?;
        Some(Seconds(1u32.checked_shl(doublings).unwrap_or(u32::MAX).min(self.seconds_max)))
    }
}

/// What a try is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Budget {
    Account(String),
    Address(IpAddr),
    Subnet(IpAddr),
    KnownDevice(String, DeviceHash),
    All,
}

/// A try that was taken. It counts as a failure unless it is told otherwise: dropped, too, so that hanging up
/// before the answer saves nobody a guess.
#[must_use]
pub struct LoginTry<'a> {
    limits: &'a LoginLimits,
    budgets: Vec<Budget>,
    taken_at: Timestamp,
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
        let names = ["login_account", "login_address", "login_subnet", "login_known_device", "login_all"];
        let per_account =
            Quota::new(config.login_failures_per_account_max, Seconds(config.login_window_seconds));
        let delay =
            Delay { after: config.login_delay_after.max(1), seconds_max: config.login_delay_seconds_max };
        Self::of(names, per_account, delay, config, entropy)
    }

    /// For codes of second factors, of which there are so few that a day of guessing must not be worth while:
    /// ten wrong ones at once, and then ten a day, for each account and for each known device. Who gives a code
    /// knew the password, so that the next try waits for nothing else.
    pub fn for_codes(config: &LimitsConfig, entropy: &dyn Entropy) -> Self {
        let names = ["code_account", "code_address", "code_subnet", "code_known_device", "code_all"];
        let per_account = Quota::new(WRONG_CODES_A_DAY, Seconds(86_400));
        Self::of(names, per_account, Delay { after: 1, seconds_max: 0 }, config, entropy)
    }

    fn of(
        [account, address, subnet, known_device, all]: [&'static str; 5],
        per_account: Quota,
        delay: Delay,
        config: &LimitsConfig,
        entropy: &dyn Entropy,
    ) -> Self {
        let limiter = |name, quota| Limiter::new(name, quota, config.tracked_max, entropy);
        let quota = |max| Quota::new(max, Seconds(config.login_window_seconds));
        let paced = Quota::new(1, Seconds(delay.seconds_max));
        Self {
            per_account: limiter(account, per_account),
            per_address: limiter(address, quota(config.login_failures_per_address_max)),
            per_subnet: limiter(subnet, quota(config.login_failures_per_subnet_max)),
            per_known_device: limiter(known_device, per_account),
            all: Limiter::new(all, quota(config.login_failures_max), 1, entropy),
            pace: limiter(account, paced),
            delay,
            address_max: config.login_failures_per_address_max,
            subnet_max: config.login_failures_per_subnet_max,
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
            None => vec![
                Budget::Address(network_of(address)),
                Budget::Subnet(subnet_of(address)),
                Budget::Account(account.to_owned()),
            ],
        };
        let mut place = None;
        loop {
            let mut verdict = pin!(self.verdict.notified());
            // From here on no verdict is missed.
            verdict.as_mut().enable();
            let now = clock.now();
            let refusal = match self.take_now(&budgets, now) {
                Ok(budgets) => {
                    return Ok(LoginTry { limits: self, budgets, taken_at: now, verdict: Verdict::Failed });
                }
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

    /// Spends all of the budgets, and that of all failures where it isn't spent. Where one is spent, those
    /// before it stay spent, unless that may change.
    fn take_now(&self, budgets: &[Budget], now: Timestamp) -> Result<Vec<Budget>, Refusal<'_>> {
        let mut judged = self.judged();
        let is_siege = self.all.spent(&(), now) >= self.all.max();
        for (index, budget) in budgets.iter().enumerate() {
            let under_way = judged.get(budget).copied().unwrap_or(0);
            if let Err(limited) = self.spend(budget, under_way, is_siege, now) {
                let may_change = under_way > 0;
                if may_change {
                    budgets[..index].iter().for_each(|taken| self.give_back(taken));
                }
                return Err(Refusal { limited, may_change, by: self.limiter(budget) });
            }
        }
        let mut taken = budgets.to_vec();
        let is_stranger = !matches!(budgets, [Budget::KnownDevice(..)]);
        if is_stranger && self.all.take_quietly(&(), now).is_ok() {
            taken.push(Budget::All);
        }
        for budget in &taken {
            *judged.entry(budget.clone()).or_default() += 1;
        }
        Ok(taken)
    }

    /// A try is over. Account and address get back the one try of a right password and not all, or somebody
    /// with an account of his own could clear the budget of his address at will, and the owner's logins would
    /// clear an attacker's; a known device starts afresh.
    fn close(&self, budgets: &[Budget], taken_at: Timestamp, verdict: Verdict) {
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
                let under_way = *count;
                if under_way == 0 {
                    judged.remove(budget);
                }
                if let (Verdict::Failed, Budget::Account(account)) = (verdict, budget) {
                    self.slow_down(account, under_way, taken_at);
                }
            }
        }
        drop(judged);
        self.verdict.notify_waiters();
    }

    /// Lets the next try at an account wait, the longer the more have failed.
    fn slow_down(&self, account: &String, under_way: u32, taken_at: Timestamp) {
        let failures = self.per_account.spent(account, taken_at).saturating_sub(under_way);
        if let Some(wait) = self.delay.behind(failures) {
            self.pace.spend_until(account, taken_at + wait);
        }
    }

    fn spend(&self, budget: &Budget, under_way: u32, is_siege: bool, now: Timestamp) -> Result<(), Limited> {
        let part = |max: u32| if is_siege { (max / SIEGE_PART).max(1) } else { max };
        match budget {
            Budget::Account(account) => {
                let failures = self.per_account.spent(account, now).saturating_sub(under_way);
                if self.delay.behind(failures).is_some() {
                    self.pace.until_whole(account, now)?;
                    if under_way > 0 {
                        return Err(Limited { retry_after: Seconds(1) });
                    }
                }
                self.per_account.take_quietly(account, now)
            }
            Budget::Address(network) => self.per_address.take_of(network, part(self.address_max), now),
            Budget::Subnet(subnet) => self.per_subnet.take_of(subnet, part(self.subnet_max), now),
            Budget::All => self.all.take_quietly(&(), now),
            Budget::KnownDevice(account, device) => {
                self.per_known_device.take_quietly(&(account, device), now)
            }
        }
    }

    fn give_back(&self, budget: &Budget) {
        match budget {
            Budget::Account(account) => self.per_account.give_back(account),
            Budget::Address(network) => self.per_address.give_back(network),
            Budget::Subnet(subnet) => self.per_subnet.give_back(subnet),
            Budget::All => self.all.give_back(&()),
            Budget::KnownDevice(account, device) => self.per_known_device.give_back(&(account, device)),
        }
    }

    fn limiter(&self, budget: &Budget) -> &Limiter {
        match budget {
            Budget::Account(_) => &self.per_account,
            Budget::Address(_) => &self.per_address,
            Budget::Subnet(_) => &self.per_subnet,
            Budget::All => &self.all,
            Budget::KnownDevice(..) => &self.per_known_device,
        }
    }

    /// The most memory that the counts take, however many accounts, addresses and devices are tried.
    pub fn bytes_max(&self) -> usize {
        let all = [&self.per_account, &self.per_address, &self.per_subnet, &self.per_known_device];
        all.into_iter().chain([&self.all, &self.pace]).map(Limiter::bytes_max).sum()
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
        self.limits.close(&self.budgets, self.taken_at, self.verdict);
    }
}

/// Somebody who mistypes as often has another problem, and a known device or a recovery code at hand.
const WRONG_CODES_A_DAY: u32 = 10;

/// Under siege an address and a subnet get this part of their budgets.
const SIEGE_PART: u32 = 10;

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
            login_failures_per_subnet_max: 60,
            login_delay_seconds_max: 0,
            ..LimitsConfig::default()
        };
        LoginLimits::new(&config, &OsEntropy::open().unwrap())
    }

    /// The same, where the next try waits from the third failure on, for no longer than 8 seconds.
    fn slowing() -> LoginLimits {
        let config = LimitsConfig {
            login_window_seconds: 300,
            login_failures_per_account_max: 10,
            login_delay_after: 3,
            login_delay_seconds_max: 8,
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
    fn a_subnet_closes_after_sixty_failures_from_any_of_its_addresses() {
        let limits = limits();
        for host in 0..60 {
            assert_eq!(limits.check(&host.to_string(), address(host), None, NOW), Ok(()));
        }
        assert_eq!(limits.check(ADA, address(61), None, NOW), Err(Limited { retry_after: Seconds(5) }));
        assert_eq!(limits.check(ADA, address(256), None, NOW), Ok(()), "the next subnet");
        assert_eq!(limits.check(ADA, address(61), LAPTOP, NOW), Ok(()), "a known device");
        let neighbours = |n: u32| format!("2001:db8:1:{n:x}::1").parse::<IpAddr>().unwrap();
        let served = (0..100).filter(|n| limits.check(&n.to_string(), neighbours(*n), None, NOW).is_ok());
        assert_eq!(served.count(), 60, "of IPv6, a /48");
    }

    #[test]
    fn the_next_try_at_an_account_waits_twice_as_long_each_time() {
        let limits = slowing();
        for host in 0..3 {
            assert_eq!(limits.check(ADA, address(host * 300), None, NOW), Ok(()));
        }
        let mut now = NOW;
        for wait in [1, 2, 4, 8, 8] {
            let refused = Err(Limited { retry_after: Seconds(wait) });
            assert_eq!(limits.check(ADA, address(9000), None, now), refused);
            assert_eq!(
                limits.check("eve@example.com", address(9000), None, now),
                Ok(()),
                "nobody else waits"
            );
            assert_eq!(limits.check(ADA, address(9000), LAPTOP, now), Ok(()), "nor does a known device");
            let just_before = Timestamp::from_millis((now + Seconds(wait)).as_millis() - 1);
            assert!(limits.check(ADA, address(9000), None, just_before).is_err());
            now = now + Seconds(wait);
            limits.begin(ADA, address(9000), LAPTOP, now).unwrap().succeeded();
            assert_eq!(limits.check(ADA, address(9000), None, now), Ok(()));
        }
    }

    #[test]
    fn a_right_password_after_the_wait_is_let_in_and_a_rest_makes_it_short_again() {
        let limits = slowing();
        for _ in 0..4 {
            let _ = limits.check(ADA, address(1), None, NOW);
        }
        assert!(limits.check(ADA, address(1), None, NOW).is_err());
        limits.begin(ADA, address(1), None, NOW + Seconds(1)).unwrap().succeeded();
        // A budget of ten in 300 seconds: one failure is forgotten every thirty.
        for at in [200, 200, 200] {
            assert_eq!(limits.check(ADA, address(1), None, NOW + Seconds(at)), Ok(()));
        }
        let refused = Err(Limited { retry_after: Seconds(1) });
        assert_eq!(limits.check(ADA, address(1), None, NOW + Seconds(200)), refused);
    }

    #[test]
    fn under_siege_addresses_get_a_tenth_and_fresh_ones_still_come_in() {
        let config = LimitsConfig {
            login_window_seconds: 300,
            login_failures_per_address_max: 30,
            login_failures_per_subnet_max: 60,
            login_failures_max: 100,
            login_delay_seconds_max: 0,
            ..LimitsConfig::default()
        };
        let limits = LoginLimits::new(&config, &OsEntropy::open().unwrap());
        let from = |subnet: u32, host: u32| address(subnet * 256 + host);
        for n in 0..100 {
            assert_eq!(limits.check(&n.to_string(), from(n, 1), None, NOW), Ok(()));
        }
        let tries = |subnet: u32, hosts: std::ops::Range<u32>| {
            hosts
                .filter(|n| limits.check(&format!("{subnet}/{n}"), from(subnet, *n), None, NOW).is_ok())
                .count()
        };
        assert_eq!(tries(200, 0..50), 6, "a subnet");
        let one_address = (0..50).filter(|n| limits.check(&n.to_string(), from(201, 1), None, NOW).is_ok());
        assert_eq!(one_address.count(), 3, "an address");
        limits.begin(ADA, from(202, 1), None, NOW).unwrap().succeeded();
        for _ in 0..10 {
            assert_eq!(limits.check(ADA, from(200, 1), LAPTOP, NOW), Ok(()), "a known device as ever");
        }
        // When the siege is over, so is the narrowness.
        let later = NOW + Seconds(60);
        assert_eq!(limits.check(ADA, from(200, 1), None, later), Ok(()));
    }

    /// The memory of the whole process before and after, as the kernel counts it, in KiB.
    #[cfg(target_os = "linux")]
    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Each key is an account, an address, a subnet and a known device at once. Ten million take minutes
    /// without optimisation: `cargo test --release -p relatch-server --lib random_limiter_keys -- --ignored
    /// --nocapture`.
    #[cfg(target_os = "linux")]
    fn flood(keys: u32) -> (u64, u64, usize) {
        let config = LimitsConfig::default();
        let limits = LoginLimits::new(&config, &OsEntropy::open().unwrap());
        let before = resident_kib();
        let mut random = 0x9E37_79B9_7F4A_7C15u64;
        for _ in 0..keys {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = IpAddr::from((u128::from(random) << 64 | 1).to_be_bytes());
            let device = random.is_multiple_of(4).then_some(DeviceHash(random.to_be_bytes()));
            let _ = limits.check(&format!("{random:x}@example.com"), address, device, NOW);
        }
        assert!(limits.judged().is_empty());
        (before, resident_kib(), limits.bytes_max())
    }

    /// The tables themselves are held to it by `a_million_random_keys_stay_in_bounds_and_free_nobody`.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_hundred_thousand_random_keys_leave_no_try_behind_and_the_stated_memory_is_small() {
        let (_, _, stated) = flood(100_000);
        assert!(stated < 10 << 20, "{stated} bytes for {} keys", LimitsConfig::default().tracked_max);
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "takes a minute even when optimised"]
    fn ten_million_random_limiter_keys_stay_within_the_stated_memory() {
        let (before, after, stated) = flood(10_000_000);
        println!("{before} KiB before, {after} KiB after; stated: {} KiB", stated / 1024);
        // A tenth more: the process itself breathes.
        assert!(after.saturating_sub(before) * 1024 <= stated as u64 * 11 / 10);
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
