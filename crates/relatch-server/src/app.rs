//! The rooms, furnished by the configuration and put together: what every door of the server works with.

use crate::accounts::{AccountPolicy, Accounts, AccountsParts};
use crate::api_keys::ApiKeys;
use crate::cli::OpenedStore;
use crate::clients::Clients;
use crate::config::{self, Config, ConfigError, Identity, OnReuse, SigningAlgorithm};
use crate::environment::Entropy;
use crate::factors::SeedVault;
use crate::http::pages::Look;
use crate::keys::{Algorithm, KeyPolicy, RsaSize, SigningKeys};
use crate::limits::{Limiter, LoginLimits, MailLimits, Quota, RefreshLimits, RefusalNotes};
use crate::mail::{self, DevMailbox, Mailer, NoMail, PickupFolder, Smtp, SmtpSettings};
use crate::outbox::Outbox;
use crate::password::{BreachedFilter, PasswordCost, PasswordRules, Passwords};
use crate::sessions::{LifetimePolicy, RiskWatch, Sessions, SessionsParts, Surroundings};
use crate::tokens::{AccessPolicy, AccessTokens, ClientTokens, StoredKeys};
use crate::webhooks::Webhooks;
use anyhow::Context;
use relatch_core::{Policy, ReuseScope, Windows};
use relatch_store::{ClientKind, Maintenance, OauthClient, Room, Store, WhenFull};
use relatch_token::{Audience, KeyRing, Seconds, Secret, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A server, ready to be asked.
#[derive(Clone)]
pub struct App {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// By what name the server is known.
    pub identity: Arc<Identity>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What an operator asks of it.
    pub maintenance: Arc<dyn Maintenance>,
    /// Sessions.
    pub sessions: Sessions,
    /// Accounts.
    pub accounts: Accounts,
    /// The keys that sign access tokens.
    pub keys: SigningKeys,
    /// API keys.
    pub api_keys: ApiKeys,
    /// OAuth clients.
    pub clients: Clients,
    /// Other systems that are told of events.
    pub webhooks: Webhooks,
    /// What waits to reach the world outside.
    pub outbox: Outbox,
    /// Who carries messages away.
    pub mailer: Arc<dyn Mailer>,
    /// How the hosted pages look, where there are any.
    pub pages: Option<Arc<Look>>,
    /// Time and randomness.
    pub surroundings: Surroundings,
}

impl App {
    /// Puts everything together for a server that listens on `bound`. With `mailbox`, mail stays in it.
    pub async fn assemble(
        config: Config,
        bound: SocketAddr,
        opened: OpenedStore,
        surroundings: Surroundings,
        mailbox: Option<Arc<DevMailbox>>,
    ) -> anyhow::Result<Self> {
        let OpenedStore { store, maintenance } = opened;
        let identity = config.identity(bound);
        let entropy = Arc::clone(&surroundings.entropy);
        let ring = key_ring(&config, &*store, &*entropy).await?;
        let now = surroundings.clock.now();
        let keys =
            SigningKeys::load(&*store, ring.clone(), key_policy(&config), Arc::clone(&entropy), now).await?;
        let ring = Arc::new(ring);
        let vault = SeedVault::new(Arc::clone(&ring), Arc::clone(&entropy));
        let signer = Arc::new(StoredKeys { keys: keys.clone(), store: Arc::clone(&store) });
        let outbox = Outbox::new(Arc::clone(&store), Arc::clone(&ring), surroundings.clone());
        let mailer = mailer(&config, mailbox)?;
        let tracked_max = config.limits.tracked_max;
        let risk = Arc::new(RiskWatch::new(&config.risk, &config.binding, tracked_max, &*entropy));
        let sessions = Sessions::new(SessionsParts {
            store: Arc::clone(&store),
            ring,
            access: AccessTokens::new(signer, access_policy(&config, &identity)),
            policy: refresh_policy(&config),
            lifetimes: lifetimes(&config),
            room: Some(room(&config)),
            limits: Arc::new(RefreshLimits::new(
                config.limits.refreshes_per_session_max,
                config.limits.tracked_max,
                &*entropy,
            )),
            refusal_notes: Some(Arc::new(RefusalNotes::new(config.limits.tracked_max, &*entropy))),
            risk: Some(Arc::clone(&risk)),
            surroundings: surroundings.clone(),
        });
        let passwords = Passwords::start(
            password_cost(&config),
            config.passwords.threads.unwrap_or_else(Passwords::default_threads),
            config.passwords.queue_max,
            Arc::clone(&entropy),
        )?;
        let accounts = Accounts::new(AccountsParts {
            store: Arc::clone(&store),
            sessions: sessions.clone(),
            passwords,
            login_limits: LoginLimits::new(&config.limits, &*entropy),
            code_limits: LoginLimits::for_codes(&config.limits, &*entropy),
            confirm_limits: Limiter::new("confirm_factor", FIRST_CODES, config.limits.tracked_max, &*entropy),
            vault,
            risk,
            breached: breached(&config)?,
            mail_limits: MailLimits::new(&config.limits, &*entropy),
            outbox: outbox.clone(),
            can_mail: mailer.is_there(),
            policy: account_policy(&config, &identity),
            surroundings: surroundings.clone(),
        });
        let clients = Clients::new(configured_clients(&config, now)?, Arc::clone(&store));
        let webhooks = Webhooks::open(&config.webhooks, Arc::clone(&store), surroundings.clone())?;
        let pages = match config.pages.enabled {
            true => Some(Arc::new(Look::load(&config.pages, &identity)?)),
            false => None,
        };
        Ok(Self {
            identity: Arc::new(identity),
            outbox,
            mailer,
            pages,
            sessions,
            accounts,
            keys,
            api_keys: ApiKeys::new(Arc::clone(&store)),
            clients,
            webhooks,
            surroundings,
            store,
            maintenance,
            config: Arc::new(config),
        })
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }
}

/// The master keys of the configuration, for the database of `store`.
pub async fn key_ring(config: &Config, store: &dyn Store, entropy: &dyn Entropy) -> anyhow::Result<KeyRing> {
    let masters = config.keys.master_key_source()?.load(entropy)?;
    Ok(KeyRing::new(&store.instance_id().await?, masters)?)
}

/// How signing keys live.
pub fn key_policy(config: &Config) -> KeyPolicy {
    let signing = &config.keys.signing;
    KeyPolicy {
        algorithm: match signing.algorithm {
            SigningAlgorithm::Es256 => Algorithm::Es256,
            SigningAlgorithm::EdDsa => Algorithm::EdDsa,
            SigningAlgorithm::Rs256 => Algorithm::Rs256,
        },
        rsa_size: RsaSize::Bits2048,
        rotate_every: Seconds(signing.rotate_every_seconds),
        publish_before: Seconds(signing.publish_before_seconds),
        verifier_cache: Seconds(signing.verifier_cache_seconds),
        access_token_life: Seconds(config.tokens.access_seconds),
    }
}

fn access_policy(config: &Config, identity: &Identity) -> AccessPolicy {
    let tokens_of = |client: &config::ClientConfig| ClientTokens {
        audience: match client.audience.as_slice() {
            [] => None,
            [one] => Some(Audience::One(one.clone())),
            several => Some(Audience::Many(several.to_vec())),
        },
        claims: client.claims.clone(),
    };
    AccessPolicy {
        issuer: identity.issuer.to_string(),
        audience: identity.audience.clone(),
        life: Seconds(config.tokens.access_seconds),
        first_party_client_id: config.tokens.first_party_client_id.clone(),
        claims: config.tokens.claims.clone(),
        clients: config.clients.iter().map(|client| (client.id.clone(), tokens_of(client))).collect(),
    }
}

fn refresh_policy(config: &Config) -> Policy {
    Policy {
        reuse_window: Windows {
            cookie: Seconds(config.sessions.reuse_window_cookie_seconds),
            body: Seconds(config.sessions.reuse_window_body_seconds),
        },
        on_reuse: match config.sessions.on_reuse {
            OnReuse::RevokeSession => ReuseScope::Session,
            OnReuse::RevokeUser => ReuseScope::User,
        },
    }
}

fn lifetimes(config: &Config) -> LifetimePolicy {
    LifetimePolicy {
        idle: config.sessions.idle(true),
        absolute: config.sessions.absolute(),
        idle_unremembered: config.sessions.idle(false),
    }
}

fn room(config: &Config) -> Room {
    let sessions = &config.sessions;
    Room {
        sessions_max: sessions.per_user_max,
        cookie_max: sessions.per_user_cookie_max,
        body_max: sessions.per_user_body_max,
        when_full: match sessions.when_full {
            config::WhenFull::EndOldest => WhenFull::EndOldest,
            config::WhenFull::EndMostIdle => WhenFull::EndMostIdle,
            config::WhenFull::Refuse => WhenFull::Refuse,
        },
    }
}

fn breached(config: &Config) -> anyhow::Result<Option<Arc<BreachedFilter>>> {
    let path = config.passwords.breached_filter.as_deref();
    Ok(path.map(BreachedFilter::open).transpose()?.map(Arc::new))
}

fn password_cost(config: &Config) -> PasswordCost {
    let argon2 = &config.passwords.argon2;
    PasswordCost {
        memory_kib: argon2.memory_kib,
        iterations: argon2.iterations,
        parallelism: argon2.parallelism,
    }
}

fn account_policy(config: &Config, identity: &Identity) -> AccountPolicy {
    let hosted_pages_url = config.pages.enabled.then(|| identity.public_url.join("/auth/pages"));
    AccountPolicy {
        is_signup_enabled: config.signup.enabled,
        verify_email_first: config.signup.verify_email_first,
        public_url: identity.public_url.to_string(),
        pages_url: config
            .mail
            .pages_url
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| hosted_pages_url.clone()),
        hosted_pages_url,
        service_name: identity.public_url.host().to_owned(),
        password_rules: PasswordRules {
            chars_min: config.passwords.length_min,
            chars_max: config.passwords.length_max,
        },
    }
}

/// Who carries messages away, as configured; a mailbox is for where nothing is.
pub fn mailer(config: &Config, mailbox: Option<Arc<DevMailbox>>) -> anyhow::Result<Arc<dyn Mailer>> {
    let from = mail::sender(&config.mail.from)?;
    if let Some(settings) = smtp_settings(&config.mail.smtp)? {
        return Ok(Arc::new(Smtp::new(settings, from)?));
    }
    Ok(match (&config.mail.directory, mailbox) {
        (Some(folder), _) => Arc::new(PickupFolder::new(folder.clone(), from)),
        (None, Some(mailbox)) => mailbox,
        (None, None) => Arc::new(NoMail),
    })
}

fn smtp_settings(smtp: &config::SmtpConfig) -> anyhow::Result<Option<SmtpSettings>> {
    let Some(host) = smtp.host.clone() else { return Ok(None) };
    let password = match (&smtp.password, &smtp.password_file) {
        (Some(password), _) => Some(Secret::new(password.expose().to_owned())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("`mail.smtp.password_file`, {}", file.display()))?;
            Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => None,
    };
    Ok(Some(SmtpSettings {
        host,
        port: smtp.port(),
        security: match smtp.security {
            config::SmtpSecurity::Starttls => mail::SmtpSecurity::StartTls,
            config::SmtpSecurity::Tls => mail::SmtpSecurity::Tls,
            config::SmtpSecurity::None => mail::SmtpSecurity::None,
        },
        ca_file: smtp.ca_file.clone(),
        login: smtp.username.clone().zip(password),
        timeout: Duration::from_secs(smtp.timeout_seconds.into()),
    }))
}

fn configured_clients(config: &Config, now: Timestamp) -> Result<Vec<OauthClient>, ConfigError> {
    let client = |client: &config::ClientConfig| {
        Ok(OauthClient {
            id: client.id.clone(),
            kind: match client.kind {
                config::ClientKind::Public => ClientKind::Public,
                config::ClientKind::Confidential => ClientKind::Confidential,
            },
            secret_hash: client.secret_sha256()?.map(|hash| *hash.expose()),
            name: None,
            scopes: client.scopes.clone(),
            created_at: now,
        })
    };
    config.clients.iter().map(client).collect()
}

/// First codes that may be wrong while a new app is being confirmed.
const FIRST_CODES: Quota = Quota::new(10, Seconds(900));
