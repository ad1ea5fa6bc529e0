//! `[[webhooks]]`: who else is told of what happens to sessions and accounts.

use super::ConfigError;
use crate::webhooks::{WebhookSecrets, is_public};
use relatch_core::EventKind;
use relatch_token::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;
use url::{Host, Url};

/// One receiver of events, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What commands and logs call it: up to 32 lower-case letters, digits and `-`. Under another name it
    /// is another receiver, who begins with the newest event.
    pub name: String,
    /// Where events are posted, by `https://`. Redirects are not followed.
    pub url: WebhookUrl,
    /// A file that holds the secret that signs: `whsec_` and 24 to 64 random bytes in base64, as
    /// `relatch webhooks secret` prints one. While a secret is being changed, two with a space between them:
    /// both sign.
    pub secret_file: PathBuf,
    /// Which events, by their `type`; `relatch webhooks events` lists them. Empty: every one.
    #[serde(default)]
    pub events: Vec<String>,
    /// Lets the URL lead to this machine or a private network, which is refused otherwise: whoever controls
    /// the receiver's name in the DNS could reach whatever this server can.
    #[serde(default)]
    pub danger_private_address: bool,
}

impl WebhookConfig {
    /// What is wrong with it, in sentences that go on after its name; the secret is not looked at.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let sane = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.chars().all(sane) {
            mistakes
                .push(format!("needs a name of 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`"));
        }
        for event in self.events.iter().filter(|word| kind_of(word).is_none()) {
            mistakes
                .push(format!("wants `{event}`, which is no event; `relatch webhooks events` lists them"));
        }
        if !self.danger_private_address && self.url.is_private() {
            mistakes.push(
                "leads to this machine or a private network; set `danger_private_address` where that is meant"
                    .to_owned(),
            );
        }
        mistakes
    }

    /// The kinds of events that it wants; every one where it names none.
    pub fn kinds(&self) -> Vec<EventKind> {
        let named: Vec<_> = self.events.iter().filter_map(|word| kind_of(word)).collect();
        if self.events.is_empty() { EventKind::ALL.to_vec() } else { named }
    }

    /// Reads the secrets.
    pub fn secrets(&self) -> Result<WebhookSecrets, ConfigError> {
        let (name, file) = (&self.name, self.secret_file.display());
        let text = std::fs::read_to_string(&self.secret_file).map(Secret::new).map_err(|error| {
            ConfigError::new(format!(
                "the webhook `{name}` has its secret in {file}: {error}; `relatch webhooks secret` prints a new one"
            ))
        })?;
        WebhookSecrets::parse(text.expose()).map_err(|rule| {
            ConfigError::new(format!("the webhook `{name}` has its secret in {file}, which {rule}"))
        })
    }
}

fn kind_of(word: &str) -> Option<EventKind> {
    EventKind::ALL.into_iter().find(|kind| kind.as_str() == word)
}

/// A URL that events are posted to. Its path and query may be as good as a password: it is not logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(#[schemars(with = "String")] Url);

impl WebhookUrl {
    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether it says by itself that it leads to no public address. Names are looked at when they are resolved.
    fn is_private(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => true,
        }
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url =
            Url::parse(&text).map_err(|_| "write a whole URL, such as `https://app.example.com/hooks`")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("leave out user name and password; the signature proves who sends");
        }
        if url.fragment().is_some() {
            return Err("leave out `#` and what follows, which is never sent");
        }
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err("write a host behind `https://`"),
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback => Ok(Self(url)),
            _ => Err("start it with `https://`: events tell who was where"),
        }
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0.into()
    }
}

const NAME_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(json: serde_json::Value) -> Result<WebhookConfig, String> {
        let mut whole =
            serde_json::json!({"name": "crm", "url": "https://a.example/x?k=1", "secret_file": "s"});
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_that_sends_events_in_the_clear_or_to_nowhere_is_refused() {
        for bad in [
            "http://a.example/",
            "ftp://a.example/",
            "https://u:p@a.example/",
            "https://a.example/#x",
            "a.example",
            "data:,x",
            "https://",
        ] {
            assert!(hook(serde_json::json!({"url": bad})).is_err(), "{bad}");
        }
        assert_eq!(hook(serde_json::json!({})).unwrap().mistakes(), Vec::<String>::new());
    }

    #[test]
    fn an_address_that_is_not_public_needs_a_dangerous_word() {
        for private in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://localhost/",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "http://127.0.0.1:8000/",
        ] {
            let refused = hook(serde_json::json!({"url": private})).unwrap().mistakes();
            assert!(
                refused.len() == 1 && refused[0].contains("danger_private_address"),
                "{private}: {refused:?}"
            );
            let meant = serde_json::json!({"url": private, "danger_private_address": true});
            assert_eq!(hook(meant).unwrap().mistakes(), Vec::<String>::new(), "{private}");
        }
    }

    #[test]
    fn names_and_events_are_checked() {
        for bad in ["", "Crm", "a b", "a/b", &"a".repeat(33)] {
            assert_eq!(hook(serde_json::json!({"name": bad})).unwrap().mistakes().len(), 1, "{bad}");
        }
        let two = hook(serde_json::json!({"events": ["login", "logins"]})).unwrap();
        assert!(two.mistakes()[0].contains("`logins`"));
        assert_eq!(two.kinds(), [EventKind::Login]);
        assert_eq!(hook(serde_json::json!({})).unwrap().kinds().len(), EventKind::ALL.len());
    }
}
