//! Which of several refresh cookies counts: a sibling subdomain can plant one, but not one that is bound.

use super::{Door, Doubt, Sessions};
use relatch_core::check_binding;
use relatch_store::Loaded;
use relatch_token::{RefreshToken, SealedToken};

impl Sessions {
    /// The newest of the tokens that opens and is rightly bound; `None` where none is.
    ///
    /// Looks at no more than the first [`CANDIDATES_MAX`], each of which costs a read.
    pub async fn newest_bound(
        &self,
        candidates: Vec<SealedToken>,
        door: &Door,
    ) -> Result<Option<SealedToken>, Doubt> {
        let mut newest: Option<(i64, SealedToken)> = None;
        for sealed in candidates.into_iter().take(CANDIDATES_MAX) {
            let Some((_, token)) = self.bound(&sealed, door).await? else { continue };
            let issued = token.issued_at.as_millis();
            if newest.as_ref().is_none_or(|(best, _)| issued > *best) {
                newest = Some((issued, sealed));
            }
        }
        Ok(newest.map(|(_, sealed)| sealed))
    }

    /// The session of a token that opens and is rightly bound, and the token; `None` for any other.
    pub(super) async fn bound(
        &self,
        sealed: &SealedToken,
        door: &Door,
    ) -> Result<Option<(Loaded, RefreshToken)>, Doubt> {
        let Some(loaded) = self.store.load(sealed.session_id()).await? else { return Ok(None) };
        let Ok(token) = sealed.clone().open(&self.ring, &loaded.session.secret) else { return Ok(None) };
        let is_bound = check_binding(&loaded.session, &door.presenting(token)).is_ok();
        Ok(is_bound.then_some((loaded, token)))
    }
}

/// One of ours and a few planted ones; more are somebody's attempt to make us read rows.
const CANDIDATES_MAX: usize = 4;
