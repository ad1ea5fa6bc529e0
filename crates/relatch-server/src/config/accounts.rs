//! `[passwords]`, `[signup]` and `[limits]`: how accounts are made and guarded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How passwords are checked and kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordsConfig {
    /// The shortest password that may be chosen, in characters.
    #[schemars(range(min = 8, max = 64))]
    pub length_min: usize,
    /// The longest password that is taken, in characters; none is ever cut short.
    #[schemars(range(min = 128, max = 4096))]
    pub length_max: usize,
    /// How many passwords are checked at a time, on threads of their own. Absent: half of the processor's
    /// cores, so that the other half is left for refreshes.
    #[schemars(range(min = 1, max = 256))]
    pub threads: Option<usize>,
    /// How many checks may wait for a thread; further ones are answered 503 with `Retry-After`, so that a
    /// flood of logins never slows a refresh.
    #[schemars(range(min = 1, max = 100_000))]
    pub queue_max: usize,
    /// A file of passwords that were in breaches, made by `relatch passwords import`: none of them may be chosen
    /// any more. Read once at start, to find out whether it is whole; a check then reads a few bytes of it.
    pub breached_filter: Option<PathBuf>,
    /// What one check of a password costs.
    pub argon2: Argon2Config,
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self {
            length_min: 8,
            length_max: 1024,
            breached_filter: None,
            argon2: Argon2Config::default(),
            threads: None,
            queue_max: 1024,
        }
    }
}

/// The cost of Argon2id (RFC 9106 §3.1). Hashes of another cost are renewed at the next login.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Argon2Config {
    /// Memory for one check, in KiB; every thread takes it once.
    #[schemars(range(min = 8, max = 1_048_576))]
    pub memory_kib: u32,
    /// Passes over that memory.
    #[schemars(range(min = 1, max = 100))]
    pub iterations: u32,
    /// Lanes.
    #[schemars(range(min = 1, max = 16))]
    pub parallelism: u32,
    /// Takes a cost below what OWASP recommends. For tests and toys: a stolen database is guessed faster.
    pub danger_cheap: bool,
}

impl Default for Argon2Config {
    /// The second of the equally strong settings in OWASP's Password Storage Cheat Sheet.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1, danger_cheap: false }
    }
}

/// Who may make an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignupConfig {
    /// Whether people may sign up by themselves. Without it accounts are made by `relatch users create`.
    pub enabled: bool,
    /// Whether an account begins only when a mailed link was followed. Sign-up then answers 202 whether or
    /// not the address is taken, so that it can't be used to ask. Needs a way to send
    /// mail (`[mail]`).
    pub verify_email_first: bool,
}

impl Default for SignupConfig {
    fn default() -> Self {
        Self { enabled: true, verify_email_first: false }
    }
}

/// How often something may be tried; beyond that the answer is 429 with `Retry-After`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The span in which failed logins are counted.
    #[schemars(range(min = 1, max = 86_400))]
    pub login_window_seconds: u32,
    /// Failed logins into one account in that span, from everywhere together. A device that has logged in
    /// to the account before has a count of its own, so that nobody can lock the owner out.
    #[schemars(range(min = 1, max = 10_000))]
    pub login_failures_per_account_max: u32,
    /// Failed logins from one address in that span (of IPv6, from one /64).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub login_failures_per_address_max: u32,
    /// Failed logins from one neighbourhood of addresses in that span: an IPv4 /24, an IPv6 /48.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub login_failures_per_subnet_max: u32,
    /// Failed logins from everywhere into all accounts in that span. Over it, addresses and neighbourhoods get a
    /// tenth of their budgets until it is calmer: a crowd of addresses gets far fewer guesses, and a person at
    /// an address without failures still comes in. Nobody is refused for this number alone.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub login_failures_max: u32,
    /// From so many failed logins into one account on, the next try from a device that the account has never
    /// seen has to wait: one second, then two, four, and so on.
    #[schemars(range(min = 1, max = 10_000))]
    pub login_delay_after: u32,
    /// The longest such wait; 0 is none.
    #[schemars(range(min = 0, max = 3600))]
    pub login_delay_seconds_max: u32,
    /// The span in which sign-ups and requested mails are counted.
    #[schemars(range(min = 1, max = 86_400))]
    pub signup_window_seconds: u32,
    /// Sign-ups from one address in that span (of IPv6, from one /64); and apart from those as many requests for
    /// links to set a new password, and as many for a change of address.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub signups_per_address_max: u32,
    /// Mails to one account in that span because somebody signed up with its address, as many because a password
    /// was forgotten, and as many because somebody wants to move there: none uses up another's. Further ones are not sent, and the
    /// answer stays what it is, so that it does not tell whether the account exists.
    #[schemars(range(min = 1, max = 1000))]
    pub mails_per_account_max: u32,
    /// Refreshes of one session in 30 seconds. Never counted by address: one office is one address.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub refreshes_per_session_max: u32,
    /// The most accounts, addresses and sessions whose counts are kept at a time; beyond that the oldest
    /// are forgotten. Bounds the memory that an attacker can make the server use: 16 bytes for each, in each of
    /// eight tables.
    #[schemars(range(min = 1000, max = 100_000_000))]
    pub tracked_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            login_window_seconds: 900,
            login_failures_per_account_max: 10,
            login_failures_per_address_max: 100,
            login_failures_per_subnet_max: 400,
            login_failures_max: 10_000,
            login_delay_after: 3,
            login_delay_seconds_max: 30,
            signup_window_seconds: 3600,
            signups_per_address_max: 50,
            mails_per_account_max: 5,
            refreshes_per_session_max: 100,
            tracked_max: 100_000,
        }
    }
}
