//! The refresh: binding, then the session's state, then the token's place; each can only refuse or pass on.

use crate::place::{Evidence, Verdict, place};
use crate::{Ended, Head, Revocation, RevokeReason, Session, Standing, Transport, Update};
use relatch_token::{
    AttemptHash, ClientId, DeviceHash, Generation, Nonce, RefreshToken, Seconds, SessionId, Timestamp,
};

/// What the operator decided about refreshing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a head may be talked to again.
    pub reuse_window: Windows,
    /// What a reuse ends.
    pub on_reuse: ReuseScope,
}

/// The reuse window of each transport; zero is the strict rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// For browsers, which share one jar among tabs, workers and server-side renderers.
    pub cookie: Seconds,
    /// For a single holder, whose HTTP library may still retry by itself.
    pub body: Seconds,
}

impl Windows {
    /// The window of one transport.
    pub const fn of(&self, transport: Transport) -> Seconds {
        match transport {
            Transport::Cookie => self.cookie,
            Transport::Body => self.body,
        }
    }
}

/// What a reuse ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReuseScope {
    /// The one session that was copied.
    Session,
    /// Every session of its user.
    User,
}

/// A genuine refresh token, and how it was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The token; holding it proves that it is genuine.
    pub token: RefreshToken,
    /// How it came.
    pub transport: Transport,
    /// The OAuth client that presented it; none on the first-party routes.
    pub client_id: Option<ClientId>,
    /// The device cookies beside it; empty for the body transport.
    pub device: Option<DeviceHash>,
}

/// What is to be done about a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// Commit the new head, then answer with its child. `healed` counts the generations that were lost.
    Advance {
        /// The presented token, now the head.
        head: Head,
        /// Its child.
        child: Child,
        /// How many generations the store had lost; zero but for a heal.
        healed: u64,
    },
    /// Answer with a child of the head; nothing is written.
    Answer {
        /// The child.
        child: Child,
        /// Whether it is the same child again.
        repeat: bool,
    },
    /// Commit the end of the session (or of all the user's), then refuse.
    Reuse {
        /// The end.
        revocation: Revocation,
        /// What it covers.
        scope: ReuseScope,
        /// What gave the copy away.
        evidence: Evidence,
    },
    /// Refuse; the session is not touched.
    Refuse(Refusal),
    /// The store remembers less than lost writes explain: answer that it can't be decided now.
    InDoubt {
        /// How many generations would have been lost.
        lost: u64,
    },
}

/// Why a genuine token is refused without consequence for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It came by the transport that it was not issued for.
    WrongTransport,
    /// Another OAuth client presented it.
    WrongClient,
    /// Its device cookie was missing or another's.
    WrongDevice,
    /// The session has ended.
    Ended(Ended),
}

/// A refresh token that is about to be issued; the shell draws or derives its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    /// The parent's place in the line.
    pub parent_generation: Generation,
    /// The parent's nonce.
    pub parent: Nonce,
    /// The attempt that its nonce is derived from; without one the nonce is random.
    pub attempt: Option<AttemptHash>,
    /// When it counts as issued.
    pub issued_at: Timestamp,
}

impl Child {
    /// The token that `head` gives to `attempt`.
    pub const fn of(head: &Head, attempt: Option<AttemptHash>, issued_at: Timestamp) -> Self {
        Self { parent_generation: head.generation, parent: head.nonce, attempt, issued_at }
    }

    /// The token, once its nonce is known.
    pub const fn token(&self, session_id: SessionId, nonce: Nonce) -> RefreshToken {
        RefreshToken {
            session_id,
            generation: self.parent_generation.next(),
            nonce,
            parent: self.parent,
            issued_at: self.issued_at,
        }
    }
}

/// Decides about a refresh. The checks come in the order of DESIGN section 2, and only the last of them, the
/// token's place, can end a session.
pub fn refresh(
    session: &Session,
    user: &Standing,
    presented: &Presentation,
    attempt: Option<AttemptHash>,
    policy: &Policy,
    now: Timestamp,
) -> RefreshDecision {
    if let Err(refusal) = check_binding(session, presented) {
        return RefreshDecision::Refuse(refusal);
    }
    if let Err(ended) = session.check(user, now) {
        return RefreshDecision::Refuse(Refusal::Ended(ended));
    }
    let window = policy.reuse_window.of(session.transport);
    match place(&session.head, &presented.token, attempt, window, now) {
        Verdict::Advance => advance(&presented.token, attempt, now, 0),
        Verdict::Heal { lost } => advance(&presented.token, attempt, now, lost),
        Verdict::Sibling => {
            RefreshDecision::Answer { child: Child::of(&session.head, attempt, now), repeat: false }
        }
        Verdict::Repeat => RefreshDecision::Answer {
            child: Child::of(&session.head, attempt, session.head.at),
            repeat: true,
        },
        Verdict::Reuse(evidence) => RefreshDecision::Reuse {
            revocation: Revocation { at: now, reason: RevokeReason::TokenReused },
            scope: policy.on_reuse,
            evidence,
        },
        Verdict::InDoubt { lost } => RefreshDecision::InDoubt { lost },
    }
}

/// Whether a token was presented by whom it was issued to: right transport, client and device.
pub fn check_binding(session: &Session, presented: &Presentation) -> Result<(), Refusal> {
    if presented.transport != session.transport {
        return Err(Refusal::WrongTransport);
    }
    if presented.client_id != session.client_id {
        return Err(Refusal::WrongClient);
    }
    if session.device.is_some() && presented.device != session.device {
        return Err(Refusal::WrongDevice);
    }
    Ok(())
}

fn advance(
    token: &RefreshToken,
    attempt: Option<AttemptHash>,
    now: Timestamp,
    healed: u64,
) -> RefreshDecision {
    let head =
        Head { generation: token.generation, nonce: token.nonce, parent: token.parent, at: now, attempt };
    RefreshDecision::Advance { head, child: Child::of(&head, attempt, now), healed }
}

impl RefreshDecision {
    /// The change of the session's row that this decision asks for, if any.
    pub fn update(&self) -> Option<Update> {
        match self {
            Self::Advance { head, .. } => Some(Update::MoveHead(*head)),
            Self::Reuse { revocation, .. } => Some(Update::Revoke(*revocation)),
            Self::Answer { .. } | Self::Refuse(_) | Self::InDoubt { .. } => None,
        }
    }
}
