//! What every test of the rule starts from: one session, one policy, one way to present a token.

use relatch_core::{
    Authentication, Epoch, Head, Lifetime, Origin, Policy, Presentation, ReuseScope, Session, State,
    Transport, Version, Windows,
};
use relatch_token::{
    DeviceHash, Generation, Nonce, RefreshToken, Seconds, SessionId, SessionSecret, Timestamp, UserId,
};

/// When the person logged in.
pub(crate) const LOGIN_AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// The defaults of DESIGN section 2.
pub(crate) const POLICY: Policy = Policy {
    reuse_window: Windows { cookie: Seconds(30), body: Seconds(10) },
    on_reuse: ReuseScope::Session,
};
/// The nonce of head 0.
pub(crate) const LOGIN_NONCE: Nonce = Nonce(*b"login...");

/// A session as it stands right after login: 14 days idle, 90 days in all.
pub(crate) fn session(transport: Transport) -> Session {
    Session {
        id: SessionId::from_bytes([7; 16]),
        version: Version(0),
        user_id: UserId::from_bytes([8; 16]),
        epoch: Epoch(0),
        client_id: None,
        scope: None,
        transport,
        device: (transport == Transport::Cookie).then_some(DeviceHash([9; 8])),
        secret: SessionSecret::new([10; 16]),
        authentication: Authentication { at: LOGIN_AT, amr: vec!["pwd".into()], acr: "1".into() },
        lifetime: Lifetime { idle: Seconds(14 * DAY), expires_at: LOGIN_AT + Seconds(90 * DAY) },
        head: Head::login(LOGIN_NONCE, LOGIN_AT),
        state: State::Live,
        origin: Origin::default(),
        remember: true,
        claims: serde_json::Map::new(),
    }
}

/// A token of that session.
pub(crate) fn token(generation: u64, nonce: Nonce, parent: Nonce, issued_at: Timestamp) -> RefreshToken {
    let session_id = SessionId::from_bytes([7; 16]);
    RefreshToken { session_id, generation: Generation(generation), nonce, parent, issued_at }
}

/// The token, presented by whom it was issued to.
pub(crate) fn present(session: &Session, token: RefreshToken) -> Presentation {
    Presentation {
        token,
        transport: session.transport,
        client_id: session.client_id.clone(),
        device: session.device,
    }
}

/// The instant so many milliseconds later (or earlier).
pub(crate) const fn after(at: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + millis)
}

const DAY: u32 = 24 * 3600;
