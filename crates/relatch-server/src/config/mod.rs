//! What an operator can set: a file, then the environment, then flags, each over the one before.
//!
//! ```
//! use relatch_server::config::{Config, Inputs, Layer};
//!
//! let environment = vec![("RELATCH_SESSIONS__IDLE_SECONDS".into(), "3600".into())];
//! let flags = Layer::new().with("server.listen", "--listen", "127.0.0.1:9000");
//! let loaded = Config::load(&Inputs { environment, flags, ..Inputs::default() })?;
//! assert_eq!(loaded.config.sessions.idle_seconds, 3600);
//! assert_eq!(loaded.source("server.listen"), "--listen");
//! # Ok::<(), relatch_server::config::ConfigError>(())
//! ```

mod accounts;
mod address;
mod check;
mod clients;
mod error;
mod identity;
mod keys;
mod known;
mod layer;
mod load;
mod mail;
mod master_key;
mod pages;
mod reference;
mod risk;
mod risk_page;
mod secret_text;
mod server;
mod sessions;
mod store;
mod telemetry;
mod webhooks;

pub use accounts::{Argon2Config, LimitsConfig, PasswordsConfig, SignupConfig};
pub use address::{Network, WebOrigin, WebUrl, host_of};
pub use clients::{ClientConfig, ClientKind};
pub use error::ConfigError;
pub use identity::Identity;
pub use keys::{KeysConfig, SigningAlgorithm, SigningConfig};
pub use layer::Layer;
pub use load::{Explained, Inputs, LoadedConfig};
pub use mail::{MailConfig, SmtpConfig, SmtpSecurity};
pub use pages::{Accent, PagesConfig};
pub use reference::reference;
pub use risk::{
    AddressMatchName, BindingConfig, LoginThresholds, OnMismatch, RefreshThresholds, RiskConfig, RiskMode,
    TransportBinding, WeightsConfig,
};
pub use risk_page::risk_page;
pub use secret_text::SecretText;
pub use server::{HttpLimitsConfig, ServerConfig, TlsConfig};
pub use sessions::{OnReuse, SessionsConfig, TokensConfig, WhenFull};
pub use store::{RotationDurability, StoreConfig, StoreUrl, SweepConfig};
pub use telemetry::{LogFormat, TelemetryConfig};
pub use webhooks::{WebhookConfig, WebhookUrl};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The whole configuration, every value filled in.
///
/// Serialising one hides its secrets, so that it can be shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the server listens, who may talk to it, and how much it takes.
    pub server: ServerConfig,
    /// Where sessions, accounts and keys are kept.
    pub store: StoreConfig,
    /// The master key, and the keys that sign access tokens.
    pub keys: KeysConfig,
    /// What access tokens say.
    pub tokens: TokensConfig,
    /// How long sessions live, and what happens when a copied refresh token shows up.
    pub sessions: SessionsConfig,
    /// What sessions are bound to beside the device cookie.
    pub binding: BindingConfig,
    /// What is unusual about a login or a refresh, and what follows.
    pub risk: RiskConfig,
    /// How passwords are checked and kept.
    pub passwords: PasswordsConfig,
    /// Who may make an account.
    pub signup: SignupConfig,
    /// How often something may be tried.
    pub limits: LimitsConfig,
    /// How messages leave.
    pub mail: MailConfig,
    /// The hosted pages: sign-up, login and account below `/auth/pages/`.
    pub pages: PagesConfig,
    /// OAuth clients, one `[[clients]]` table each.
    pub clients: Vec<ClientConfig>,
    /// Receivers of events, one `[[webhooks]]` table each.
    pub webhooks: Vec<WebhookConfig>,
    /// Logs and metrics.
    pub telemetry: TelemetryConfig,
}
