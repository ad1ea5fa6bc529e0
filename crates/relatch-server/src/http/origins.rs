//! The pages that may call us with cookies: our own and the listed ones, compared byte for byte.

use crate::config::{WebOrigin, WebUrl};

/// The server's own origin and `server.allowed_origins`.
#[derive(Clone, Debug)]
pub struct Origins(Vec<WebOrigin>);

impl Origins {
    /// The list for a server that is reached at `public_url`.
    pub fn new(public_url: &WebUrl, allowed: &[WebOrigin]) -> Self {
        let own = public_url.origin();
        let others = allowed.iter().filter(|origin| **origin != own);
        Self(std::iter::once(own.clone()).chain(others.cloned()).collect())
    }

    /// Whether an `Origin` header names one of them.
    pub fn contains(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|listed| listed.as_str().as_bytes() == origin)
    }

    #[cfg(test)]
    pub(super) fn of_test(own: &str, allowed: &[&str]) -> Self {
        let origin = |text: &&str| WebOrigin::try_from((*text).to_owned()).unwrap();
        let allowed: Vec<WebOrigin> = allowed.iter().map(origin).collect();
        Self::new(&WebUrl::try_from(own.to_owned()).unwrap(), &allowed)
    }
}
