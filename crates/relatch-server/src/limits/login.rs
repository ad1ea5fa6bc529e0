//! How often a password may be tried.

use super::limiter::{Limited, Limiter, Quota};
use super::network::network_of;
use crate::config::LimitsConfig;
use crate::environment::Entropy;
use relatch_token::{DeviceHash, Seconds, Timestamp};
use std::net::IpAddr;

/// The budgets of failed logins.
///
/// A try from a device that has logged in to this account before is counted by account and device alone:
/// whatever others do to the account, or from the same address, leaves the owner's own devices untouched.
/// Every other try is counted by address, and then by account.
///
/// A try is taken before the password is judged, so that a thousand parallel ones count as a thousand, and
/// given back when it was right. A try on a closed account still costs the address it comes from.
///
/// What remains: somebody with very many addresses can use up the budget of an account, and then its owner
/// can't log in from a device that the account has never seen, until the attacker pauses. His known devices
/// and his sessions go on, and the attacker gets no more guesses than the account's budget. Of IPv6 each /64
/// is one address: who holds a whole /48 has 65,536 of them, and meets the budgets of the accounts only.
pub struct LoginLimits {
    per_account: Limiter,
    per_address: Limiter,
    per_known_device: Limiter,
}

impl LoginLimits {
    /// As configured. A known device has the same budget as an account.
    pub fn new(config: &LimitsConfig, entropy: &dyn Entropy) -> Self {
        let window = Seconds(config.login_window_seconds);
        let limiter = |name, max| Limiter::new(name, Quota::new(max, window), config.tracked_max, entropy);
        Self {
            per_account: limiter("login_account", config.login_failures_per_account_max),
            per_address: limiter("login_address", config.login_failures_per_address_max),
            per_known_device: limiter("login_known_device", config.login_failures_per_account_max),
        }
    }

    /// Counts a try, before the password is looked at.
    ///
    /// `account` names the account whether or not it exists (the unique key of the typed address), so that
    /// a 429 does not tell. `known_device` is a device that the store knows to have logged in to this very
    /// account; a device cookie alone proves nothing.
    pub fn check(
        &self,
        account: &str,
        address: IpAddr,
        known_device: Option<DeviceHash>,
        now: Timestamp,
    ) -> Result<(), Limited> {
        match known_device {
            Some(device) => self.per_known_device.take(&(account, device), now),
            None => {
                self.per_address.take(&network_of(address), now)?;
                self.per_account.take(account, now)
            }
        }
    }

    /// The password was right: the try does not count, and a known device starts afresh.
    ///
    /// Account and address get back this one try and not all, or somebody with an account of his own could
    /// clear the budget of his address at will, and the owner's logins would clear an attacker's.
    pub fn succeeded(&self, account: &str, address: IpAddr, known_device: Option<DeviceHash>) {
        match known_device {
            Some(device) => self.per_known_device.forget(&(account, device)),
            None => self.give_back(account, address),
        }
    }

    /// The password was not judged (503): the try does not count. Otherwise a flood that keeps the password
    /// threads busy would lock the owner out.
    pub fn undecided(&self, account: &str, address: IpAddr, known_device: Option<DeviceHash>) {
        match known_device {
            Some(device) => self.per_known_device.give_back(&(account, device)),
            None => self.give_back(account, address),
        }
    }

    fn give_back(&self, account: &str, address: IpAddr) {
        self.per_address.give_back(&network_of(address));
        self.per_account.give_back(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

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
            assert_eq!(limits.check(ADA, address(1), None, NOW), Ok(()));
            limits.succeeded(ADA, address(1), None);
        }
        for _ in 0..9 {
            assert_eq!(limits.check(ADA, address(1), LAPTOP, NOW), Ok(()));
        }
        limits.succeeded(ADA, address(1), LAPTOP);
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
            if limits.check("eve@example.com", address(1), None, NOW).is_ok() {
                limits.succeeded("eve@example.com", address(1), None);
            }
        }
        assert_eq!(guesses, 30);
    }

    #[test]
    fn a_try_that_was_not_judged_does_not_count() {
        let limits = limits();
        for _ in 0..100 {
            for device in [None, LAPTOP] {
                assert_eq!(limits.check(ADA, address(1), device, NOW), Ok(()));
                limits.undecided(ADA, address(1), device);
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
}
