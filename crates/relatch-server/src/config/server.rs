//! `[server]`: where the server listens, who may talk to it, and how much it takes.

use super::{Network, WebOrigin, WebUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The HTTP edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address and port to listen on. Anything but a loopback address needs `server.tls` or
    /// `server.trusted_proxies`, so that no token ever crosses a network in the clear.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// How the world reaches the server: `https://`, a host, and nothing behind it. Required unless
    /// `server.listen` is a loopback address, where it is `http://localhost` and the port.
    pub public_url: Option<WebUrl>,
    /// Origins of other sites whose pages may call the server with cookies, each exactly as the browser
    /// sends it, such as `https://app.example.com`.
    pub allowed_origins: Vec<WebOrigin>,
    /// Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, such as
    /// `10.0.0.0/8`. From anywhere else these headers are ignored.
    pub trusted_proxies: Vec<Network>,
    /// TLS, where no proxy in front does it.
    pub tls: TlsConfig,
    /// How much of a request the server takes, and how long it waits.
    pub limits: HttpLimitsConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: TlsConfig::default(),
            limits: HttpLimitsConfig::default(),
        }
    }
}

/// The certificate and its key; both or neither.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain in PEM, the server's own certificate first.
    pub cert_file: Option<PathBuf>,
    /// The private key of the certificate in PEM.
    pub key_file: Option<PathBuf>,
}

impl TlsConfig {
    /// Certificate and key where TLS is on.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        Some((self.cert_file.as_deref()?, self.key_file.as_deref()?))
    }
}

/// How much of a request the server takes, and how long it waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimitsConfig {
    /// The largest request head (request line and headers), in bytes; a larger one is answered 431.
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub head_bytes: usize,
    /// The largest request body, in bytes; a larger one is answered 413.
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub body_bytes: usize,
    /// How long a client may take to send a request head.
    #[schemars(range(min = 1, max = 300))]
    pub header_timeout_seconds: u32,
    /// How long a client may take to send a request body.
    #[schemars(range(min = 1, max = 300))]
    pub body_timeout_seconds: u32,
    /// How long a whole request may take; after that it is answered 503.
    #[schemars(range(min = 1, max = 600))]
    pub request_timeout_seconds: u32,
    /// The most connections at a time; further ones wait to be accepted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: usize,
    /// How long requests that were taken may still run after the server was told to stop.
    #[schemars(range(min = 0, max = 600))]
    pub shutdown_grace_seconds: u32,
}

impl Default for HttpLimitsConfig {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            body_bytes: 64 * 1024,
            header_timeout_seconds: 10,
            body_timeout_seconds: 15,
            request_timeout_seconds: 30,
            connections_max: 10_000,
            shutdown_grace_seconds: 20,
        }
    }
}
