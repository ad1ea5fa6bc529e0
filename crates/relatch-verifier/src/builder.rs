//! The settings of a verifier.

use crate::claims::ClaimRules;
use crate::key_source::{KeyPolicy, KeySource};
use crate::memory::Memory;
use crate::verifier::Inner;
use crate::{Algorithm, Clock, ConfigError, Revocations, SystemClock, Verifier};
use relatch_token::Seconds;
use reqwest::{Client, Url, redirect};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longer than this a key document never takes; a request that waits for one is then answered 503.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Builds a [`Verifier`]. Issuer and audience are all it needs; the rest has defaults.
pub struct VerifierBuilder {
    issuer: String,
    audiences: Vec<String>,
    jwks_url: Option<String>,
    algorithms: Vec<Algorithm>,
    leeway: Seconds,
    token_life_max: Seconds,
    keys_refresh_after: Seconds,
    keys_stale_max: Seconds,
    unknown_kid_cooldown: Seconds,
    tokens_remembered_max: usize,
    clock: Arc<dyn Clock>,
    allow_plain_http: bool,
}

impl VerifierBuilder {
    pub(crate) fn new(issuer: String) -> Self {
        Self {
            issuer,
            audiences: Vec::new(),
            jwks_url: None,
            algorithms: vec![Algorithm::Es256],
            leeway: Seconds(30),
            token_life_max: Seconds(3600),
            keys_refresh_after: Seconds(300),
            keys_stale_max: Seconds(3600),
            unknown_kid_cooldown: Seconds(30),
            tokens_remembered_max: 10_000,
            clock: Arc::new(SystemClock),
            allow_plain_http: false,
        }
    }

    /// The name of this service in `aud`. Called twice, a token for either name is good.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Where the keys are, if not at `{issuer}/.well-known/jwks.json`.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// The algorithms to accept; by default ES256 alone, which is what Relatch signs with unless configured.
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// How far the clocks of issuer and service may be apart, 30 s by default: a token lives so much longer
    /// here, and begins so much earlier.
    pub fn leeway(mut self, leeway: Seconds) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest life, `exp - iat`, of a token to accept, an hour by default. Revocations are kept as long.
    pub fn token_life_max(mut self, life: Seconds) -> Self {
        self.token_life_max = life;
        self
    }

    /// How old keys may be before they are fetched anew, 5 minutes by default: from then on in the background,
    /// and from twice this age on before a request is answered. A key that the issuer withdraws is refused
    /// within that time.
    pub fn keys_refresh_after(mut self, age: Seconds) -> Self {
        self.keys_refresh_after = age;
        self
    }

    /// How old keys may become while the issuer is out of reach, an hour by default; then every answer is 503.
    /// Without its issuer nobody gets new tokens, so longer than they live is of little use.
    pub fn keys_stale_max(mut self, age: Seconds) -> Self {
        self.keys_stale_max = age;
        self
    }

    /// How long after a fetch for an unknown `kid` no other unknown `kid` causes one, 30 s by default: whoever
    /// forges names of keys makes us ask the issuer no more often than that.
    pub fn unknown_kid_cooldown(mut self, cooldown: Seconds) -> Self {
        self.unknown_kid_cooldown = cooldown;
        self
    }

    /// How many verified tokens are remembered, 10,000 by default, at about 2 KB each.
    pub fn tokens_remembered_max(mut self, tokens: usize) -> Self {
        self.tokens_remembered_max = tokens;
        self
    }

    /// What time it is, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Fetches keys over plain HTTP from anywhere. Whoever is on the way can then make keys and tokens of
    /// their own.
    pub fn danger_allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Checks the settings. No request is made before the first token comes in.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        self.checked_url(&self.issuer)?;
        let jwks_url = match &self.jwks_url {
            Some(url) => self.checked_url(url)?,
            None => {
                self.checked_url(&format!("{}/.well-known/jwks.json", self.issuer.trim_end_matches('/')))?
            }
        };
        if self.audiences.is_empty() {
            return Err(ConfigError::NoAudience);
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        let spans = [
            ("token_life_max", self.token_life_max),
            ("keys_refresh_after", self.keys_refresh_after),
            ("keys_stale_max", self.keys_stale_max),
        ];
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| span.0 == 0) {
            return Err(ConfigError::Zero(name));
        }
        let client = Client::builder()
            .timeout(FETCH_TIMEOUT)
            // RFC 8725 §3.10: keys come from where the operator said, not from where an answer points.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("relatch-verifier/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let memory = Arc::new(Memory::new(self.tokens_remembered_max));
        let policy = KeyPolicy {
            algorithms: self.algorithms,
            refresh_after: self.keys_refresh_after,
            stale_max: self.keys_stale_max,
            unknown_kid_cooldown: self.unknown_kid_cooldown,
        };
        let keys = KeySource::new(client, jwks_url, policy, Arc::clone(&self.clock), Arc::clone(&memory));
        let kept_for = Seconds(self.token_life_max.0.saturating_add(self.leeway.0));
        Ok(Verifier(Arc::new(Inner {
            revocations: Revocations::new(Arc::clone(&self.clock), kept_for),
            clock: self.clock,
            rules: ClaimRules {
                issuer: self.issuer,
                audiences: self.audiences,
                leeway: self.leeway,
                token_life_max: self.token_life_max,
            },
            keys: Arc::new(keys),
            memory,
        })))
    }

    fn checked_url(&self, text: &str) -> Result<Url, ConfigError> {
        let url = Url::parse(text).map_err(|_| ConfigError::Url(text.to_owned()))?;
        // RFC 8414 §2: an issuer has neither query nor fragment; a password has no business in a URL.
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || !url.has_host()
        {
            return Err(ConfigError::Url(text.to_owned()));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allow_plain_http || is_loopback(&url) => Ok(url),
            "http" => Err(ConfigError::PlainHttp(text.to_owned())),
            _ => Err(ConfigError::Url(text.to_owned())),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
