//! The rules by which a refresh is refused, each with a word for programs and a sentence for people.

use crate::{Ended, Evidence, Refusal};

/// Which rule refused a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A copy gave itself away, and the session was ended.
    Reuse(Evidence),
    /// The token came by the transport that it was not issued for.
    WrongTransport,
    /// Another OAuth client presented it.
    WrongClient,
    /// The device cookie was missing or another's.
    WrongDevice,
    /// The session had been ended before.
    Ended,
    /// Nobody had come back within the idle time.
    Idle,
    /// The session had reached its absolute age.
    TooOld,
    /// Too many refreshes of one session in too short a time.
    TooMany,
    /// Browser or system are not those of the login, and the binding refuses that.
    WrongUserAgent,
    /// The address is not that of the login, and the binding refuses that.
    WrongAddress,
    /// The rules of risk refused it.
    Risk,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
        Self::Reuse(Evidence::ExchangedBefore),
        Self::Reuse(Evidence::PreviousHead),
        Self::Reuse(Evidence::OtherBranch),
        Self::Reuse(Evidence::OtherParent),
        Self::Reuse(Evidence::Older),
        Self::WrongTransport,
        Self::WrongClient,
        Self::WrongDevice,
        Self::Ended,
        Self::Idle,
        Self::TooOld,
        Self::TooMany,
        Self::WrongUserAgent,
        Self::WrongAddress,
        Self::Risk,
    ];

    /// The word for it: `rule` of a problem, and the reason of the event that a refusal leaves.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reuse(evidence) => evidence.as_str(),
            Self::WrongTransport => "wrong_transport",
            Self::WrongClient => "wrong_client",
            Self::WrongDevice => "wrong_device",
            Self::Ended => "ended_before",
            Self::Idle => "idle",
            Self::TooOld => "too_old",
            Self::TooMany => "too_many_refreshes",
            Self::WrongUserAgent => "wrong_user_agent",
            Self::WrongAddress => "wrong_address",
            Self::Risk => "risk",
        }
    }

    /// The rule with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == word)
    }

    /// What the rule saw, as a clause: it goes on after a colon and has no full stop.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Reuse(Evidence::ExchangedBefore) => {
                "the newest token had been exchanged already, longer ago than the reuse window, and by another attempt"
            }
            Self::Reuse(Evidence::PreviousHead) => {
                "the token before the newest one was presented after the reuse window had passed"
            }
            Self::Reuse(Evidence::OtherBranch) => {
                "two tokens of one parent were in use, so two parties had each exchanged a copy of that parent"
            }
            Self::Reuse(Evidence::OtherParent) => {
                "the token descends from another one than the newest, so its line had split off from a copy"
            }
            Self::Reuse(Evidence::Older) => "the token had been superseded several refreshes ago",
            Self::WrongTransport => "the token came by the transport that it was not issued for",
            Self::WrongClient => "the token was issued to another OAuth client",
            Self::WrongDevice => {
                "the device cookie was missing, or not the one that the token was issued beside"
            }
            Self::Ended => "the session had been ended before",
            Self::Idle => "nobody had come back within the idle time",
            Self::TooOld => "the session had reached the greatest age that it may have",
            Self::TooMany => "the session was refreshed too often in too short a time",
            Self::WrongUserAgent => "browser or system are not those that the session began with",
            Self::WrongAddress => "the network address is not the one that the session began from",
            Self::Risk => "the refresh was too unlike the session's login",
        }
    }
}

impl From<Refusal> for Rule {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongTransport => Self::WrongTransport,
            Refusal::WrongClient => Self::WrongClient,
            Refusal::WrongDevice => Self::WrongDevice,
            Refusal::Ended(Ended::Revoked(_)) => Self::Ended,
            Refusal::Ended(Ended::Idle) => Self::Idle,
            Refusal::Ended(Ended::TooOld) => Self::TooOld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_word_of_its_own_and_a_clause() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_word(rule.as_str()), Some(rule));
            assert!(!rule.says().ends_with('.') && rule.says().len() > 20, "{}", rule.as_str());
            assert_eq!(Rule::ALL.iter().filter(|other| other.says() == rule.says()).count(), 1);
        }
        assert_eq!(Rule::from_word("no such rule"), None);
    }
}
