//! Looking at who holds a refresh cookie, for a page that is only shown: nothing is ever written.

use super::{Door, Doubt, Sessions};
use relatch_core::{Ended, Verdict, place};
use relatch_store::Loaded;
use relatch_token::{SealedToken, SessionId};

/// What a refresh token would open if it were presented now.
#[derive(Clone, Debug)]
pub enum Peek {
    /// A live session.
    Live(Box<Loaded>),
    /// A session that has ended, and why.
    Ended(SessionId, Ended),
    /// Nothing that concerns the holder: no token of ours, bound to another device, or superseded.
    ///
    /// A superseded one ends its session when it is presented, and not before: whoever lost an answer may still
    /// hold the attempt id that puts it right, and that is for a refresh to find out.
    Nothing,
}

impl Sessions {
    /// Looks at a token as a refresh would: binding, then the session's state, then the token's place. Neither the
    /// head nor anything else moves.
    ///
    /// # Errors
    /// [`Doubt`] where the store could not answer, or remembers less than lost writes explain.
    pub async fn peek(&self, sealed: &SealedToken, door: &Door) -> Result<Peek, Doubt> {
        let Some((loaded, token)) = self.bound(sealed, door).await? else { return Ok(Peek::Nothing) };
        let now = self.now();
        if let Err(ended) = loaded.session.check(&loaded.user.standing, now) {
            return Ok(Peek::Ended(loaded.session.id, ended));
        }
        let window = self.policy.reuse_window.of(loaded.session.transport);
        match place(&loaded.session.head, &token, None, window, now) {
            Verdict::Advance | Verdict::Sibling | Verdict::Repeat | Verdict::Heal { .. } => {
                Ok(Peek::Live(Box::new(loaded)))
            }
            Verdict::Reuse(_) => Ok(Peek::Nothing),
            Verdict::InDoubt { lost } => Err(Doubt::LostWrites { session_id: loaded.session.id, lost }),
        }
    }
}
