//! Looking at a refresh token without presenting it (RFC 7662): nothing is ever written.

use super::{Doubt, Sessions};
use relatch_core::{Verdict, place};
use relatch_store::Loaded;
use relatch_token::{RefreshToken, SealedToken};

/// A refresh token that would be served, and what it belongs to.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The token.
    pub token: RefreshToken,
    /// Its session and user.
    pub loaded: Loaded,
}

impl Sessions {
    /// The token's session, where the token is the next step of a live one; `None` for dead, superseded and
    /// foreign ones alike. Binding is not checked: looking needs no device cookie.
    pub async fn inspect(&self, sealed: &SealedToken) -> Result<Option<Inspection>, Doubt> {
        let Some(loaded) = self.store.load(sealed.session_id()).await? else { return Ok(None) };
        let Ok(token) = sealed.clone().open(&self.ring, &loaded.session.secret) else { return Ok(None) };
        let now = self.now();
        if loaded.session.check(&loaded.user.standing, now).is_err() {
            return Ok(None);
        }
        let window = self.policy.reuse_window.of(loaded.session.transport);
        let is_ahead = token.generation > loaded.session.head.generation;
        let is_next = match place(&loaded.session.head, &token, None, window, now) {
            Verdict::Advance | Verdict::Heal { .. } => true,
            // In the window the head and its relatives are served too, but they are superseded all the same.
            Verdict::Sibling => is_ahead,
            Verdict::Repeat | Verdict::Reuse(_) | Verdict::InDoubt { .. } => false,
        };
        Ok(is_next.then_some(Inspection { token, loaded }))
    }
}
