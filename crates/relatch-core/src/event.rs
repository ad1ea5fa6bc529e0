//! The words of the audit: what can happen to a session or an account.

/// What happened. Every change of a session or an account leaves one of these, in the same write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// An account was made.
    SignedUp,
    /// Somebody proved who they are and a session began.
    Login,
    /// Somebody failed to.
    LoginFailed,
    /// Another system opened a session for the user.
    SessionOpened,
    /// The person logged out on this device.
    Logout,
    /// The person logged out everywhere.
    LogoutAll,
    /// A session was ended for another reason, which the event names.
    SessionRevoked,
    /// A superseded refresh token was presented and ended its session.
    RefreshReuse,
    /// The store had lost its last writes and a token further ahead put it right.
    SessionHealed,
    /// A token was further ahead than lost writes explain: was an old backup restored?
    SessionInDoubt,
    /// The password was changed by somebody who knew the old one.
    PasswordChanged,
    /// A link to reset the password was asked for.
    PasswordResetRequested,
    /// The password was set by such a link.
    PasswordReset,
    /// An imported or outdated password hash was replaced by a current one.
    PasswordUpgraded,
    /// The address was proved to be the person's.
    EmailVerified,
    /// An operator disabled the user.
    UserDisabled,
    /// An operator enabled the user again.
    UserEnabled,
    /// A code to move the account to another address was mailed to that address.
    EmailChangeRequested,
    /// The account moved to another address, which was proved by that code.
    EmailChanged,
    /// The account was deleted.
    UserDeleted,
    /// A genuine refresh token was refused without consequence for its session; the event names the rule.
    RefreshRefused,
    /// A second factor was enrolled and confirmed.
    FactorAdded,
    /// A second factor was removed, by the person or by an operator.
    FactorRemoved,
    /// New recovery codes took the place of the old ones.
    RecoveryCodesMade,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// Somebody who knew the password gave a wrong code.
    MfaFailed,
    /// A login or refresh was unusual; the event says which rules fired and what followed.
    RiskNoticed,
    /// The person named a device.
    DeviceRenamed,
    /// The person forgot a device, and ended its sessions.
    DeviceForgotten,
}

impl EventKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 29] = [
        Self::SignedUp,
        Self::Login,
        Self::LoginFailed,
        Self::SessionOpened,
        Self::Logout,
        Self::LogoutAll,
        Self::SessionRevoked,
        Self::RefreshReuse,
        Self::SessionHealed,
        Self::SessionInDoubt,
        Self::PasswordChanged,
        Self::PasswordResetRequested,
        Self::PasswordReset,
        Self::PasswordUpgraded,
        Self::EmailVerified,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::UserDeleted,
        Self::RefreshRefused,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryCodesMade,
        Self::RecoveryCodeUsed,
        Self::MfaFailed,
        Self::RiskNoticed,
        Self::DeviceRenamed,
        Self::DeviceForgotten,
    ];

    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::SessionOpened => "session_opened",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::SessionRevoked => "session_revoked",
            Self::RefreshReuse => "refresh_reuse",
            Self::SessionHealed => "session_healed",
            Self::SessionInDoubt => "session_in_doubt",
            Self::PasswordChanged => "password_changed",
            Self::PasswordResetRequested => "password_reset_requested",
            Self::PasswordReset => "password_reset",
            Self::PasswordUpgraded => "password_upgraded",
            Self::EmailVerified => "email_verified",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::UserDeleted => "user_deleted",
            Self::RefreshRefused => "refresh_refused",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::MfaFailed => "mfa_failed",
            Self::RiskNoticed => "risk_noticed",
            Self::DeviceRenamed => "device_renamed",
            Self::DeviceForgotten => "device_forgotten",
        }
    }

    /// The number that stores keep: its place in [`EventKind::ALL`].
    pub fn number(self) -> u8 {
        Self::ALL.iter().position(|one| *one == self).map_or(0, |place| place as u8)
    }

    /// The kind with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RevokeReason;

    #[test]
    fn numbers_and_words_are_distinct_and_come_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_number(kind.number()), Some(kind));
            assert_eq!(EventKind::ALL.iter().filter(|other| other.as_str() == kind.as_str()).count(), 1);
        }
        for reason in RevokeReason::ALL {
            assert_eq!(RevokeReason::from_number(reason.number()), Some(reason));
        }
        assert_eq!(EventKind::from_number(EventKind::ALL.len() as u8), None);
    }
}
