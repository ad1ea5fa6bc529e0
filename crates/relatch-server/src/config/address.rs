//! Addresses as operators write them: web URLs, origins and networks.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// The base of a web site: `https://`, a host, perhaps a port and a path, and no slash at the end.
///
/// `http://` is taken for this machine alone (RFC 6749 §3.1.2.1: what carries credentials needs TLS).
///
/// ```
/// use relatch_server::config::WebUrl;
/// let url = WebUrl::try_from("https://Id.Example.com:443/".to_owned())?;
/// assert_eq!(url.as_str(), "https://id.example.com");
/// assert!(WebUrl::try_from("http://id.example.com".to_owned()).is_err());
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(String);

impl WebUrl {
    /// The URL, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of `path` (which starts with a slash) under this one.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        host_of(self.0.split('/').nth(2).unwrap_or_default())
    }

    /// Whether something stands behind host and port.
    pub fn has_path(&self) -> bool {
        self.0.splitn(4, '/').count() == 4
    }

    /// The origin of its pages (RFC 6454 §6.2).
    pub fn origin(&self) -> WebOrigin {
        WebOrigin(self.0.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"))
    }

    /// On this machine, where browsers treat plain HTTP as safe too.
    pub(super) fn localhost(scheme: &str, port: u16) -> Self {
        Self(format!("{scheme}://localhost:{port}"))
    }
}

/// The host of an authority (RFC 3986 §3.2), without its port.
pub fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // An IPv6 address has colons of its own, within brackets.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

impl TryFrom<String> for WebUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).map_err(|_| "write a whole URL, such as `https://id.example.com`")?;
        let host = url.host().ok_or("write a host behind `https://`")?;
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&host) => {}
            "http" => return Err("use `https://`: tokens may not cross a network in the clear"),
            _ => return Err("start it with `https://`"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("leave out user name and password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("leave out `?` and `#` and what follows");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// An origin exactly as browsers send it (RFC 6454 §6.2): `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

impl WebOrigin {
    /// What the `Origin` header says.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("write a whole origin, such as `https://app.example.com`; there is no wildcard");
        };
        if matches!(scheme, "http" | "https") {
            let url = WebUrl::try_from(text.clone())?;
            let origin = url.origin();
            // A slash, a path, an upper-case letter or the default port would never match a header.
            return if origin.0 == text { Ok(origin) } else { Err(NOT_AS_SENT) };
        }
        // Apps in a web view have schemes of their own, such as `capacitor://localhost`.
        let sane = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
        };
        let private =
            !matches!(scheme, "file" | "data" | "blob" | "javascript" | "about" | "ws" | "wss" | "ftp");
        if private && sane(scheme, "+-.") && sane(rest, "-.:") { Ok(Self(text)) } else { Err(NOT_AS_SENT) }
    }
}

const NOT_AS_SENT: &str =
    "write scheme, host and port as the browser sends them, in lower case and without a slash at the end";

/// A network of peers: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` is in it. An IPv4 address that came in over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| "write a network such as `10.0.0.0/8`, or one address")?,
        };
        if network.prefix_len() == 0 {
            return Err(
                "trusting every address would let anyone forge theirs; name the proxies' own network",
            );
        }
        Ok(Self(network.trunc()))
    }
}

macro_rules! shown_as_written {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.to_string()
            }
        }
    )*};
}
shown_as_written!(WebUrl, WebOrigin, Network);

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, &'static str> {
        WebUrl::try_from(text.to_owned()).map(String::from)
    }

    fn origin(text: &str) -> Result<String, &'static str> {
        WebOrigin::try_from(text.to_owned()).map(String::from)
    }

    fn network(text: &str) -> Result<Network, &'static str> {
        Network::try_from(text.to_owned())
    }

    #[test]
    fn plain_http_is_taken_for_this_machine_alone() {
        for fine in ["http://localhost:8080", "http://app.localhost", "http://127.0.0.1:1", "http://[::1]:80"]
        {
            assert!(url(fine).is_ok(), "{fine}");
        }
        for refused in ["http://example.com", "http://10.0.0.1", "http://localhost.example.com", "ftp://x"] {
            assert!(url(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_web_url_is_a_base_without_extras() {
        assert_eq!(url("https://id.example.com/"), Ok("https://id.example.com".into()));
        assert_eq!(url("https://example.com/id/"), Ok("https://example.com/id".into()));
        for refused in
            ["https://a@b.example", "https://b.example?x", "https://b.example/#x", "https://", "b.example"]
        {
            assert!(url(refused).is_err(), "{refused}");
        }
        let with_path = WebUrl::try_from("https://example.com:8443/id".to_owned()).unwrap();
        assert!(with_path.has_path());
        assert_eq!(with_path.origin().as_str(), "https://example.com:8443");
        assert_eq!(with_path.host(), "example.com");
        assert!(!WebUrl::localhost("http", 80).has_path());
        let host = |text: &str| WebUrl::try_from(text.to_owned()).unwrap().host().to_owned();
        assert_eq!(
            (host("https://a.example"), host("http://[::1]:80")),
            ("a.example".into(), "[::1]".into())
        );
        assert_eq!(host("https://[2001:db8::1]"), "[2001:db8::1]");
    }

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for fine in
            ["https://a.example", "https://a.example:8443", "http://localhost:5173", "capacitor://localhost"]
        {
            assert_eq!(origin(fine), Ok(fine.into()));
        }
        for refused in [
            "*",
            "null",
            "",
            "a.example",
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "https://*.a.example/x",
            "http://a.example",
            "file://",
            "file://host",
            "app://a/b",
            "app://",
        ] {
            assert!(origin(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_network_is_a_prefix_or_one_address_and_never_everything() {
        let lan = network("10.1.2.3/8").unwrap();
        assert_eq!(lan.to_string(), "10.0.0.0/8");
        assert!(lan.contains("10.255.0.1".parse().unwrap()) && !lan.contains("11.0.0.1".parse().unwrap()));
        assert!(lan.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(network("::1").unwrap().contains("::1".parse().unwrap()));
        for refused in ["0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy", ""] {
            assert!(network(refused).is_err(), "{refused}");
        }
    }
}
