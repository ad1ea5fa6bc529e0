//! The shell around the rules: load, decide, commit, sign.
//!
//! A verdict is a value, and whatever it changes is committed before it is answered. `Err` is for what could
//! not be done: always [`Doubt`], which the edge answers with 503 and which ends nobody's session.

mod bearer;
mod choose;
mod devices;
mod end;
mod explain;
mod inspect;
mod open;
mod peek;
mod refresh;
mod risk;
mod strength;

pub use bearer::{Bearer, BearerProblem};
pub use devices::{DeviceOwner, OwnDevice};
pub use end::{EndAll, EndOne};
pub(crate) use explain::reason_in_words;
pub use explain::{Explanation, Line};
pub use inspect::Inspection;
pub use open::{LifetimePolicy, OpenRefusal, Opening};
pub use peek::Peek;
pub use refresh::{RefreshRefusal, RefreshRequest};
pub(crate) use risk::{REUSE_RECENT, is_another_family};
pub use risk::{RiskWatch, Weighed, Weighing};

use crate::environment::{Clock, Entropy, EntropyExt};
use crate::limits::{RefreshLimits, RefusalNotes};
use crate::password::Busy;
use crate::tokens::AccessTokens;
use relatch_core::{Child, Origin, Policy, Presentation, Session, Transport, refresh_in};
use relatch_store::{NewEvent, Room, Store, StoreError, User};
use relatch_token::{
    ClientId, DeviceHash, Generation, KeyRing, Nonce, RefreshToken, Seconds, Secret, Timestamp,
};
use std::sync::Arc;

/// Where time and randomness come from.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// What could not be done now, and might be done later: 503, never a refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token is further ahead than lost writes explain; was an old backup restored?
    #[error("session {session_id} is {lost} generations behind a genuine token; was an old backup restored?")]
    LostWrites {
        /// The session.
        session_id: relatch_token::SessionId,
        /// How many generations are missing.
        lost: u64,
    },
    /// Others changed the same row at every try.
    #[error("the session was changed by others at each of {COMMIT_TRIES_MAX} tries")]
    Contended,
    /// No signature could be made.
    #[error("the access token could not be signed: {0}")]
    Signing(String),
    /// The seed of a second factor stays shut.
    #[error("{0}")]
    Sealed(String),
    /// The list of breached passwords could not be read.
    #[error("breached passwords: {0}")]
    Breached(String),
    /// Too much password work is waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// How a caller comes to a session: by which transport, as which client, beside which device cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// How the refresh token travels.
    pub transport: Transport,
    /// The OAuth client that was authenticated or named; none on the first-party routes.
    pub client_id: Option<ClientId>,
    /// The device cookie that came along.
    pub device: Option<DeviceHash>,
}

impl Door {
    /// A token as it is presented here.
    fn presenting(&self, token: RefreshToken) -> Presentation {
        Presentation {
            token,
            transport: self.transport,
            client_id: self.client_id.clone(),
            device: self.device,
        }
    }
}

/// What a caller is handed: the pair of tokens, and what belongs to them.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token, and how long it lives.
    pub access_token: Secret<String>,
    /// Its life from now.
    pub expires_in: Seconds,
    /// The refresh token.
    pub refresh_token: Secret<String>,
    /// The refresh token's generation.
    pub generation: Generation,
    /// When to refresh, from now.
    pub refresh_in: Seconds,
    /// The session, as it is after this answer.
    pub session: Session,
    /// Its user.
    pub user: User,
}

/// Sessions, from login to logout.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
    ring: Arc<KeyRing>,
    access: AccessTokens,
    policy: Policy,
    lifetimes: LifetimePolicy,
    room: Option<Room>,
    limits: Arc<RefreshLimits>,
    refusal_notes: Option<Arc<RefusalNotes>>,
    risk: Option<Arc<RiskWatch>>,
    surroundings: Surroundings,
}

/// What [`Sessions`] is made of.
pub struct SessionsParts {
    /// Where sessions are kept.
    pub store: Arc<dyn Store>,
    /// The keys that seal refresh tokens.
    pub ring: Arc<KeyRing>,
    /// Who makes access tokens.
    pub access: AccessTokens,
    /// The refresh rule's settings.
    pub policy: Policy,
    /// How long sessions live.
    pub lifetimes: LifetimePolicy,
    /// How many sessions a user may have at a time; without it, any number.
    pub room: Option<Room>,
    /// How often one session may refresh.
    pub limits: Arc<RefreshLimits>,
    /// How many refusals of one session are written into its history; without it, none is.
    pub refusal_notes: Option<Arc<RefusalNotes>>,
    /// What is unusual about a refresh, and what follows; without it, nothing is weighed.
    pub risk: Option<Arc<RiskWatch>>,
    /// Time and randomness.
    pub surroundings: Surroundings,
}

impl Sessions {
    /// The room, furnished.
    pub fn new(parts: SessionsParts) -> Self {
        let SessionsParts {
            store,
            ring,
            access,
            policy,
            lifetimes,
            room,
            limits,
            refusal_notes,
            risk,
            surroundings,
        } = parts;
        Self { store, ring, access, policy, lifetimes, room, limits, refusal_notes, risk, surroundings }
    }

    /// The keys that seal refresh tokens: whoever reads a presented token needs them.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The access tokens' room.
    pub fn access(&self) -> &AccessTokens {
        &self.access
    }

    /// The time, as every decision here sees it.
    pub fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// Seals `child` and mints an access token beside it.
    fn issue(&self, session: Session, user: User, child: Child, now: Timestamp) -> Result<Tokens, Doubt> {
        let no_key = || Doubt::Signing("the current master key is gone".to_owned());
        let keys = self.ring.session(self.ring.current_id(), &session.secret).ok_or_else(no_key)?;
        let nonce = match child.attempt {
            Some(attempt) => keys.child_nonce((child.parent_generation, child.parent), attempt),
            None => Nonce(self.surroundings.entropy.array()),
        };
        let token: RefreshToken = child.token(session.id, nonce);
        let refresh_token = token.seal(&self.ring, &keys).ok_or_else(no_key)?;
        let (access_token, expires_in) = self.access.mint(&session, &self.surroundings, now)?;
        let jitter = u16::from_be_bytes(self.surroundings.entropy.array());
        Ok(Tokens {
            access_token,
            expires_in,
            refresh_token,
            generation: token.generation,
            refresh_in: refresh_in(expires_in, jitter),
            session,
            user,
        })
    }

    /// An event of this session.
    fn event(
        &self,
        kind: relatch_core::EventKind,
        session: &Session,
        origin: &Origin,
        reason: Option<&str>,
        at: Timestamp,
    ) -> NewEvent {
        NewEvent {
            kind,
            at,
            user_id: session.user_id,
            session_id: Some(session.id),
            origin: Origin { device_name: session.origin.device_name.clone(), ..origin.clone() },
            reason: reason.map(str::to_owned),
        }
    }
}

/// How often a decision is taken anew because somebody else changed the row. Of any number of callers one
/// succeeds at each round, and the others then find a fresh head, where nothing is written: two rounds do.
const COMMIT_TRIES_MAX: usize = 8;
