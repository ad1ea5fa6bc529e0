//! `[mail]`: how messages leave, and what they say about us.

use super::{SecretText, WebUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How messages leave. Without `mail.smtp.host` or `mail.directory` no mail is sent, and passwords can't be
/// reset by mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// A folder into which every message is written as an `.eml` file, for a mail server to pick up or for
    /// you to read. Instead of `mail.smtp`.
    pub directory: Option<PathBuf>,
    /// Where the links in messages lead: pages of yours, `reset` and `verify` below this address, which take
    /// the code behind the `#` and send it to `POST /auth/password/reset` or `/auth/email/verify`. Absent:
    /// the hosted pages (`[pages]`), and where those are off, messages hold the code alone.
    pub pages_url: Option<WebUrl>,
    /// The sender of messages, as `name@host` or `Name <name@host>`.
    pub from: String,
    /// The mail server that takes messages from us.
    pub smtp: SmtpConfig,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            directory: None,
            pages_url: None,
            from: "Relatch <relatch@localhost>".into(),
            smtp: SmtpConfig::default(),
        }
    }
}

/// The mail server that takes messages from us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name or address; its certificate must bear it. Absent: no mail leaves this way.
    pub host: Option<String>,
    /// Its port. Absent: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// How the way there is guarded.
    pub security: SmtpSecurity,
    /// The name to log in with. Absent: without a login.
    pub username: Option<String>,
    /// The password that belongs to it. Taken from the environment alone; a secret has no place in a
    /// configuration file.
    #[schemars(extend("x-secret" = true))]
    pub password: Option<SecretText>,
    /// A file that holds the password instead, read at the start.
    pub password_file: Option<PathBuf>,
    /// A certificate authority (PEM) to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// After how long an attempt counts as failed; it is made again later.
    #[schemars(range(min = 1, max = 300))]
    pub timeout_seconds: u32,
    /// Takes `security = "none"` to a server on a network: whoever is on the way reads every link and the
    /// password, and is anybody.
    pub danger_plain_text: bool,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            security: SmtpSecurity::Starttls,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            timeout_seconds: 30,
            danger_plain_text: false,
        }
    }
}

impl SmtpConfig {
    /// The port in force.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::Tls => 465,
            SmtpSecurity::None => 25,
        })
    }

    /// Whether the server is this machine, so that nobody is on the way.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host.as_deref().unwrap_or_default();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// How the way to a mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// Begins in the clear and must turn to TLS before anything is said (RFC 3207).
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all: for a server on this machine.
    None,
}
