//! Second factors: authenticator apps, recovery codes, and the ticket between password and code.
//!
//! What they are, without accounts and without a store; who has them, and when they are asked for, is decided in
//! `accounts`.

mod recovery;
mod ticket;
mod totp;
mod vault;

pub use recovery::{RECOVERY_CODES, RecoveryCode};
pub use ticket::{MFA_TICKET_LIFE, MfaTicket};
pub use totp::{Enrolment, Seed, TotpCode};
pub use vault::SeedVault;

use relatch_store::SecondFactors;

/// How a person can prove more than a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

impl Method {
    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

/// The methods that a person can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    has_recovery_codes: bool,
}

impl Methods {
    /// Those of a person who has to prove a second factor; `None` for one who has none that counts.
    pub fn of(factors: &SecondFactors) -> Option<Self> {
        let is_asked = factors.factors.iter().any(relatch_store::Factor::is_confirmed);
        is_asked.then_some(Self { has_recovery_codes: factors.recovery_codes > 0 })
    }

    /// The words for them.
    pub fn words(self) -> Vec<&'static str> {
        let recovery = self.has_recovery_codes.then_some(Method::RecoveryCode);
        [Some(Method::Totp), recovery].into_iter().flatten().map(Method::as_str).collect()
    }
}

/// More than a phone and a spare one; each makes a guess a little likelier to be right.
pub const FACTORS_MAX: u32 = 3;
