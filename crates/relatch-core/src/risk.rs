//! Risk: what is unusual about a login or a refresh, weighed by plain rules that are data.
//!
//! Every rule is a [`Signal`] with a weight and a sentence; the weights of those that fired sum to a score, and
//! thresholds map the score to an [`Action`]. `docs/concepts/risk.md` explains each, written from this table.

use alloc::string::String;
use core::fmt::{self, Write};
use core::net::IpAddr;

/// Something unusual about a login or a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// A login from a browser or app that the account has not been seen on.
    NewDevice,
    /// The family of the `User-Agent` is another one.
    UserAgentChanged,
    /// The network (/24, /48) is another one.
    NetworkChanged,
    /// Many failed logins came before this one.
    FailuresBefore,
    /// The session is refreshed very often.
    RefreshRate,
    /// Two networks use the session at the same time.
    TwoNetworks,
    /// A copy of one of the account's sessions was found out not long ago.
    ReuseBefore,
}

/// When something is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// At login, once the password was right.
    Login,
    /// At a refresh that the refresh rule would serve.
    Refresh,
}

/// What follows, the mildest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing.
    #[default]
    Allow,
    /// It is served, and noted in the person's history.
    Notify,
    /// It is served once the person has proved again who they are.
    StepUp,
    /// It is refused; nothing changes.
    Refuse,
    /// It is refused and ends the session; at login, all of the user's.
    Revoke,
}

/// Which signals fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signals(u16);

/// How much each signal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights([u32; Signal::ALL.len()]);

/// From which score on an action follows; zero is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// For [`Action::Notify`].
    pub notify: u32,
    /// For [`Action::StepUp`].
    pub step_up: u32,
    /// For [`Action::Refuse`].
    pub refuse: u32,
    /// For [`Action::Revoke`].
    pub revoke: u32,
}

/// What the rules say about one login or refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Which signals fired.
    pub signals: Signals,
    /// The sum of their weights.
    pub score: u32,
    /// What follows from it.
    pub action: Action,
}

/// An assessment as the audit keeps it: one line, which can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskNote {
    /// When it was judged.
    pub moment: Moment,
    /// Whether it was only recorded, and nothing done.
    pub is_dry_run: bool,
    /// What the rules said.
    pub assessment: Assessment,
}

/// Weighs what is unusual. The order in which signals fired doesn't matter, and one more never makes the
/// outcome milder.
pub fn assess(signals: Signals, weights: &Weights, thresholds: &Thresholds) -> Assessment {
    let score = signals.iter().map(|signal| weights.of(signal)).sum();
    let is_over = |threshold: u32| threshold > 0 && score >= threshold;
    let action = Action::ALL.into_iter().rev().find(|action| is_over(thresholds.of(*action)));
    Assessment { signals, score, action: action.unwrap_or_default() }
}

/// Whether two addresses are of one network, as far as their numbers tell: the same /24, or the same /48 of IPv6.
pub fn is_same_network(one: IpAddr, other: IpAddr) -> bool {
    network_of(one) == network_of(other)
}

/// A number for the network of an address; no two networks share one. An IPv4 address that is written as IPv6 is
/// the IPv4 address.
pub fn network_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        // 48 bits, and one above them that no IPv4 network has.
        IpAddr::V6(v6) => (v6.to_bits() >> 80) as u64 | 1 << 48,
    }
}

impl Signal {
    /// Every signal, in the order of the page that explains them.
    pub const ALL: [Self; 7] = [
        Self::NewDevice,
        Self::UserAgentChanged,
        Self::NetworkChanged,
        Self::FailuresBefore,
        Self::RefreshRate,
        Self::TwoNetworks,
        Self::ReuseBefore,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::UserAgentChanged => "user_agent_changed",
            Self::NetworkChanged => "network_changed",
            Self::FailuresBefore => "failures_before",
            Self::RefreshRate => "refresh_rate",
            Self::TwoNetworks => "two_networks",
            Self::ReuseBefore => "reuse_before",
        }
    }

    /// What it saw, as a clause.
    pub const fn says(self) -> &'static str {
        match self {
            Self::NewDevice => "it came from a device that the account had not been used on",
            Self::UserAgentChanged => "the browser or system is another one than before",
            Self::NetworkChanged => "the network is another one than before",
            Self::FailuresBefore => "many failed logins came before it",
            Self::RefreshRate => "the session is refreshed unusually often",
            Self::TwoNetworks => "two networks use the session at the same time",
            Self::ReuseBefore => "a copied session of this account was found out not long ago",
        }
    }

    /// How exactly it is decided, at login and at refresh, for the page that explains it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::NewDevice => {
                "At login: the account has been used before, and no device cookie came along that it was used \
                 with. In the body transport, which has no device cookie: none of its live sessions of that \
                 transport began with the same browser or app."
            }
            Self::UserAgentChanged => {
                "Browser and system are read off `User-Agent`, without versions, so an update changes nothing. At \
                 login: none of the account's sessions and recent logins had the same. At refresh: it is not that \
                 of the session's login; one that is missing now counts as changed. Anybody can send any \
                 `User-Agent`, so its being the same proves nothing."
            }
            Self::NetworkChanged => {
                "The first 24 bits of an IPv4 address, the first 48 of IPv6. At login: none of the account's \
                 sessions and recent logins came from there. At refresh: it is not that of the session's login. \
                 Phones and laptops change it all day, which is why it weighs little."
            }
            Self::FailuresBefore => {
                "At login: five or more failed logins to this account within the last hour. Who guesses until a \
                 guess is right leaves exactly this; so does who forgot the password."
            }
            Self::RefreshRate => {
                "At refresh: more than half of the session's budget (`limits.refreshes_per_session_max` in 30 s) \
                 is spent. A client that waits for `refresh_in` never comes near it."
            }
            Self::TwoNetworks => {
                "At refresh: inside one reuse window the session was refreshed from another network, and this is \
                 another token of the same head. Two tabs of one browser have one address; a phone that changes \
                 from Wi-Fi to mobile in these seconds has two. Each node counts what it sees itself."
            }
            Self::ReuseBefore => {
                "A superseded token ended a session of this account within the last seven days: somebody had a \
                 copy, and may have more. At login it is read from the history; at refresh it is what this node \
                 has seen since its start."
            }
        }
    }

    /// Whether it can fire then.
    pub const fn is_of(self, moment: Moment) -> bool {
        match self {
            Self::NewDevice | Self::FailuresBefore => matches!(moment, Moment::Login),
            Self::RefreshRate | Self::TwoNetworks => matches!(moment, Moment::Refresh),
            Self::UserAgentChanged | Self::NetworkChanged | Self::ReuseBefore => true,
        }
    }

    /// Whether it speaks of the address alone, which honest people change all day.
    pub const fn is_of_address(self) -> bool {
        matches!(self, Self::NetworkChanged | Self::TwoNetworks)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Moment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Login, Self::Refresh];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
        }
    }

    /// The thresholds where nobody set others: quiet, and nothing harsher than a note.
    pub const fn thresholds(self) -> Thresholds {
        let notify = match self {
            Self::Login => 50,
            Self::Refresh => 40,
        };
        Thresholds { notify, step_up: 0, refuse: 0, revoke: 0 }
    }
}

impl Action {
    /// Every action, the mildest first.
    pub const ALL: [Self; 5] = [Self::Allow, Self::Notify, Self::StepUp, Self::Refuse, Self::Revoke];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Notify => "notify",
            Self::StepUp => "step_up",
            Self::Refuse => "refuse",
            Self::Revoke => "revoke",
        }
    }
}

impl Signals {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds a signal where `fires`.
    pub const fn add(&mut self, signal: Signal, fires: bool) {
        if fires {
            self.0 |= signal.bit();
        }
    }

    /// Whether it fired.
    pub const fn has(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// Whether none fired.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that fired.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.has(*signal))
    }
}

impl FromIterator<Signal> for Signals {
    fn from_iter<T: IntoIterator<Item = Signal>>(signals: T) -> Self {
        let mut all = Self::NONE;
        signals.into_iter().for_each(|signal| all.add(signal, true));
        all
    }
}

impl Default for Weights {
    /// A changed network is worth least, since honest people change it all day; browser and system most, since
    /// nobody changes them within a session.
    fn default() -> Self {
        Self([30, 40, 20, 30, 20, 30, 30])
    }
}

impl Weights {
    /// The weight of a signal.
    pub const fn of(&self, signal: Signal) -> u32 {
        self.0[signal as usize]
    }

    /// With another weight for one signal, at most [`Weights::MAX`]; zero switches its rule off.
    #[must_use]
    pub const fn with(mut self, signal: Signal, weight: u32) -> Self {
        self.0[signal as usize] = if weight > Self::MAX { Self::MAX } else { weight };
        self
    }

    /// The greatest weight: no sum of weights overflows.
    pub const MAX: u32 = 1000;
}

impl Thresholds {
    /// From which score on the action follows; zero is never.
    pub const fn of(&self, action: Action) -> u32 {
        match action {
            Action::Allow => 0,
            Action::Notify => self.notify,
            Action::StepUp => self.step_up,
            Action::Refuse => self.refuse,
            Action::Revoke => self.revoke,
        }
    }
}

impl fmt::Display for RiskNote {
    /// `dry_run notify at refresh, score 60: user_agent_changed network_changed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Assessment { signals, score, action } = self.assessment;
        let dry_run = if self.is_dry_run { "dry_run " } else { "" };
        write!(f, "{dry_run}{} at {}, score {score}:", action.as_str(), self.moment.as_str())?;
        signals.iter().try_for_each(|signal| write!(f, " {}", signal.as_str()))
    }
}

impl RiskNote {
    /// Reads a note again; `None` where it isn't one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, words) = text.split_once(':')?;
        let is_dry_run = head.starts_with("dry_run ");
        let (head, score) = head.strip_prefix("dry_run ").unwrap_or(head).split_once(", score ")?;
        let (action, moment) = head.split_once(" at ")?;
        let signal = |word: &str| Signal::ALL.into_iter().find(|signal| signal.as_str() == word);
        Some(Self {
            moment: Moment::ALL.into_iter().find(|known| known.as_str() == moment)?,
            is_dry_run,
            assessment: Assessment {
                signals: words.split_ascii_whitespace().map(signal).collect::<Option<Signals>>()?,
                score: score.parse().ok()?,
                action: Action::ALL.into_iter().find(|known| known.as_str() == action)?,
            },
        })
    }

    /// What fired, as clauses: `the network is another one than before, and …`.
    pub fn says(&self) -> String {
        let mut text = String::new();
        for (index, signal) in self.assessment.signals.iter().enumerate() {
            let comma = if index > 0 { "; " } else { "" };
            // Writing into a string never fails.
            let _ = write!(text, "{comma}{}", signal.says());
        }
        text
    }
}
