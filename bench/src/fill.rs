//! A store full of sessions, and refresh tokens for some of them.

use futures::StreamExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use relatch_core::{
    Authentication, Child, Epoch, EventKind, Head, Lifetime, Origin, Session, Standing, State, Transport,
    Version,
};
use relatch_store::{CreateSession, CreateUser, NewEvent, NewSession, NewUser, Store, User, UserEmail};
use relatch_token::{KeyRing, MasterKey, Nonce, Seconds, Secret, SessionId, Timestamp, UserId};
use serde_json::Map;
use std::net::{IpAddr, Ipv4Addr};

/// The master key of every database that is measured, in both spellings.
pub(crate) const MASTER_KEY: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The ring that seals tokens for a store that is measured.
pub(crate) async fn ring(store: &dyn Store) -> anyhow::Result<KeyRing> {
    let key = MasterKey { id: 1, secret: Secret::new(std::array::from_fn(|i| i as u8)) };
    Ok(KeyRing::new(&store.instance_id().await?, vec![key])?)
}

/// Fills a store with `count` live sessions, two for each user, and answers refresh tokens for `wanted` of
/// them, spread evenly.
pub(crate) async fn fill(
    store: &dyn Store,
    count: usize,
    wanted: usize,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let ring = ring(store).await?;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut tokens = Vec::with_capacity(wanted);
    let every = (count / wanted.max(1)).max(1);
    let mut users: Vec<User> = Vec::new();
    let people: Vec<NewUser> = (0..count.div_ceil(2)).map(|n| new_user(n, &mut random, now)).collect();
    let mut made = futures::stream::iter(people)
        .map(async |new| {
            let user = new.user.clone();
            anyhow::ensure!(store.create_user(new).await? == CreateUser::Done, "a user was there already");
            Ok(user)
        })
        .buffered(UNDER_WAY);
    while let Some(user) = made.next().await {
        users.push(user?);
    }
    let sessions: Vec<NewSession> =
        (0..count).map(|n| new_session(&users[n / 2], n, &mut random, now)).collect();
    for (n, new) in sessions.iter().enumerate() {
        if n % every == 0 && tokens.len() < wanted {
            tokens.push(first_token(&ring, &new.session, &mut random)?);
        }
    }
    let mut created = futures::stream::iter(sessions)
        .map(async |new| {
            anyhow::ensure!(store.create(new).await? == CreateSession::Done, "a session could not be made");
            Ok(())
        })
        .buffer_unordered(UNDER_WAY);
    while let Some(one) = created.next().await {
        one?;
    }
    Ok(tokens)
}

fn first_token(ring: &KeyRing, session: &Session, random: &mut ChaCha8Rng) -> anyhow::Result<String> {
    let token = Child::of(&session.head, None, session.head.at).token(session.id, Nonce(bytes(random)));
    let keys = ring.session(1, &session.secret);
    let sealed = keys.and_then(|keys| token.seal(ring, &keys));
    Ok(sealed.ok_or_else(|| anyhow::anyhow!("the ring has no master key 1"))?.expose().clone())
}

fn new_user(n: usize, random: &mut ChaCha8Rng, now: Timestamp) -> NewUser {
    let address = format!("somebody-{n}@example.com");
    let user = User {
        id: UserId::from_bytes(bytes(random)),
        email: Some(UserEmail { unique_key: address.clone(), address, verified_at: Some(now) }),
        name: None,
        external_id: None,
        created_at: now,
        standing: Standing::default(),
    };
    let event = event(EventKind::SignedUp, user.id, None, now);
    NewUser { user, password: None, event, welcome: None }
}

fn new_session(user: &User, n: usize, random: &mut ChaCha8Rng, now: Timestamp) -> NewSession {
    let session = Session {
        id: SessionId::from_bytes(bytes(random)),
        version: Version(0),
        user_id: user.id,
        epoch: Epoch(0),
        client_id: None,
        scope: None,
        transport: Transport::Body,
        device: None,
        secret: Secret::new(bytes(random)),
        authentication: Authentication { at: now, amr: vec!["pwd".to_owned()], acr: "1".to_owned() },
        lifetime: Lifetime { idle: Seconds(14 * 86_400), expires_at: now + Seconds(90 * 86_400) },
        head: Head::login(Nonce(bytes(random)), now),
        state: State::Live,
        origin: Origin {
            ip: Some(IpAddr::V4(Ipv4Addr::from(bytes::<4>(random)))),
            user_agent: Some(format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
                n % 200
            )),
            device_name: None,
        },
        remember: true,
        claims: Map::new(),
    };
    let event = event(EventKind::Login, user.id, Some(&session), now);
    NewSession { session, event, device_id: None, room: None }
}

fn event(kind: EventKind, user_id: UserId, session: Option<&Session>, at: Timestamp) -> NewEvent {
    let origin = session.map(|session| session.origin.clone()).unwrap_or_default();
    NewEvent { kind, at, user_id, session_id: session.map(|session| session.id), origin, reason: None }
}

fn bytes<const N: usize>(random: &mut ChaCha8Rng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill_bytes(&mut bytes);
    bytes
}

/// As many writes wait at a time; the store commits them together.
const UNDER_WAY: usize = 400;
