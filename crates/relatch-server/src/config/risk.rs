//! `[risk]` and `[binding]`: what is unusual about a login or a refresh, and what follows.

use relatch_core::{Moment, Signal, Thresholds, Weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is unusual about a login or a refresh, and what follows. The rules are explained in
/// [Risk](../concepts/risk.md).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RiskConfig {
    /// Whether anything is weighed: `off`; `dry_run`, which only records what it would have done where that is
    /// notable; or `on`.
    pub mode: RiskMode,
    /// How much each rule counts; 0 switches it off.
    pub weights: WeightsConfig,
    /// From which score on an action follows at login; 0 is never.
    pub login: LoginThresholds,
    /// From which score on an action follows at a refresh; 0 is never.
    pub refresh: RefreshThresholds,
}

/// Whether anything is weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RiskMode {
    /// Nothing is weighed.
    Off,
    /// What would have been done is recorded where it is notable.
    #[default]
    DryRun,
    /// It is done.
    On,
}

/// How much each rule counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WeightsConfig {
    /// A login from a device that the account has not been used on.
    #[schemars(range(min = 0, max = 1000))]
    pub new_device: u32,
    /// Another browser or system.
    #[schemars(range(min = 0, max = 1000))]
    pub user_agent_changed: u32,
    /// Another network (/24, or /48 of IPv6).
    #[schemars(range(min = 0, max = 1000))]
    pub network_changed: u32,
    /// A login after many failed ones.
    #[schemars(range(min = 0, max = 1000))]
    pub failures_before: u32,
    /// A session that is refreshed unusually often.
    #[schemars(range(min = 0, max = 1000))]
    pub refresh_rate: u32,
    /// A session that two networks use at the same time.
    #[schemars(range(min = 0, max = 1000))]
    pub two_networks: u32,
    /// A copied session of the same account, found out within seven days.
    #[schemars(range(min = 0, max = 1000))]
    pub reuse_before: u32,
}

macro_rules! thresholds {
    ($name:ident, $moment:ident, $about:literal, $revokes:literal) => {
        #[doc = $about]
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// It is served, and noted in the person's history.
            #[schemars(range(min = 0, max = 10_000))]
            pub notify: u32,
            /// The person has to prove again who they are. Only recorded as yet: with `risk.mode = "on"` it must
            /// be 0.
            #[schemars(range(min = 0, max = 10_000))]
            pub step_up: u32,
            /// It is refused, and nothing changes.
            #[schemars(range(min = 0, max = 10_000))]
            pub refuse: u32,
            #[doc = $revokes]
            #[schemars(range(min = 0, max = 10_000))]
            pub revoke: u32,
        }

        impl Default for $name {
            fn default() -> Self {
                let Thresholds { notify, step_up, refuse, revoke } = Moment::$moment.thresholds();
                Self { notify, step_up, refuse, revoke }
            }
        }

        impl From<&$name> for Thresholds {
            fn from(set: &$name) -> Self {
                let $name { notify, step_up, refuse, revoke } = *set;
                Self { notify, step_up, refuse, revoke }
            }
        }
    };
}

thresholds!(
    LoginThresholds,
    Login,
    "From which score on an action follows at login.",
    "It is refused, and every session of the user ends."
);
thresholds!(
    RefreshThresholds,
    Refresh,
    "From which score on an action follows at a refresh.",
    "It is refused, and the session ends."
);

impl Default for WeightsConfig {
    fn default() -> Self {
        let of = |signal| Weights::default().of(signal);
        Self {
            new_device: of(Signal::NewDevice),
            user_agent_changed: of(Signal::UserAgentChanged),
            network_changed: of(Signal::NetworkChanged),
            failures_before: of(Signal::FailuresBefore),
            refresh_rate: of(Signal::RefreshRate),
            two_networks: of(Signal::TwoNetworks),
            reuse_before: of(Signal::ReuseBefore),
        }
    }
}

impl WeightsConfig {
    /// The weights, as the rules take them.
    pub fn weights(&self) -> Weights {
        let of = |signal| match signal {
            Signal::NewDevice => self.new_device,
            Signal::UserAgentChanged => self.user_agent_changed,
            Signal::NetworkChanged => self.network_changed,
            Signal::FailuresBefore => self.failures_before,
            Signal::RefreshRate => self.refresh_rate,
            Signal::TwoNetworks => self.two_networks,
            Signal::ReuseBefore => self.reuse_before,
        };
        Signal::ALL.into_iter().fold(Weights::default(), |weights, signal| weights.with(signal, of(signal)))
    }
}

/// What sessions are bound to beside the device cookie, without which no refresh token of a browser works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BindingConfig {
    /// Sessions of browsers.
    pub cookie: TransportBinding,
    /// Sessions whose refresh tokens travel in bodies: apps, programs, OAuth clients.
    pub body: TransportBinding,
}

/// What follows where a refresh differs from the login of its session. A session of which nothing is known to
/// compare with (opened by another system) is let through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransportBinding {
    /// Another browser or system (versions don't count): `off`; `signal`, a risk to be weighed; `step_up`, not
    /// possible as yet; or `refuse`, `401 device_mismatch`, which leaves the session as it is.
    pub user_agent_family: OnMismatch,
    /// The same for another network address. Phones and laptops change it all day, so think twice before `refuse`.
    pub address: OnMismatch,
    /// How addresses are compared: `exact`, or `subnet`, by the /24 (IPv6: /48).
    pub address_match: AddressMatchName,
}

/// What follows from a mismatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMismatch {
    /// Nothing.
    Off,
    /// It is weighed as a risk.
    #[default]
    Signal,
    /// The person has to prove again who they are.
    StepUp,
    /// The refresh is refused.
    Refuse,
}

/// How addresses are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressMatchName {
    /// To the last bit.
    Exact,
    /// By network.
    #[default]
    Subnet,
}

impl BindingConfig {
    /// The bindings, as the rules take them.
    pub fn bindings(&self) -> relatch_core::Bindings {
        relatch_core::Bindings { cookie: self.cookie.binding(), body: self.body.binding() }
    }
}

impl TransportBinding {
    fn binding(&self) -> relatch_core::Binding {
        relatch_core::Binding {
            user_agent_family: self.user_agent_family.into(),
            address: self.address.into(),
            address_match: match self.address_match {
                AddressMatchName::Exact => relatch_core::AddressMatch::Exact,
                AddressMatchName::Subnet => relatch_core::AddressMatch::Subnet,
            },
        }
    }
}

impl From<OnMismatch> for relatch_core::Mismatch {
    fn from(set: OnMismatch) -> Self {
        match set {
            OnMismatch::Off => Self::Off,
            OnMismatch::Signal => Self::Signal,
            OnMismatch::StepUp => Self::StepUp,
            OnMismatch::Refuse => Self::Refuse,
        }
    }
}
