//! Builders of what the checks write: valid, repeatable, told apart by a number.

use crate::conformance::Dice;
use crate::{
    ApiKey, Change, Channel, ClientKind, CreateSession, CreateUser, Delivery, DeliveryId, FeedEntry, Link,
    LinkAddress, LinkHash, LinkPurpose, NewEvent, NewSession, NewUser, OauthClient, PasswordHash,
    SigningKeyRecord, Store, SubjectChange, SubjectEnd, SubjectUpdate, User, UserEmail, UserKey,
};
use relatch_core::{
    Authentication, Ended, EventKind, Head, Lifetime, Origin, Revocation, RevokeReason, Session, State,
    Transport, Update, Version,
};
use relatch_token::{
    ClientId, DeviceHash, DeviceId, Generation, Nonce, Seconds, Secret, SessionId, SessionSecret, Timestamp,
    UserId,
};
use serde_json::Map;

/// When the checks begin, with milliseconds that a store must not round.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

/// The idle time of [`session`].
pub const IDLE: Seconds = Seconds(14 * 24 * 3600);

/// The absolute life of [`session`].
pub const LIFE: Seconds = Seconds(90 * 24 * 3600);

/// That many milliseconds after [`START`].
pub const fn after_millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + millis)
}

/// The id of user `n`, as scattered as real ones.
pub fn user_id(n: u64) -> UserId {
    UserId::from_bytes(Dice::new(n.wrapping_mul(2)).bytes())
}

/// The id of session `n`, as scattered as real ones.
pub fn session_id(n: u64) -> SessionId {
    SessionId::from_bytes(Dice::new(n.wrapping_mul(2).wrapping_add(1)).bytes())
}

/// User `n`, with an address that isn't proved.
pub fn user(n: u64) -> User {
    let address = format!("Ada.{n}@Example.org");
    let unique_key = address.to_lowercase();
    User {
        id: user_id(n),
        email: Some(UserEmail { address, unique_key, verified_at: None }),
        name: Some(format!("Ada {n}")),
        external_id: None,
        created_at: START,
        standing: Default::default(),
    }
}

/// The password of user `n` as [`new_user`] sets it.
pub fn password(n: u64) -> PasswordHash {
    Secret::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$hash{n}"))
}

/// The sign-up of a user, with [`password`] `n`.
pub fn new_user(user: User, n: u64) -> NewUser {
    let event = event(EventKind::SignedUp, user.id, user.created_at);
    NewUser { user, password: Some(password(n)), event, welcome: None }
}

/// Session `n` of a user at their present epoch, begun at [`START`], cookie transport.
pub fn session(user: &User, n: u64) -> Session {
    session_begun(user, n, START)
}

/// The same, begun at another time.
pub fn session_begun(user: &User, n: u64, at: Timestamp) -> Session {
    let mut dice = Dice::new(n ^ 0xD1CE);
    Session {
        id: session_id(n),
        version: Version(0),
        user_id: user.id,
        epoch: user.standing.not_before,
        client_id: None,
        scope: None,
        transport: Transport::Cookie,
        device: Some(DeviceHash(dice.bytes())),
        secret: SessionSecret::new(dice.bytes()),
        authentication: Authentication { at, amr: vec!["pwd".into()], acr: "1".into() },
        lifetime: Lifetime { idle: IDLE, expires_at: at + LIFE },
        head: Head::login(Nonce(dice.bytes()), at),
        state: State::Live,
        origin: Origin {
            ip: Some([192, 0, 2, 7].into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into()),
            device_name: None,
        },
        remember: true,
        claims: Map::new(),
    }
}

/// The beginning of a session, with its event, however many the user has.
pub fn new_session(session: Session) -> NewSession {
    let event = NewEvent {
        session_id: Some(session.id),
        origin: session.origin.clone(),
        ..event(EventKind::Login, session.user_id, session.created_at())
    };
    NewSession { device_id: session.device.map(|_| device_id(&session)), session, event, room: None }
}

/// What the device of a session is called by, where the session is the first on it.
pub fn device_id(session: &Session) -> DeviceId {
    let [mut bytes, session] = [*session.user_id.as_bytes(), *session.id.as_bytes()];
    bytes.iter_mut().zip(session).for_each(|(one, other)| *one ^= other);
    DeviceId::from_bytes(bytes)
}

/// An event of nothing but a kind, a user and a time.
pub fn event(kind: EventKind, user_id: UserId, at: Timestamp) -> NewEvent {
    NewEvent { kind, at, user_id, session_id: None, origin: Origin::default(), reason: None }
}

/// The head that a refresh at `at` makes of the present one.
pub fn next_head(session: &Session, at: Timestamp) -> Head {
    let generation = session.head.generation.next();
    let nonce = Nonce(Dice::new(generation.0 ^ u64::from_le_bytes(session.head.nonce.0)).bytes());
    Head { generation, nonce, parent: session.head.nonce, at, attempt: None }
}

/// The refresh of a session as it was read.
pub fn move_head(session: &Session, at: Timestamp) -> Change {
    let update = Update::MoveHead(next_head(session, at));
    Change { session_id: session.id, expected: session.version, update, event: None }
}

/// The end of a session as it was read, with its event.
pub fn revoke(session: &Session, reason: RevokeReason, at: Timestamp) -> Change {
    let event = NewEvent {
        session_id: Some(session.id),
        reason: Some(reason.as_str().into()),
        ..event(EventKind::SessionRevoked, session.user_id, at)
    };
    let update = Update::Revoke(Revocation { at, reason });
    Change { session_id: session.id, expected: session.version, update, event: Some(event) }
}

/// The end of all sessions of a user, whatever happened meanwhile.
pub fn end_all(user: UserId, at: Timestamp) -> SubjectChange {
    SubjectChange {
        user_id: user,
        expected: None,
        at,
        reason: RevokeReason::LogoutAll,
        keep: None,
        update: None,
        event: event(EventKind::LogoutAll, user, at),
    }
}

/// The same, because an operator disabled the user.
pub fn disable(user: UserId, at: Timestamp) -> SubjectChange {
    SubjectChange {
        reason: RevokeReason::UserDisabled,
        update: Some(SubjectUpdate::Disable),
        event: event(EventKind::UserDisabled, user, at),
        ..end_all(user, at)
    }
}

/// The same, by a new password that a mailed link allows.
pub fn reset(user: UserId, password: PasswordHash, link: LinkHash, at: Timestamp) -> SubjectChange {
    SubjectChange {
        reason: RevokeReason::PasswordReset,
        update: Some(SubjectUpdate::PasswordByLink(password, link)),
        event: event(EventKind::PasswordReset, user, at),
        ..end_all(user, at)
    }
}

/// The same, because the account is deleted.
pub fn delete(user: UserId, at: Timestamp) -> SubjectChange {
    SubjectChange {
        reason: RevokeReason::UserDeleted,
        update: Some(SubjectUpdate::Delete),
        event: event(EventKind::UserDeleted, user, at),
        ..end_all(user, at)
    }
}

/// The address `Ada.n@Example.org` of user `n`, for a link.
pub fn address_of(n: u64) -> LinkAddress {
    let address = format!("Ada.{n}@Example.org");
    let unique_key = address.to_lowercase();
    LinkAddress { address, unique_key }
}

/// Link `n`, good for an hour from [`START`], mailed to the user's own address, where they have one; one to
/// leave it, to that of user `n` + 1000.
pub fn link(user: &User, purpose: LinkPurpose, n: u64) -> Link {
    let own = user.email.clone().filter(|_| purpose != LinkPurpose::ChangeEmail);
    let to = match own {
        Some(UserEmail { address, unique_key, .. }) => LinkAddress { address, unique_key },
        None => address_of(n.saturating_add(1000)),
    };
    Link {
        hash: LinkHash(Dice::new(n ^ 0x11CE).bytes()),
        purpose,
        user_id: user.id,
        to,
        epoch: user.standing.not_before,
        expires_at: START + Seconds(3600),
    }
}

/// The id of delivery `n`.
pub fn delivery_id(n: u64) -> DeliveryId {
    DeliveryId(Dice::new(n ^ 0xDE11).bytes())
}

/// Delivery `n`: a mail, queued and due at [`START`], that belongs to nobody.
pub fn delivery(n: u64) -> Delivery {
    Delivery {
        id: delivery_id(n),
        channel: Channel::Mail,
        user_id: None,
        payload: Dice::new(n).bytes::<40>().to_vec(),
        created_at: START,
        due_at: START,
        attempts: 0,
    }
}

/// Signing key `n`, made `n` seconds after [`START`].
pub fn signing_key(n: u32) -> SigningKeyRecord {
    let created_at = START + Seconds(n);
    SigningKeyRecord {
        kid: format!("2027-{n:02}"),
        algorithm: "ES256".into(),
        public_jwk: format!(r#"{{"kty":"EC","crv":"P-256","kid":"2027-{n:02}"}}"#),
        sealed_private: Dice::new(u64::from(n)).bytes::<138>().to_vec(),
        master_id: 1,
        created_at,
        active_at: created_at + Seconds(600),
        retires_at: None,
    }
}

/// API key `n`, made `n` seconds after [`START`].
pub fn api_key(n: u32) -> ApiKey {
    ApiKey {
        id: format!("key_{n}"),
        hash: Dice::new(u64::from(n) ^ 0xA91).bytes(),
        name: format!("billing {n} — “Ünïcode”"),
        scopes: vec!["sessions:write".into(), "introspect".into()],
        created_at: START + Seconds(n),
        revoked_at: None,
    }
}

/// A confidential client of that name.
pub fn client(id: &str) -> OauthClient {
    OauthClient {
        id: client_id(id),
        kind: ClientKind::Confidential,
        secret_hash: Some([0xC1; 32]),
        name: Some(format!("The {id} app 🚲")),
        scopes: vec!["openid".into(), "profile".into()],
        created_at: START,
    }
}

/// A client id that is known to be well-formed.
pub fn client_id(id: &str) -> ClientId {
    id.parse().unwrap()
}

/// Signs user `n` up.
pub async fn sign_up(store: &dyn Store, n: u64) -> User {
    let user = user(n);
    assert_eq!(store.create_user(new_user(user.clone(), n)).await, Ok(CreateUser::Done));
    user
}

/// Begins session `n` of the user as they are now in the store.
pub async fn log_in(store: &dyn Store, user: &User, n: u64) -> Session {
    let session = session(&reread(store, user.id).await, n);
    assert_eq!(store.create(new_session(session.clone())).await, Ok(CreateSession::Done));
    session
}

/// The user as they are now in the store.
pub async fn reread(store: &dyn Store, user: UserId) -> User {
    store.user(&UserKey::Id(user)).await.unwrap().unwrap()
}

/// The session as it is now in the store.
pub async fn load(store: &dyn Store, id: SessionId) -> Session {
    store.load(id).await.unwrap().unwrap().session
}

/// Whether the session may be used at `now`, as a refresh would ask.
pub async fn check(store: &dyn Store, id: SessionId, now: Timestamp) -> Result<(), Ended> {
    let loaded = store.load(id).await.unwrap().unwrap();
    loaded.session.check(&loaded.user.standing, now)
}

/// The whole feed.
pub async fn feed_of(store: &dyn Store) -> Vec<FeedEntry> {
    store.changes_since(Default::default(), usize::MAX).await.unwrap()
}

/// The whole audit, the oldest first.
pub async fn events_of(store: &dyn Store) -> Vec<NewEvent> {
    let mut all: Vec<_> = super::dump::events(store).await.into_iter().map(|kept| kept.event).collect();
    all.reverse();
    all
}

/// The end of all sessions, which must succeed; answers how many ended.
pub async fn end(store: &dyn Store, change: SubjectChange) -> u64 {
    match store.revoke_subject(change).await.unwrap() {
        SubjectEnd::Done { revoked, .. } => revoked,
        SubjectEnd::Conflict => panic!("the end of all sessions was a conflict"),
    }
}

/// The session's head after `generation` refreshes, for tests that don't care for the way there.
pub fn head_at_generation(session: &Session, generation: u64, at: Timestamp) -> Head {
    Head { generation: Generation(generation), ..next_head(session, at) }
}
