//! How often somebody may sign up, or have mail sent.

use super::limiter::{Limited, Limiter, Quota};
use super::network::network_of;
use crate::config::LimitsConfig;
use crate::environment::Entropy;
use relatch_token::{Seconds, Timestamp};
use std::net::IpAddr;

/// The budgets of what makes the server write to people: sign-ups and mailed links.
///
/// Over the budget of an account nothing may show, or the answer would tell whether it exists: the mail is
/// not sent, and the answer stays what it is.
pub struct MailLimits {
    per_address: Limiter,
    per_account: Limiter,
}

impl MailLimits {
    /// As configured.
    pub fn new(config: &LimitsConfig, entropy: &dyn Entropy) -> Self {
        let window = Seconds(config.signup_window_seconds);
        let limiter = |name, max| Limiter::new(name, Quota::new(max, window), config.tracked_max, entropy);
        Self {
            per_address: limiter("mail_address", config.signups_per_address_max),
            per_account: limiter("mail_account", config.mails_per_account_max),
        }
    }

    /// Counts a sign-up, or a mail asked for, from this address.
    pub fn check_address(&self, address: IpAddr, now: Timestamp) -> Result<(), Limited> {
        self.per_address.take(&network_of(address), now)
    }

    /// Counts a mail to this account, named by the unique key of its address.
    pub fn check_account(&self, account: &str, now: Timestamp) -> Result<(), Limited> {
        self.per_account.take(account, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn addresses_and_accounts_have_budgets_of_their_own() {
        let config = LimitsConfig {
            signup_window_seconds: 600,
            signups_per_address_max: 2,
            mails_per_account_max: 1,
            ..LimitsConfig::default()
        };
        let limits = MailLimits::new(&config, &OsEntropy::open().unwrap());
        let now = Timestamp::from_seconds(1_800_000_000);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(limits.check_address(address("2001:db8::1"), now), Ok(()));
        assert_eq!(limits.check_address(address("2001:db8::2"), now), Ok(()));
        let limited = Err(Limited { retry_after: Seconds(300) });
        assert_eq!(limits.check_address(address("2001:db8::3"), now), limited);
        assert_eq!(limits.check_address(address("2001:db8:0:1::"), now), Ok(()));

        assert_eq!(limits.check_account("ada@example.com", now), Ok(()));
        let limited = Err(Limited { retry_after: Seconds(600) });
        assert_eq!(limits.check_account("ada@example.com", now), limited);
        assert_eq!(limits.check_account("eve@example.com", now), Ok(()));
    }
}
