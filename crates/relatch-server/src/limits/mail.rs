//! How often somebody may sign up, or have mail sent.

use super::limiter::{Limited, Limiter, Quota};
use super::network::network_of;
use crate::config::LimitsConfig;
use crate::environment::Entropy;
use relatch_token::{Seconds, Timestamp};
use std::net::IpAddr;

/// The budgets of what makes the server write to people: sign-ups and mailed links.
///
/// Each [`Purpose`] has budgets of its own, or somebody who signs up with a stranger's address would use up
/// that stranger's links to set a new password.
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

    /// Counts something that makes the server write, from this address.
    pub fn check_address(&self, purpose: Purpose, address: IpAddr, now: Timestamp) -> Result<(), Limited> {
        self.per_address.take(&(purpose, network_of(address)), now)
    }

    /// Counts a mail to this account, named by the unique key of its address.
    pub fn check_account(&self, purpose: Purpose, account: &str, now: Timestamp) -> Result<(), Limited> {
        self.per_account.take(&(purpose, account), now)
    }
}

/// What makes the server write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signing up.
    SignUp,
    /// A forgotten password.
    ForgottenPassword,
    /// A move to another address.
    ChangeOfAddress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn addresses_accounts_and_purposes_have_budgets_of_their_own() {
        let config = LimitsConfig {
            signup_window_seconds: 600,
            signups_per_address_max: 2,
            mails_per_account_max: 1,
            ..LimitsConfig::default()
        };
        let limits = MailLimits::new(&config, &OsEntropy::open().unwrap());
        let now = Timestamp::from_seconds(1_800_000_000);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let others = [Purpose::ForgottenPassword, Purpose::ChangeOfAddress];
        let purpose = Purpose::SignUp;
        assert_eq!(limits.check_address(purpose, address("2001:db8::1"), now), Ok(()));
        assert_eq!(limits.check_address(purpose, address("2001:db8::2"), now), Ok(()));
        let limited = Err(Limited { retry_after: Seconds(300) });
        assert_eq!(limits.check_address(purpose, address("2001:db8::3"), now), limited);
        assert_eq!(limits.check_address(purpose, address("2001:db8:0:1::"), now), Ok(()));

        assert_eq!(limits.check_account(purpose, "ada@example.com", now), Ok(()));
        let limited = Err(Limited { retry_after: Seconds(600) });
        assert_eq!(limits.check_account(purpose, "ada@example.com", now), limited);
        assert_eq!(limits.check_account(purpose, "eve@example.com", now), Ok(()));
        for other in others {
            assert_eq!(limits.check_address(other, address("2001:db8::3"), now), Ok(()), "{other:?}");
            assert_eq!(limits.check_account(other, "ada@example.com", now), Ok(()), "{other:?}");
        }
    }
}
