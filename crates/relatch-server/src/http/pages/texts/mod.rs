//! What the pages say, in each language; `{…}` stands for what is filled in.

mod de;
mod en;

pub(super) use de::DE;
pub(super) use en::EN;

use relatch_core::{Ended, EventKind, Evidence, RevokeReason, Rule, Signal};
use relatch_token::{Seconds, Timestamp};

/// The texts of one language.
pub(crate) struct Texts {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) common: Common,
    pub(crate) enter: Enter,
    pub(crate) ended: EndedTexts,
    pub(crate) mail: MailTexts,
    pub(crate) account: Account,
    pub(crate) factors: FactorTexts,
    pub(crate) history: History,
    pub(crate) rules: Rules,
    pub(crate) faults: Faults,
    pub(crate) times: Times,
}

/// On every page.
pub(crate) struct Common {
    pub(crate) language: &'static str,
    pub(crate) error: &'static str,
    pub(crate) email: &'static str,
    pub(crate) password: &'static str,
    pub(crate) current_password: &'static str,
    pub(crate) new_password: &'static str,
    pub(crate) show: &'static str,
    pub(crate) hide: &'static str,
    pub(crate) back: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) log_in: &'static str,
    pub(crate) log_out: &'static str,
    pub(crate) one_moment: &'static str,
    pub(crate) unknown_device: &'static str,
}

/// Login and sign-up.
pub(crate) struct Enter {
    pub(crate) remember: &'static str,
    pub(crate) forgot: &'static str,
    pub(crate) no_account: &'static str,
    pub(crate) sign_up: &'static str,
    pub(crate) sign_up_title: &'static str,
    pub(crate) has_account: &'static str,
    pub(crate) person_name: &'static str,
    pub(crate) password_hint: &'static str,
    pub(crate) already_title: &'static str,
    pub(crate) already: &'static str,
    pub(crate) already_other: &'static str,
    pub(crate) closed: &'static str,
}

/// The page of an ended session.
pub(crate) struct EndedTexts {
    pub(crate) title: &'static str,
    pub(crate) logout: &'static str,
    pub(crate) logout_all: &'static str,
    pub(crate) ended_by_user: &'static str,
    pub(crate) token_reused_title: &'static str,
    pub(crate) token_reused: &'static str,
    pub(crate) token_reused_advice: [&'static str; 3],
    pub(crate) password_changed: &'static str,
    pub(crate) password_reset: &'static str,
    pub(crate) ended_by_operator: &'static str,
    pub(crate) user_disabled: &'static str,
    pub(crate) revoked_by_client: &'static str,
    pub(crate) replaced: &'static str,
    pub(crate) evicted: &'static str,
    pub(crate) deleted: &'static str,
    pub(crate) risk: &'static str,
    pub(crate) idle: &'static str,
    pub(crate) too_old: &'static str,
    pub(crate) unknown: &'static str,
}

/// Mailed codes.
pub(crate) struct MailTexts {
    pub(crate) forgot_title: &'static str,
    pub(crate) forgot_about: &'static str,
    pub(crate) forgot_button: &'static str,
    pub(crate) sent_title: &'static str,
    pub(crate) sent_signup: &'static str,
    pub(crate) sent_reset: &'static str,
    pub(crate) sent_email: &'static str,
    pub(crate) reset_title: &'static str,
    pub(crate) reset_button: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) verify_title: &'static str,
    pub(crate) verify_about: &'static str,
    pub(crate) verify_button: &'static str,
    pub(crate) verified_title: &'static str,
    pub(crate) verified: &'static str,
    pub(crate) reset_done: &'static str,
}

/// The account.
pub(crate) struct Account {
    pub(crate) title: &'static str,
    pub(crate) nav: &'static str,
    pub(crate) devices: &'static str,
    pub(crate) devices_about: &'static str,
    pub(crate) this_device: &'static str,
    pub(crate) change: &'static str,
    pub(crate) logged_out: &'static str,
    pub(crate) device_name: &'static str,
    pub(crate) rename_device: &'static str,
    pub(crate) rename_button: &'static str,
    pub(crate) forget_device: &'static str,
    pub(crate) forget_button: &'static str,
    pub(crate) forget_about: &'static str,
    pub(crate) done_renamed: &'static str,
    pub(crate) done_forgotten: &'static str,
    pub(crate) last_seen: &'static str,
    pub(crate) since: &'static str,
    pub(crate) from: &'static str,
    pub(crate) log_out_device: &'static str,
    pub(crate) log_out_others: &'static str,
    pub(crate) log_out_everywhere: &'static str,
    pub(crate) everywhere_about: &'static str,
    pub(crate) not_verified: &'static str,
    pub(crate) password_title: &'static str,
    pub(crate) password_about: &'static str,
    pub(crate) password_button: &'static str,
    pub(crate) email_title: &'static str,
    pub(crate) email_about: &'static str,
    pub(crate) email_now: &'static str,
    pub(crate) email_new: &'static str,
    pub(crate) email_button: &'static str,
    pub(crate) email_closed: &'static str,
    pub(crate) email_confirm_title: &'static str,
    pub(crate) email_confirm_about: &'static str,
    pub(crate) delete_title: &'static str,
    pub(crate) delete_about: &'static str,
    pub(crate) delete_button: &'static str,
    pub(crate) done_device: &'static str,
    pub(crate) done_others: &'static str,
    pub(crate) done_password: &'static str,
    pub(crate) done_email: &'static str,
}

/// Second factors.
pub(crate) struct FactorTexts {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) none: &'static str,
    pub(crate) authenticator: &'static str,
    pub(crate) since_day: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) remove_title: &'static str,
    pub(crate) remove_about: &'static str,
    pub(crate) remove_button: &'static str,
    pub(crate) add_title: &'static str,
    pub(crate) add_about: &'static str,
    pub(crate) add_name: &'static str,
    pub(crate) add_button: &'static str,
    pub(crate) scan_title: &'static str,
    pub(crate) scan_about: &'static str,
    pub(crate) scan_again: &'static str,
    pub(crate) picture: &'static str,
    pub(crate) by_hand: &'static str,
    pub(crate) first_code: &'static str,
    pub(crate) confirm_button: &'static str,
    pub(crate) codes_title: &'static str,
    pub(crate) codes_about: &'static str,
    pub(crate) codes_left: &'static str,
    pub(crate) codes_new: &'static str,
    pub(crate) codes_new_about: &'static str,
    pub(crate) codes_button: &'static str,
    pub(crate) codes_print: &'static str,
    pub(crate) done_removed: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) own_code: &'static str,
    pub(crate) own_code_hint: &'static str,
    pub(crate) challenge_title: &'static str,
    pub(crate) challenge_about: &'static str,
    pub(crate) no_phone: &'static str,
    pub(crate) recovery_code: &'static str,
    pub(crate) recovery_code_hint: &'static str,
    pub(crate) login_again: &'static str,
}

/// The security history.
pub(crate) struct History {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) older: &'static str,
    pub(crate) newest: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) signed_up: &'static str,
    pub(crate) login: &'static str,
    pub(crate) login_failed: &'static str,
    pub(crate) session_opened: &'static str,
    pub(crate) logout: &'static str,
    pub(crate) logout_all: &'static str,
    pub(crate) session_revoked: &'static str,
    pub(crate) refresh_reuse: &'static str,
    pub(crate) refresh_reuse_about: &'static str,
    pub(crate) session_healed: &'static str,
    pub(crate) session_in_doubt: &'static str,
    pub(crate) password_changed: &'static str,
    pub(crate) password_reset_requested: &'static str,
    pub(crate) password_reset: &'static str,
    pub(crate) password_upgraded: &'static str,
    pub(crate) email_verified: &'static str,
    pub(crate) user_disabled: &'static str,
    pub(crate) user_enabled: &'static str,
    pub(crate) email_change_requested: &'static str,
    pub(crate) email_changed: &'static str,
    pub(crate) user_deleted: &'static str,
    pub(crate) device_renamed: &'static str,
    pub(crate) device_forgotten: &'static str,
    pub(crate) factor_added: &'static str,
    pub(crate) factor_removed: &'static str,
    pub(crate) recovery_codes_made: &'static str,
    pub(crate) recovery_code_used: &'static str,
    pub(crate) mfa_failed: &'static str,
    pub(crate) refresh_refused: &'static str,
    pub(crate) refresh_refused_about: &'static str,
    pub(crate) began_on: &'static str,
    pub(crate) risk_noticed: &'static str,
    pub(crate) risk_served: &'static str,
    pub(crate) risk_refused: &'static str,
}

/// By which rule a refresh was refused.
pub(crate) struct Rules {
    pub(crate) exchanged_before: &'static str,
    pub(crate) previous_head: &'static str,
    pub(crate) other_branch: &'static str,
    pub(crate) other_parent: &'static str,
    pub(crate) older: &'static str,
    pub(crate) wrong_door: &'static str,
    pub(crate) wrong_device: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) idle: &'static str,
    pub(crate) too_old: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) wrong_user_agent: &'static str,
    pub(crate) wrong_address: &'static str,
    pub(crate) risk: &'static str,
    pub(crate) new_device: &'static str,
    pub(crate) user_agent_changed: &'static str,
    pub(crate) network_changed: &'static str,
    pub(crate) failures_before: &'static str,
    pub(crate) refresh_rate: &'static str,
    pub(crate) two_networks: &'static str,
    pub(crate) reuse_before: &'static str,
}

/// What is wrong.
pub(crate) struct Faults {
    pub(crate) summary: &'static str,
    pub(crate) missing: &'static str,
    pub(crate) not_an_address: &'static str,
    pub(crate) too_long: &'static str,
    pub(crate) too_short: &'static str,
    pub(crate) too_common: &'static str,
    pub(crate) own_word: &'static str,
    pub(crate) breached: &'static str,
    pub(crate) control_character: &'static str,
    pub(crate) wrong_value: &'static str,
    pub(crate) invalid_credentials: &'static str,
    pub(crate) email_not_verified: &'static str,
    pub(crate) email_taken: &'static str,
    pub(crate) wrong_password: &'static str,
    pub(crate) wrong_code: &'static str,
    pub(crate) code_required: &'static str,
    pub(crate) too_many_factors: &'static str,
    pub(crate) invalid_link: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) too_many_sessions: &'static str,
    pub(crate) csrf_title: &'static str,
    pub(crate) csrf: &'static str,
    pub(crate) unavailable_title: &'static str,
    pub(crate) unavailable: &'static str,
    pub(crate) not_found_title: &'static str,
    pub(crate) not_found: &'static str,
    pub(crate) other_title: &'static str,
    pub(crate) other: &'static str,
}

/// Spans.
pub(crate) struct Times {
    pub(crate) just_now: &'static str,
    pub(crate) minute: &'static str,
    pub(crate) minutes: &'static str,
    pub(crate) hour: &'static str,
    pub(crate) hours: &'static str,
    pub(crate) day: &'static str,
    pub(crate) days: &'static str,
    pub(crate) in_seconds: &'static str,
    pub(crate) in_minutes: &'static str,
}

impl Texts {
    /// Why a session ended.
    pub(super) fn ended(&self, ended: Ended) -> &'static str {
        match ended {
            Ended::Revoked(revocation) => self.revoked(revocation.reason),
            Ended::Idle => self.ended.idle,
            Ended::TooOld => self.ended.too_old,
        }
    }

    /// Why a session was ended.
    pub(super) fn revoked(&self, reason: RevokeReason) -> &'static str {
        let texts = &self.ended;
        match reason {
            RevokeReason::Logout => texts.logout,
            RevokeReason::LogoutAll => texts.logout_all,
            RevokeReason::EndedByUser => texts.ended_by_user,
            RevokeReason::TokenReused => texts.token_reused,
            RevokeReason::PasswordChanged => texts.password_changed,
            RevokeReason::PasswordReset => texts.password_reset,
            RevokeReason::EndedByOperator => texts.ended_by_operator,
            RevokeReason::UserDisabled => texts.user_disabled,
            RevokeReason::RevokedByClient => texts.revoked_by_client,
            RevokeReason::Replaced => texts.replaced,
            RevokeReason::UserDeleted => texts.deleted,
            RevokeReason::Risk => texts.risk,
            RevokeReason::Evicted => texts.evicted,
        }
    }

    /// What happened.
    pub(super) fn event(&self, kind: EventKind) -> &'static str {
        let texts = &self.history;
        match kind {
            EventKind::SignedUp => texts.signed_up,
            EventKind::Login => texts.login,
            EventKind::LoginFailed => texts.login_failed,
            EventKind::SessionOpened => texts.session_opened,
            EventKind::Logout => texts.logout,
            EventKind::LogoutAll => texts.logout_all,
            EventKind::SessionRevoked => texts.session_revoked,
            EventKind::RefreshReuse => texts.refresh_reuse,
            EventKind::SessionHealed => texts.session_healed,
            EventKind::SessionInDoubt => texts.session_in_doubt,
            EventKind::PasswordChanged => texts.password_changed,
            EventKind::PasswordResetRequested => texts.password_reset_requested,
            EventKind::PasswordReset => texts.password_reset,
            EventKind::PasswordUpgraded => texts.password_upgraded,
            EventKind::EmailVerified => texts.email_verified,
            EventKind::UserDisabled => texts.user_disabled,
            EventKind::UserEnabled => texts.user_enabled,
            EventKind::EmailChangeRequested => texts.email_change_requested,
            EventKind::EmailChanged => texts.email_changed,
            EventKind::UserDeleted => texts.user_deleted,
            EventKind::DeviceRenamed => texts.device_renamed,
            EventKind::DeviceForgotten => texts.device_forgotten,
            EventKind::FactorAdded => texts.factor_added,
            EventKind::FactorRemoved => texts.factor_removed,
            EventKind::RecoveryCodesMade => texts.recovery_codes_made,
            EventKind::RecoveryCodeUsed => texts.recovery_code_used,
            EventKind::MfaFailed => texts.mfa_failed,
            EventKind::RefreshRefused => texts.refresh_refused,
            EventKind::RiskNoticed => texts.risk_noticed,
        }
    }

    /// By which rule a refresh was refused.
    pub(super) fn rule(&self, rule: Rule) -> &'static str {
        let texts = &self.rules;
        match rule {
            Rule::Reuse(Evidence::ExchangedBefore) => texts.exchanged_before,
            Rule::Reuse(Evidence::PreviousHead) => texts.previous_head,
            Rule::Reuse(Evidence::OtherBranch) => texts.other_branch,
            Rule::Reuse(Evidence::OtherParent) => texts.other_parent,
            Rule::Reuse(Evidence::Older) => texts.older,
            Rule::WrongTransport | Rule::WrongClient => texts.wrong_door,
            Rule::WrongDevice => texts.wrong_device,
            Rule::Ended => texts.ended,
            Rule::Idle => texts.idle,
            Rule::TooOld => texts.too_old,
            Rule::TooMany => texts.too_many,
            Rule::WrongUserAgent => texts.wrong_user_agent,
            Rule::WrongAddress => texts.wrong_address,
            Rule::Risk => texts.risk,
        }
    }

    /// What was unusual.
    pub(super) fn signal(&self, signal: Signal) -> &'static str {
        let texts = &self.rules;
        match signal {
            Signal::NewDevice => texts.new_device,
            Signal::UserAgentChanged => texts.user_agent_changed,
            Signal::NetworkChanged => texts.network_changed,
            Signal::FailuresBefore => texts.failures_before,
            Signal::RefreshRate => texts.refresh_rate,
            Signal::TwoNetworks => texts.two_networks,
            Signal::ReuseBefore => texts.reuse_before,
        }
    }

    /// How long ago something was, as coarse as people think of it.
    pub(super) fn ago(&self, at: Timestamp, now: Timestamp) -> String {
        let minutes = now.millis_since(at).max(0) / 60_000;
        let times = &self.times;
        let (count, one, many) = match minutes {
            0 => return times.just_now.to_owned(),
            1..60 => (minutes, times.minute, times.minutes),
            60..1440 => (minutes / 60, times.hour, times.hours),
            _ => (minutes / 1440, times.day, times.days),
        };
        if count == 1 { one.to_owned() } else { fill(many, "n", &count.to_string()) }
    }

    /// How long to wait.
    pub(super) fn wait(&self, wait: Seconds) -> String {
        match wait.0 {
            seconds @ ..120 => fill(self.times.in_seconds, "n", &seconds.max(2).to_string()),
            seconds => fill(self.times.in_minutes, "n", &seconds.div_ceil(60).to_string()),
        }
    }
}

/// Puts a value into its place. It is escaped where the page is made.
pub(super) fn fill(text: &str, place: &str, value: &str) -> String {
    text.replace(&format!("{{{place}}}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(texts: &Texts, seconds: i64) -> String {
        texts.ago(Timestamp::from_millis(0), Timestamp::from_millis(seconds * 1000))
    }

    #[test]
    fn spans_are_said_in_the_unit_in_which_people_think() {
        let said: Vec<String> = [-5, 59, 60, 119, 120, 3599, 3600, 7200, 86_399, 86_400, 172_800]
            .into_iter()
            .map(|seconds| ago(&EN, seconds))
            .collect();
        assert_eq!(
            said.join("; "),
            "just now; just now; a minute ago; a minute ago; 2 minutes ago; 59 minutes ago; an hour ago; \
             2 hours ago; 23 hours ago; a day ago; 2 days ago"
        );
        assert_eq!(ago(&DE, 172_800), "vor 2 Tagen");
        assert_eq!(
            (EN.wait(Seconds(0)), EN.wait(Seconds(120))),
            ("in 2 seconds".into(), "in 2 minutes".into())
        );
    }
}
