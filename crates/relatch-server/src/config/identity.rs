//! By what name the server is known: its URL, and issuer and audience of its tokens.

use super::{Config, WebUrl};
use relatch_token::Audience;
use std::net::SocketAddr;

/// What follows from the configuration and the address that was really bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How the world reaches the server.
    pub public_url: WebUrl,
    /// The `iss` of its access tokens.
    pub issuer: WebUrl,
    /// The `aud` of its access tokens.
    pub audience: Audience,
}

impl Config {
    /// The server's identity when it listens on `bound`, which tells the port where none was configured.
    ///
    /// ```
    /// use relatch_server::config::Config;
    /// let identity = Config::default().identity(([127, 0, 0, 1], 8080).into());
    /// assert_eq!(identity.issuer.as_str(), "http://localhost:8080");
    /// ```
    pub fn identity(&self, bound: SocketAddr) -> Identity {
        let scheme = if self.server.tls.files().is_some() { "https" } else { "http" };
        let public_url =
            self.server.public_url.clone().unwrap_or_else(|| WebUrl::localhost(scheme, bound.port()));
        let issuer = self.tokens.issuer.clone().unwrap_or_else(|| public_url.clone());
        let audience = match self.tokens.audience.as_slice() {
            [] => Audience::One(issuer.to_string()),
            [one] => Audience::One(one.clone()),
            several => Audience::Many(several.to_vec()),
        };
        Identity { public_url, issuer, audience }
    }
}
