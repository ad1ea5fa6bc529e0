//! Binding by signs that can change: what follows where browser or address differ from those of the login.
//!
//! The device cookie is no such sign: a token of the cookie transport never works without it.

use crate::{Rule, Transport};

/// What follows from a mismatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mismatch {
    /// Nothing; it isn't even weighed.
    Off,
    /// It is weighed as a risk.
    #[default]
    Signal,
    /// The person has to prove again who they are.
    StepUp,
    /// The refresh is refused; the session is not touched.
    Refuse,
}

/// How an address is compared with that of the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressMatch {
    /// To the last bit.
    Exact,
    /// By its network: /24, or /48 of IPv6.
    #[default]
    Subnet,
}

/// What sessions of one transport are bound to, beside the device cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Browser and system, without versions.
    pub user_agent_family: Mismatch,
    /// The network address.
    pub address: Mismatch,
    /// How addresses are compared.
    pub address_match: AddressMatch,
}

/// The binding of each transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// For browsers.
    pub cookie: Binding,
    /// For apps and programs.
    pub body: Binding,
}

/// How a request differs from the session's login, as far as both are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Browser or system are others.
    pub user_agent_family: bool,
    /// The address is another one, compared as the binding says.
    pub address: bool,
}

impl Bindings {
    /// The binding of one transport.
    pub const fn of(&self, transport: Transport) -> &Binding {
        match transport {
            Transport::Cookie => &self.cookie,
            Transport::Body => &self.body,
        }
    }
}

impl Binding {
    /// The harshest that follows from the differences, and the rule that says so.
    pub fn judge(&self, differences: Differences) -> Option<(Mismatch, Rule)> {
        let found = [
            (differences.user_agent_family, self.user_agent_family, Rule::WrongUserAgent),
            (differences.address, self.address, Rule::WrongAddress),
        ];
        let differing = found.into_iter().filter(|(differs, ..)| *differs);
        differing.map(|(_, mismatch, rule)| (mismatch, rule)).max_by_key(|(mismatch, _)| *mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Mismatch; 4] = [Mismatch::Off, Mismatch::Signal, Mismatch::StepUp, Mismatch::Refuse];

    #[test]
    fn the_harshest_of_what_differs_follows_and_nothing_where_nothing_does() {
        for user_agent_family in ALL {
            for address in ALL {
                let binding = Binding { user_agent_family, address, ..Binding::default() };
                let judge =
                    |family, ip| binding.judge(Differences { user_agent_family: family, address: ip });
                assert_eq!(judge(false, false), None);
                assert_eq!(judge(true, false), Some((user_agent_family, Rule::WrongUserAgent)));
                assert_eq!(judge(false, true), Some((address, Rule::WrongAddress)));
                let both = judge(true, true).unwrap();
                assert_eq!(both.0, user_agent_family.max(address));
            }
        }
    }

    #[test]
    fn an_address_is_a_signal_unless_somebody_says_otherwise() {
        for transport in [Transport::Cookie, Transport::Body] {
            let bindings = Bindings::default();
            let all = Differences { user_agent_family: true, address: true };
            assert_eq!(bindings.of(transport).judge(all).unwrap().0, Mismatch::Signal);
        }
    }
}
