//! What the types can't say: bounds, and settings that must fit each other.

use super::known::{Key, Shape};
use super::load::{LoadedConfig, find, show};
use super::{Config, OnMismatch, RiskMode, SmtpSecurity, StoreUrl};
use relatch_token::REGISTERED_CLAIMS;
use serde_json::Value;

/// Every mistake in a configuration whose types are right.
pub(super) fn check(loaded: &LoadedConfig, keys: &[Key]) -> Vec<String> {
    let mut checker = Checker { loaded, values: loaded.values(), problems: Vec::new() };
    checker.bounds(keys);
    checker.server();
    checker.keys();
    checker.sessions();
    checker.risk();
    checker.accounts();
    checker.mail();
    checker.claims("tokens.claims", loaded.config.tokens.claims.keys());
    checker.clients();
    checker.webhooks();
    checker.problems
}

impl Config {
    /// What is allowed and probably not meant.
    pub fn warnings(&self) -> Vec<String> {
        let life = self.tokens.access_seconds;
        let windows = [
            ("cookie", self.sessions.reuse_window_cookie_seconds),
            ("body", self.sessions.reuse_window_body_seconds),
        ];
        let mut warnings = Vec::new();
        for (transport, window) in windows {
            let enough = window.saturating_mul(PERIOD_WINDOWS);
            if window > 0 && life <= enough {
                warnings.push(format!(
                    "access tokens live {life} s, which is not longer than three reuse windows \
                     (`sessions.reuse_window_{transport}_seconds`, {window} s): a thief who refreshes in step \
                     with the owner may stay unnoticed; set `tokens.access_seconds` to more than {enough}, or a \
                     shorter window"
                ));
            }
        }
        warnings
    }
}

/// How many windows a client must stay away between two refreshes for a copy to be found out at any lag
/// (docs/decisions/0005-recent-is-two-windows.md).
const PERIOD_WINDOWS: u32 = 3;

struct Checker<'a> {
    loaded: &'a LoadedConfig,
    values: Value,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn bounds(&mut self, keys: &[Key]) {
        for key in keys.iter().filter(|key| key.shape == Shape::Number) {
            let Some(value) = find(&self.values, &key.path).as_u64() else { continue };
            let (minimum, maximum) = (key.minimum.unwrap_or(0), key.maximum.unwrap_or(u64::MAX));
            let named = self.named(&key.path);
            self.require((minimum..=maximum).contains(&value), || {
                format!("{named} must be from {minimum} to {maximum}")
            });
        }
    }

    fn server(&mut self) {
        let Config { server, telemetry, .. } = &self.loaded.config;
        let loopback = server.listen.ip().is_loopback();
        let listen = self.named("server.listen");
        self.require(server.tls.cert_file.is_some() == server.tls.key_file.is_some(), || {
            "`server.tls.cert_file` and `server.tls.key_file` need each other; set both or neither".into()
        });
        let guarded = server.tls.files().is_some() || !server.trusted_proxies.is_empty();
        self.require(loopback || guarded, || {
            format!(
                "{listen} would speak plain HTTP on a network; set `server.tls`, or name the proxy that \
                 does TLS in `server.trusted_proxies`, or listen on 127.0.0.1"
            )
        });
        self.require(loopback || server.public_url.is_some(), || {
            format!(
                "{listen} needs `server.public_url`, the URL by which the world reaches the server; \
                 set it to something like `https://id.example.com`"
            )
        });
        let public_url = self.named("server.public_url");
        self.require(!server.public_url.as_ref().is_some_and(|url| url.has_path()), || {
            format!("{public_url} must end after the host; cookies and discovery need a host of their own")
        });
        let same = telemetry.metrics_listen == Some(server.listen) && server.listen.port() != 0;
        self.require(!same, || {
            "`telemetry.metrics_listen` must differ from `server.listen`; leave it out to have both on one"
                .into()
        });
        for part in ["server.limits.header_timeout_seconds", "server.limits.body_timeout_seconds"] {
            self.at_most(part, "server.limits.request_timeout_seconds", "");
        }
    }

    fn keys(&mut self) {
        let keys = &self.loaded.config.keys;
        let source = self.loaded.source("keys.master_key").to_owned();
        self.require(keys.master_key.is_none() || source.starts_with(super::known::PREFIX), || {
            format!(
                "`keys.master_key` in {source} would lie where secrets don't belong; set RELATCH_MASTER_KEY, \
                 or put the key into a file and name it in `keys.master_key_file`"
            )
        });
        let named = ["keys.master_key", "keys.master_key_file", "keys.master_key_command"];
        let set: Vec<String> =
            named.into_iter().filter(|key| self.loaded.is_set(key)).map(|key| self.named(key)).collect();
        self.require(keys.sources() <= 1, || format!("{} exclude each other; keep one", set.join(" and ")));
        if keys.signing.rotate_every_seconds > 0 {
            self.at_most(
                "keys.signing.verifier_cache_seconds",
                "keys.signing.publish_before_seconds",
                ", or verifiers would meet tokens whose key they have not seen yet",
            );
            self.at_most(
                "keys.signing.publish_before_seconds",
                "keys.signing.rotate_every_seconds",
                ", or the next key would be due before this one signs",
            );
        }
    }

    fn sessions(&mut self) {
        let limits = [
            ("tokens.access_seconds", "sessions.unremembered_idle_seconds"),
            ("tokens.access_seconds", "sessions.idle_seconds"),
            ("sessions.idle_seconds", "sessions.absolute_seconds"),
        ];
        for (smaller, larger) in limits {
            self.at_most(smaller, larger, "");
        }
        for window in ["sessions.reuse_window_cookie_seconds", "sessions.reuse_window_body_seconds"] {
            self.at_most(
                window,
                "tokens.access_seconds",
                ", or an honest client would never leave the window",
            );
        }
        let audience = self.named("tokens.audience");
        self.require(self.loaded.config.tokens.audience.iter().all(|one| !one.is_empty()), || {
            format!("{audience} holds an empty name; remove it")
        });
        let first_party = self.named("tokens.first_party_client_id");
        let valid =
            self.loaded.config.tokens.first_party_client_id.parse::<relatch_token::ClientId>().is_ok();
        self.require(valid, || format!("{first_party} must be 1 to 64 letters, digits and -_.:/"));
    }

    /// What needs the person to prove again who they are, which can't be asked of them as yet.
    fn risk(&mut self) {
        let Config { risk, binding, .. } = &self.loaded.config;
        let is_on = risk.mode == RiskMode::On;
        for (key, threshold) in
            [("risk.login.step_up", risk.login.step_up), ("risk.refresh.step_up", risk.refresh.step_up)]
        {
            let named = self.named(key);
            self.require(!is_on || threshold == 0, || {
                format!(
                    "{named} must be 0 with `risk.mode = \"on\"`: this version can't ask for another proof at this point; \
                     use `notify` or `refuse`, or only record it with `risk.mode = \"dry_run\"`"
                )
            });
        }
        for (key, set) in [
            ("binding.cookie.user_agent_family", binding.cookie.user_agent_family),
            ("binding.cookie.address", binding.cookie.address),
            ("binding.body.user_agent_family", binding.body.user_agent_family),
            ("binding.body.address", binding.body.address),
        ] {
            let named = self.named(key);
            self.require(set != OnMismatch::StepUp, || {
                format!("{named} is not possible as yet; use `signal` or `refuse`")
            });
        }
    }

    fn accounts(&mut self) {
        let Config { passwords, signup, mail, .. } = &self.loaded.config;
        let argon2 = &passwords.argon2;
        let memory = self.named("passwords.argon2.memory_kib");
        self.require(argon2.memory_kib >= 8 * argon2.parallelism, || {
            format!("{memory} must be at least 8 KiB for each lane (RFC 9106 §3.1)")
        });
        // OWASP's equally strong settings, from the fewest passes to the least memory.
        let enough = argon2.memory_kib >= 7168 && argon2.memory_kib * argon2.iterations >= 7168 * 5;
        self.require(enough || argon2.danger_cheap, || {
            format!(
                "{memory} and {} passes cost a thief of the database too little; take 19456 and 2 or more, \
                 or set `passwords.argon2.danger_cheap` in a test",
                argon2.iterations
            )
        });
        let has_mail = mail.directory.is_some() || mail.smtp.host.is_some() || self.loaded.has_mailbox;
        self.require(!signup.verify_email_first || has_mail, || {
            "`signup.verify_email_first` needs a way to send mail; set `mail.smtp.host` or `mail.directory`"
                .into()
        });
    }

    fn mail(&mut self) {
        let mail = &self.loaded.config.mail;
        let smtp = &mail.smtp;
        let from = self.named("mail.from");
        self.require(crate::mail::sender(&mail.from).is_ok(), || {
            format!("{from} must be an address, such as `Name <name@example.com>`")
        });
        self.require(mail.directory.is_none() || smtp.host.is_none(), || {
            "`mail.directory` and `mail.smtp.host` are two ways for one mail; keep one".into()
        });
        let security = self.named("mail.smtp.security");
        let is_guarded = smtp.security != SmtpSecurity::None || smtp.is_loopback();
        self.require(smtp.host.is_none() || is_guarded || smtp.danger_plain_text, || {
            format!(
                "{security} would send every link in the clear over a network; take `starttls` or `tls`, or, \
                 where that network is yours alone, set `mail.smtp.danger_plain_text`"
            )
        });
        let source = self.loaded.source("mail.smtp.password").to_owned();
        self.require(smtp.password.is_none() || source.starts_with(super::known::PREFIX), || {
            format!(
                "`mail.smtp.password` in {source} would lie where secrets don't belong; set \
                 RELATCH_MAIL__SMTP__PASSWORD, or put it into a file and name that in `mail.smtp.password_file`"
            )
        });
        self.require(smtp.password.is_none() || smtp.password_file.is_none(), || {
            "`mail.smtp.password` and `mail.smtp.password_file` exclude each other; keep one".into()
        });
        let has_password = smtp.password.is_some() || smtp.password_file.is_some();
        self.require(smtp.username.is_some() == has_password, || {
            "`mail.smtp.username` and its password need each other; set RELATCH_MAIL__SMTP__PASSWORD or \
             `mail.smtp.password_file` beside the name, or leave out both"
                .into()
        });
        let others = ["port", "username", "password_file", "ca_file"].map(|key| format!("mail.smtp.{key}"));
        if smtp.host.is_none()
            && let Some(lonely) = others.iter().find(|key| self.loaded.is_set(key))
        {
            let lonely = self.named(lonely);
            self.problems.push(format!("{lonely} leads nowhere; name the mail server in `mail.smtp.host`"));
        }
        let StoreUrl::Sqlite(database) = &self.loaded.config.store.url;
        self.require(mail.directory.as_deref() != Some(database), || {
            "`mail.directory` and `store.url` name the same path; give the messages a folder of their own"
                .into()
        });
    }

    fn clients(&mut self) {
        let config = &self.loaded.config;
        for (i, client) in config.clients.iter().enumerate() {
            let name = format!("the client `{}`", client.id);
            let twice = config.clients[..i].iter().any(|other| other.id == client.id);
            self.require(!twice, || format!("{name} is configured twice; give each its own `id`"));
            self.require(client.id.as_ref() != config.tokens.first_party_client_id, || {
                format!("{name} has the id of sessions without a client (`tokens.first_party_client_id`)")
            });
            if let Err(rule) = client.secret() {
                self.problems.push(format!("{name} {rule}"));
            }
            let sane = |scope: &String| !scope.is_empty() && scope.chars().all(is_scope_character);
            self.require(client.scopes.iter().all(sane), || {
                format!("{name} has a scope with a space, a quote or a backslash in it (RFC 6749 §3.3)")
            });
            self.claims(&format!("clients[{i}].claims"), client.claims.keys());
        }
    }

    fn webhooks(&mut self) {
        let webhooks = &self.loaded.config.webhooks;
        for (i, webhook) in webhooks.iter().enumerate() {
            let name = format!("the webhook `{}`", webhook.name);
            let twice = webhooks[..i].iter().any(|other| other.name == webhook.name);
            self.require(!twice, || format!("{name} is configured twice; give each its own `name`"));
            self.problems.extend(webhook.mistakes().into_iter().map(|mistake| format!("{name} {mistake}")));
        }
    }

    fn claims<'k>(&mut self, key: &str, names: impl Iterator<Item = &'k String>) {
        for name in names.filter(|name| REGISTERED_CLAIMS.contains(&name.as_str())) {
            self.problems
                .push(format!("`{key}` may not set `{name}`, which the server sets itself; rename it"));
        }
    }

    fn at_most(&mut self, smaller: &str, larger: &str, reason: &str) {
        let number = |key| find(&self.values, key).as_u64();
        let fits = number(smaller) <= number(larger);
        let (smaller, larger) = (self.named(smaller), self.named(larger));
        self.require(fits, || format!("{smaller} must not be more than {larger}{reason}"));
    }

    /// A setting as messages name it: with its value and where that came from.
    fn named(&self, key: &str) -> String {
        format!("`{key}` ({}, {})", show(find(&self.values, key)), self.loaded.source(key))
    }

    fn require(&mut self, fits: bool, problem: impl FnOnce() -> String) {
        if !fits {
            self.problems.push(problem());
        }
    }
}

/// RFC 6749 §3.3: printable ASCII without space, quote and backslash.
const fn is_scope_character(c: char) -> bool {
    matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e')
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Inputs, Layer};

    /// The mistakes of a configuration with these settings, as TOML values.
    fn mistakes(settings: &[(&str, &str)]) -> Vec<String> {
        let environment = settings
            .iter()
            .map(|(key, value)| {
                (format!("RELATCH_{}", key.replace('.', "__").to_uppercase()), (*value).to_owned())
            })
            .collect();
        match Config::load(&Inputs { environment, ..Inputs::default() }) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().to_vec(),
        }
    }

    fn assert_refused(settings: &[(&str, &str)], words: &str) {
        let mistakes = mistakes(settings);
        assert!(mistakes.len() == 1 && mistakes[0].contains(words), "{settings:?}: {mistakes:?}");
    }

    #[test]
    fn the_defaults_are_a_valid_configuration() {
        assert_eq!(mistakes(&[]), Vec::<String>::new());
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_a_proxy_does_tls() {
        let open = ("server.listen", "0.0.0.0:8080");
        let url = ("server.public_url", "https://id.example.com");
        assert_refused(&[open, url], "plain HTTP");
        assert_refused(&[open, ("server.trusted_proxies", "10.0.0.0/8")], "`server.public_url`");
        assert!(mistakes(&[open, url, ("server.trusted_proxies", "10.0.0.0/8")]).is_empty());
        let tls = [("server.tls.cert_file", "c.pem"), ("server.tls.key_file", "k.pem")];
        assert!(mistakes(&[open, url, tls[0], tls[1]]).is_empty());
        assert_refused(&tls[..1], "both or neither");
        assert!(mistakes(&[("server.listen", "[::1]:0")]).is_empty());
    }

    #[test]
    fn a_public_url_is_https_and_ends_after_the_host() {
        assert_refused(&[("server.public_url", "http://id.example.com")], "https://");
        assert_refused(&[("server.public_url", "https://example.com/id")], "must end after the host");
        assert!(mistakes(&[("server.public_url", "https://id.example.com/")]).is_empty());
    }

    #[test]
    fn lifetimes_fit_into_each_other_to_the_second() {
        let idle = ("sessions.idle_seconds", "900");
        assert!(mistakes(&[idle, ("sessions.absolute_seconds", "900")]).is_empty());
        assert_refused(&[idle, ("sessions.absolute_seconds", "899")], "`sessions.absolute_seconds` (899");
        assert_refused(&[idle, ("tokens.access_seconds", "901")], "`tokens.access_seconds` (901");
        assert_refused(&[("sessions.unremembered_idle_seconds", "899")], "`tokens.access_seconds` (900");
        assert_refused(&[("tokens.access_seconds", "29")], "reuse_window_cookie_seconds");
        assert!(mistakes(&[("tokens.access_seconds", "30")]).is_empty());
    }

    #[test]
    fn a_rotation_that_would_outrun_verifiers_is_refused() {
        let publish = ("keys.signing.publish_before_seconds", "3600");
        assert!(mistakes(&[publish]).is_empty());
        assert_refused(&[publish, ("keys.signing.verifier_cache_seconds", "3601")], "have not seen yet");
        let hourly = ("keys.signing.rotate_every_seconds", "3600");
        assert!(mistakes(&[publish, hourly]).is_empty());
        assert_refused(&[publish, ("keys.signing.rotate_every_seconds", "3599")], "due before");
        assert!(mistakes(&[("keys.signing.rotate_every_seconds", "0")]).is_empty());
    }

    #[test]
    fn a_second_proof_can_only_be_recorded_as_yet() {
        let step_up = ("risk.refresh.step_up", "80");
        assert!(mistakes(&[step_up]).is_empty(), "a dry run only records");
        assert_refused(&[step_up, ("risk.mode", "on")], "must be 0 with `risk.mode");
        assert!(mistakes(&[("risk.mode", "on"), ("risk.refresh.refuse", "80")]).is_empty());
        assert_refused(&[("binding.body.address", "step_up")], "use `signal` or `refuse`");
        assert!(mistakes(&[("binding.body.address", "refuse")]).is_empty());
        assert_refused(&[("binding.body.address", "gate")], "one of `off`, `signal`, `step_up`, `refuse`");
    }

    #[test]
    fn numbers_have_bounds() {
        assert_refused(&[("store.readers", "0")], "from 1 to 64");
        assert_refused(&[("store.readers", "65")], "from 1 to 64");
        assert!(mistakes(&[("store.readers", "64")]).is_empty());
        assert_refused(&[("limits.refreshes_per_session_max", "99")], "from 100");
        assert_refused(&[("passwords.length_min", "7")], "from 8");
    }

    #[test]
    fn cheap_passwords_need_the_word_danger() {
        let cheap = [("passwords.argon2.memory_kib", "64"), ("passwords.argon2.iterations", "1")];
        assert_refused(&cheap, "too little");
        assert!(mistakes(&[cheap[0], cheap[1], ("passwords.argon2.danger_cheap", "true")]).is_empty());
        let few_passes = [("passwords.argon2.memory_kib", "47104"), ("passwords.argon2.iterations", "1")];
        assert!(mistakes(&few_passes).is_empty());
    }

    #[test]
    fn mail_is_needed_where_sign_up_waits_for_it() {
        assert_refused(&[("signup.verify_email_first", "true")], "`mail.directory`");
        assert!(mistakes(&[("signup.verify_email_first", "true"), ("mail.directory", "out")]).is_empty());
        assert_refused(&[("mail.from", "nobody")], "must be an address");
        assert_refused(&[("mail.from", "a@b.c\r\nBcc: d@e.f")], "must be an address");
    }

    #[test]
    fn mail_takes_one_guarded_way_and_its_password_lies_where_secrets_do() {
        let host = ("mail.smtp.host", "mail.example.com");
        assert!(mistakes(&[host]).is_empty());
        assert!(mistakes(&[host, ("signup.verify_email_first", "true")]).is_empty());
        assert_refused(&[host, ("mail.directory", "out")], "keep one");
        let plain = ("mail.smtp.security", "none");
        assert_refused(&[host, plain], "`mail.smtp.danger_plain_text`");
        assert!(mistakes(&[host, plain, ("mail.smtp.danger_plain_text", "true")]).is_empty());
        for near in ["localhost", "127.0.0.1", "::1"] {
            assert!(mistakes(&[("mail.smtp.host", near), plain]).is_empty(), "{near}");
        }
        let name = ("mail.smtp.username", "relatch");
        assert_refused(&[host, name], "need each other");
        let file = ("mail.smtp.password_file", "password");
        assert_refused(&[host, file], "need each other");
        assert!(mistakes(&[host, name, file]).is_empty());
        assert_refused(&[("mail.smtp.port", "25")], "leads nowhere");
        assert_refused(&[host, ("mail.smtp.timeout_seconds", "0")], "from 1 to 300");
        let inputs = |flags| {
            let environment = vec![("RELATCH_MAIL__SMTP__PASSWORD".to_owned(), "sesame".to_owned())];
            Inputs { environment, flags, ..Inputs::default() }
        };
        let flags = Layer::new().with(host.0, "--set", host.1).with(name.0, "--set", name.1);
        assert!(Config::load(&inputs(flags.clone())).is_ok());
        let shown = flags.with("mail.smtp.password", "relatch.toml", "sesame");
        let error = Config::load(&inputs(shown)).unwrap_err().to_string();
        assert!(error.contains("RELATCH_MAIL__SMTP__PASSWORD") && !error.contains("sesame"), "{error}");
    }

    #[test]
    fn the_mailbox_of_a_development_server_is_mail() {
        let environment = vec![("RELATCH_SIGNUP__VERIFY_EMAIL_FIRST".to_owned(), "true".to_owned())];
        for has_mailbox in [true, false] {
            let inputs = Inputs { environment: environment.clone(), has_mailbox, ..Inputs::default() };
            assert_eq!(Config::load(&inputs).is_ok(), has_mailbox);
        }
    }

    #[test]
    fn a_life_of_three_windows_is_warned_of_and_one_second_more_is_not() {
        let warnings = |access, cookie, body| {
            let mut config = Config::default();
            config.tokens.access_seconds = access;
            config.sessions.reuse_window_cookie_seconds = cookie;
            config.sessions.reuse_window_body_seconds = body;
            config.warnings()
        };
        assert_eq!(Config::default().warnings(), Vec::<String>::new());
        assert_eq!(warnings(91, 30, 10), Vec::<String>::new());
        let one = warnings(90, 30, 10);
        assert!(one.len() == 1 && one[0].contains("more than 90") && one[0].contains("cookie"), "{one:?}");
        assert_eq!(warnings(30, 30, 10).len(), 2);
        assert_eq!(warnings(30, 0, 9), Vec::<String>::new(), "the strict rule has no window");
    }

    #[test]
    fn a_custom_claim_never_overrides_a_registered_one() {
        assert_refused(&[("tokens.claims", r#"{"sub": "x"}"#)], "may not set `sub`");
        assert!(mistakes(&[("tokens.claims", r#"{"tenant": "x"}"#)]).is_empty());
    }

    #[test]
    fn clients_have_names_secrets_and_scopes_that_fit() {
        let with = |clients: &str| mistakes(&[("clients", clients)]).join("\n");
        assert_eq!(with(r#"[{"id": "app", "kind": "public", "scopes": ["read", "a:b"]}]"#), "");
        let twice = r#"[{"id": "app", "kind": "public"}, {"id": "app", "kind": "public"}]"#;
        assert!(with(twice).contains("configured twice"));
        assert!(with(r#"[{"id": "relatch", "kind": "public"}]"#).contains("first_party_client_id"));
        assert!(with(r#"[{"id": "app", "kind": "confidential"}]"#).contains("needs one of"));
        assert!(with(r#"[{"id": "app", "kind": "public", "secret_hash": "x"}]"#).contains("remove it"));
        assert!(with(r#"[{"id": "app", "kind": "public", "scopes": ["a b"]}]"#).contains("scope"));
        assert!(with(r#"[{"id": "a b", "kind": "public"}]"#).contains("`clients[0].id` in RELATCH_CLIENTS"));
        assert!(with(r#"[{"kind": "public"}]"#).contains("needs `id`"));
        assert!(with(r#"[{"id": "app", "kind": "public", "claims": {"iss": 1}}]"#).contains("`iss`"));
    }

    #[test]
    fn a_master_key_has_one_source_and_never_the_file() {
        let key = ("keys.master_key", "1:AAAA");
        assert!(mistakes(&[key]).is_empty());
        assert_refused(&[key, ("keys.master_key_file", "k")], "exclude each other");
        let flags = Layer::new().with("keys.master_key", "--master-key", "1:AAAA");
        let refused = Config::load(&Inputs { flags, ..Inputs::default() }).unwrap_err().to_string();
        assert!(refused.contains("RELATCH_MASTER_KEY") && !refused.contains("AAAA"), "{refused}");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mistakes =
            mistakes(&[("store.readers", "0"), ("mail.from", "x"), ("tokens.access_seconds", "29")]);
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }
}
