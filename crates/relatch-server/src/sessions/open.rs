//! A session begins: after a login, a sign-up, a password change, or on another system's word.

use super::strength::acr_of;
use super::{Doubt, Sessions, Tokens};
use crate::environment::EntropyExt;
use relatch_core::{
    Authentication, Child, EventKind, Head, Lifetime, Origin, Session, State, Transport, Version,
};
use relatch_store::{CreateSession, NewSession, User};
use relatch_token::{ClientId, DeviceHash, DeviceId, Nonce, Seconds, Secret, SessionId};
use serde_json::{Map, Value};

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifetimePolicy {
    /// The idle limit.
    pub idle: Seconds,
    /// The absolute limit.
    pub absolute: Seconds,
    /// The idle limit of a session that is not to be remembered.
    pub idle_unremembered: Seconds,
}

/// A session that is about to begin.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose, as they were *before* their credentials were checked.
    pub user: User,
    /// How its refresh token travels.
    pub transport: Transport,
    /// The device cookie it is bound to; none for the body transport.
    pub device: Option<DeviceHash>,
    /// The OAuth client it belongs to.
    pub client_id: Option<ClientId>,
    /// Granted scopes.
    pub scope: Option<String>,
    /// How the person proved who they are (`amr`).
    pub amr: Vec<String>,
    /// From where.
    pub origin: Origin,
    /// Whether its cookies outlive the browser window.
    pub remember: bool,
    /// Custom claims.
    pub claims: Map<String, Value>,
    /// The kind of the event that tells of it.
    pub kind: EventKind,
    /// Who vouched for the person, where it was another system.
    pub reason: Option<String>,
}

/// Why a session does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRefusal {
    /// The user was disabled, or all their sessions were ended, since they were read: what was checked then may
    /// no longer hold.
    Stale,
    /// The user has as many sessions as they may have.
    Full,
}

impl Sessions {
    /// Begins a session and hands out its first tokens; others of the user may have to leave for it.
    pub async fn open(&self, mut opening: Opening) -> Result<Result<Tokens, OpenRefusal>, Doubt> {
        if let Some(chosen) = self.chosen_name(opening.user.id, opening.device).await? {
            opening.origin.device_name = Some(chosen);
        }
        let now = self.now();
        let entropy = &self.surroundings.entropy;
        let idle = if opening.remember { self.lifetimes.idle } else { self.lifetimes.idle_unremembered };
        let session = Session {
            id: SessionId::from_bytes(entropy.array()),
            version: Version(0),
            user_id: opening.user.id,
            epoch: opening.user.standing.not_before,
            client_id: opening.client_id,
            scope: opening.scope,
            transport: opening.transport,
            device: opening.device,
            secret: Secret::new(entropy.array()),
            authentication: Authentication {
                at: now,
                acr: acr_of(&opening.amr).to_owned(),
                amr: opening.amr,
            },
            lifetime: Lifetime { idle, expires_at: now + self.lifetimes.absolute },
            head: Head::login(Nonce(entropy.array()), now),
            state: State::Live,
            origin: opening.origin.clone(),
            remember: opening.remember,
            claims: opening.claims,
        };
        let event = self.event(opening.kind, &session, &opening.origin, opening.reason.as_deref(), now);
        let device_id = session.device.map(|_| DeviceId::from_bytes(entropy.array()));
        let child = Child::of(&session.head, None, now);
        let tokens = self.issue(session.clone(), opening.user, child, now)?;
        Ok(match self.store.create(NewSession { session, event, device_id, room: self.room }).await? {
            CreateSession::Done => Ok(tokens),
            CreateSession::Conflict => Err(OpenRefusal::Stale),
            CreateSession::Full => Err(OpenRefusal::Full),
        })
    }
}
