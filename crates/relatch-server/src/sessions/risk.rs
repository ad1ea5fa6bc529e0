//! What is unusual about a refresh or a login, by the rules of `relatch-core`, and what was seen before.
//!
//! A refresh is weighed by what is in memory and in the row that was loaded anyway: no read, and no write but
//! where something notable happened.

use crate::config::{BindingConfig, RiskConfig, RiskMode};
use crate::device_name;
use crate::environment::Entropy;
use crate::limits::{LastNetworks, Limiter, Quota};
use metrics::{counter, describe_counter};
use relatch_core::{
    Action, AddressMatch, Assessment, Binding, Bindings, Differences, Mismatch, Moment, Origin, RiskNote,
    Rule, Session, Signal, Signals, Thresholds, Weights, assess, is_same_network,
};
use relatch_token::{Seconds, SessionId, Timestamp, UserId};
use std::hash::Hash;

/// The operator's decisions about risk, and what was seen.
pub struct RiskWatch {
    mode: RiskMode,
    weights: Weights,
    login: Thresholds,
    refresh: Thresholds,
    bindings: Bindings,
    networks: LastNetworks,
    reuses: Limiter,
    notes: Limiter,
}

/// What the rules say, and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// What is to be done: [`Action::Allow`] in a dry run.
    pub action: Action,
    /// What is to be noted, where it is notable.
    pub note: Option<RiskNote>,
}

/// A refresh that would be served, as far as it is weighed.
#[derive(Clone, Copy, Debug)]
pub struct Weighing<'a> {
    /// The session, as it was loaded.
    pub session: &'a Session,
    /// From where the refresh came.
    pub origin: &'a Origin,
    /// Whether another network uses the session at the same time.
    pub has_two_networks: bool,
    /// Whether the session has been refreshed very often.
    pub is_fast: bool,
    /// When.
    pub now: Timestamp,
}

impl RiskWatch {
    /// As configured, for about `tracked_max` sessions at a time.
    pub fn new(
        risk: &RiskConfig,
        binding: &BindingConfig,
        tracked_max: usize,
        entropy: &dyn Entropy,
    ) -> Self {
        describe_counter!(
            "relatch_risk_signals_total",
            "Unusual things about logins and refreshes, by rule."
        );
        describe_counter!(
            "relatch_risk_decisions_total",
            "What was unusual, by what followed or would have."
        );
        let limiter = |name, span| Limiter::new(name, Quota::new(1, span), tracked_max, entropy);
        Self {
            mode: risk.mode,
            weights: risk.weights.weights(),
            login: (&risk.login).into(),
            refresh: (&risk.refresh).into(),
            bindings: binding.bindings(),
            networks: LastNetworks::new(tracked_max, entropy),
            reuses: limiter("risk_reuses", REUSE_RECENT),
            notes: limiter("risk_notes", NOTE_EVERY),
        }
    }

    /// Whether logins are weighed at all.
    pub fn is_off(&self) -> bool {
        self.mode == RiskMode::Off
    }

    /// The rule that refuses a refresh for where it comes from, where its binding says so.
    pub fn refuses(&self, session: &Session, origin: &Origin) -> Option<Rule> {
        let binding = self.bindings.of(session.transport);
        if binding.user_agent_family.max(binding.address) < Mismatch::Refuse {
            return None;
        }
        match binding.judge(differences(binding, &session.origin, origin)) {
            Some((Mismatch::Refuse, rule)) => Some(rule),
            _ => None,
        }
    }

    /// Remembers from which network a session is refreshed, and says whether it was another one within `window`.
    /// To be asked once for each request.
    pub fn has_moved(&self, session: SessionId, origin: &Origin, window: Seconds, now: Timestamp) -> bool {
        !self.is_off() && origin.ip.is_some_and(|ip| self.networks.has_moved(session, ip, window, now))
    }

    /// Weighs a refresh that the refresh rule would serve.
    pub fn weigh_refresh(&self, weighing: Weighing<'_>) -> Weighed {
        if self.is_off() {
            return Weighed { action: Action::Allow, note: None };
        }
        let Weighing { session, origin, has_two_networks, is_fast, now } = weighing;
        let binding = self.bindings.of(session.transport);
        let is_weighed = |mismatch: Mismatch| mismatch != Mismatch::Off;
        let mut signals = Signals::NONE;
        signals.add(
            Signal::UserAgentChanged,
            is_weighed(binding.user_agent_family) && is_another_family(&session.origin, origin),
        );
        signals.add(
            Signal::NetworkChanged,
            is_weighed(binding.address) && is_another_network(binding, &session.origin, origin),
        );
        signals.add(Signal::TwoNetworks, is_weighed(binding.address) && has_two_networks);
        signals.add(Signal::RefreshRate, is_fast);
        signals.add(Signal::ReuseBefore, self.reuses.used(&session.user_id, now) > 0);
        self.decide(Moment::Refresh, signals)
    }

    /// Decides about a login by what was found out about it.
    pub fn weigh_login(&self, signals: Signals) -> Weighed {
        self.decide(Moment::Login, signals)
    }

    /// Whether there is room for this note in the history of a session or a user: each story is told once a week.
    pub fn has_room(&self, of: &impl Hash, note: &RiskNote, now: Timestamp) -> bool {
        self.notes.take_quietly(&(of, note.assessment.signals, note.assessment.action), now).is_ok()
    }

    /// A copy of one of this user's sessions was found out.
    pub fn remember_reuse(&self, user: UserId, now: Timestamp) {
        self.reuses.forget(&user);
        // A spent budget is the memory: there is nothing to refuse.
        let _ = self.reuses.take_quietly(&user, now);
    }

    fn decide(&self, moment: Moment, signals: Signals) -> Weighed {
        if signals.is_empty() || self.is_off() {
            return Weighed { action: Action::Allow, note: None };
        }
        let thresholds = match moment {
            Moment::Login => &self.login,
            Moment::Refresh => &self.refresh,
        };
        let assessment = assess(signals, &self.weights, thresholds);
        let is_dry_run = self.mode == RiskMode::DryRun;
        count(moment, &assessment, is_dry_run);
        let is_notable = assessment.action > Action::Allow;
        Weighed {
            action: if is_dry_run { Action::Allow } else { assessment.action },
            note: is_notable.then_some(RiskNote { moment, is_dry_run, assessment }),
        }
    }
}

/// Whether browser or system are others than before, as far as it is known what they were.
pub(crate) fn is_another_family(before: &Origin, now: &Origin) -> bool {
    let Some(known) = before.user_agent.as_deref() else { return false };
    let Some(text) = now.user_agent.as_deref() else { return true };
    // Nearly always the same text: nothing has to be read off it then.
    known != text && device_name::of_user_agent(known) != device_name::of_user_agent(text)
}

fn differences(binding: &Binding, before: &Origin, now: &Origin) -> Differences {
    Differences {
        user_agent_family: is_another_family(before, now),
        address: is_another_network(binding, before, now),
    }
}

fn is_another_network(binding: &Binding, before: &Origin, now: &Origin) -> bool {
    let Some(known) = before.ip else { return false };
    let Some(ip) = now.ip else { return true };
    match binding.address_match {
        AddressMatch::Exact => known.to_canonical() != ip.to_canonical(),
        AddressMatch::Subnet => !is_same_network(known, ip),
    }
}

fn count(moment: Moment, assessment: &Assessment, is_dry_run: bool) {
    let mode = if is_dry_run { "dry_run" } else { "on" };
    for signal in assessment.signals.iter() {
        counter!("relatch_risk_signals_total", "moment" => moment.as_str(), "rule" => signal.as_str())
            .increment(1);
    }
    counter!(
        "relatch_risk_decisions_total",
        "moment" => moment.as_str(), "action" => assessment.action.as_str(), "mode" => mode
    )
    .increment(1);
}

/// How long a reuse makes the account's other sessions suspect.
pub(crate) const REUSE_RECENT: Seconds = Seconds(7 * 86_400);
/// How often the same story of one session is noted.
const NOTE_EVERY: Seconds = Seconds(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(ip: Option<&str>, user_agent: Option<&str>) -> Origin {
        Origin {
            ip: ip.map(|ip| ip.parse().unwrap()),
            user_agent: user_agent.map(str::to_owned),
            device_name: None,
        }
    }

    #[test]
    fn an_update_is_no_change_and_a_missing_header_is_one() {
        let firefox = |version: u32| {
            let text =
                format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0");
            origin(None, Some(&text))
        };
        let unknown = origin(None, None);
        assert!(!is_another_family(&firefox(128), &firefox(140)));
        assert!(is_another_family(&firefox(128), &origin(None, Some("curl/8.5.0"))));
        assert!(is_another_family(&firefox(128), &unknown), "leaving it out is no way round");
        assert!(!is_another_family(&unknown, &firefox(128)), "nothing to compare with");
    }

    #[test]
    fn an_address_is_compared_as_the_binding_says() {
        let exact = Binding { address_match: AddressMatch::Exact, ..Binding::default() };
        let subnet = Binding::default();
        let at = |ip| origin(Some(ip), None);
        for (binding, now, expected) in [
            (&exact, "192.0.2.7", false),
            (&exact, "::ffff:192.0.2.7", false),
            (&exact, "192.0.2.8", true),
            (&subnet, "192.0.2.8", false),
            (&subnet, "192.0.3.7", true),
        ] {
            assert_eq!(is_another_network(binding, &at("192.0.2.7"), &at(now)), expected, "{now}");
        }
        assert!(is_another_network(&subnet, &at("192.0.2.7"), &origin(None, None)));
        assert!(
            !is_another_network(&subnet, &origin(None, None), &at("192.0.2.7")),
            "nothing to compare with"
        );
    }
}
