//! How many refreshes per second the store alone can take: `load`, then the move of the head, durable.
//!
//! `cargo run --release -p relatch-sqlite --example rotations [sessions [seconds [relaxed [folder]]]]` fills a
//! new database with that many sessions (1,000 where none are named), prints what they take on disk, and
//! refreshes them from 1, 16 and 64 callers at once.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints and takes time"
)]

use relatch_core::{
    Authentication, EventKind, Head, Lifetime, Origin, Session, State, Transport, Update, Version,
};
use relatch_sqlite::{Durability, Options, SqliteStore};
use relatch_store::{
    AccountStore, Change, Commit, Maintenance, NewEvent, NewSession, NewUser, SessionStore, User,
};
use relatch_token::{AttemptHash, DeviceHash, Nonce, Seconds, SessionId, SessionSecret, Timestamp, UserId};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let sessions: u64 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let is_relaxed = arguments.next().is_some_and(|text| text == "relaxed");
    let scratch = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| scratch.path().to_owned(), PathBuf::from);

    let durability = if is_relaxed { Durability::Relaxed } else { Durability::Full };
    let options = Options { rotation_durability: durability, ..Options::new([7; 16]) };
    let path = folder.join("relatch.db");
    let store = Arc::new(SqliteStore::open(&path, options.clone())?);
    fill(&store, sessions).await?;
    for (name, figure) in store.statistics().await? {
        println!("{name:>16} {figure}");
    }
    drop(store);
    print_sizes(&path, sessions)?;
    let start = Instant::now();
    let store = Arc::new(SqliteStore::open(&path, options)?);
    println!("opened in {:.1} ms, {} MB resident", start.elapsed().as_secs_f64() * 1000.0, resident_mb());
    for callers in [1, 16, 64] {
        refresh(&store, sessions, callers, Duration::from_secs(seconds)).await?;
    }
    println!("{} MB resident, statistics {:?}", resident_mb(), store.statistics().await?);
    Ok(())
}

/// What each table and index takes of the file, by session.
fn print_sizes(path: &Path, sessions: u64) -> Outcome<()> {
    let conn = rusqlite::Connection::open(path)?;
    let mut sizes =
        conn.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8")?;
    let mut rows = sizes.query([])?;
    while let Some(row) = rows.next()? {
        let (name, bytes): (String, f64) = (row.get(0)?, row.get(1)?);
        println!("{name:>28} {:>6.1} bytes a session", bytes / sessions as f64);
    }
    Ok(())
}

/// Lets callers refresh sessions picked at random, each its own, and prints how that went.
async fn refresh(store: &Arc<SqliteStore>, sessions: u64, callers: u64, span: Duration) -> Outcome<()> {
    let start = Instant::now();
    let running: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut delays = Vec::new();
                let mut turn = caller;
                while start.elapsed() < span {
                    let begun = Instant::now();
                    // Numbers that are `caller` modulo `callers` are this caller's.
                    let n = scatter(turn) % (sessions / callers) * callers + caller;
                    rotate(&store, session_id(n)).await?;
                    delays.push(begun.elapsed());
                    turn += callers;
                }
                Outcome::Ok(delays)
            })
        })
        .collect();
    let mut delays = Vec::new();
    for caller in running {
        delays.extend(caller.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 1000].as_secs_f64() * 1000.0;
    println!(
        "{callers:>3} callers: {:>7.0} rotations/s, delay {:.2} ms median, {:.2} ms p99, {:.2} ms worst",
        delays.len() as f64 / seconds,
        at(500),
        at(990),
        at(1000)
    );
    Ok(())
}

async fn rotate(store: &SqliteStore, id: SessionId) -> Outcome<()> {
    let session = store.load(id).await?.ok_or("a session is missing")?.session;
    let head = Head {
        generation: session.head.generation.next(),
        nonce: Nonce(scatter(session.head.generation.0).to_be_bytes()),
        parent: session.head.nonce,
        at: session.head.at + Seconds(1),
        attempt: Some(AttemptHash([9; 8])),
    };
    let update = Update::MoveHead(head);
    match store.commit(Change { session_id: id, expected: session.version, update, event: None }).await? {
        Commit::Done => Ok(()),
        Commit::Conflict => Err("two callers met".into()),
    }
}

/// Three sessions a user, the users' logins mixed as they are in life.
async fn fill(store: &Arc<SqliteStore>, sessions: u64) -> Outcome<()> {
    let users = (sessions / 3).max(1);
    in_parallel(users, |n| {
        let (store, new) = (Arc::clone(store), new_user(n));
        async move { store.create_user(new).await.map(drop) }
    })
    .await?;
    in_parallel(sessions, |n| {
        let (store, new) = (Arc::clone(store), new_session(n, scatter(n) % users));
        async move { store.create(new).await.map(drop) }
    })
    .await
}

async fn in_parallel<F>(count: u64, make: impl Fn(u64) -> F) -> Outcome<()>
where
    F: Future<Output = Result<(), relatch_store::StoreError>> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for n in 0..count {
        if running.len() >= 1_024
            && let Some(done) = running.join_next().await
        {
            done??;
        }
        running.spawn(make(n));
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

fn new_user(n: u64) -> NewUser {
    let user = User {
        id: user_id(n),
        email: None,
        name: None,
        external_id: Some(format!("user-{n}")),
        created_at: START,
        standing: Default::default(),
    };
    let event = NewEvent {
        kind: EventKind::SignedUp,
        at: START,
        user_id: user.id,
        session_id: None,
        origin: Origin::default(),
        reason: None,
    };
    NewUser { user, password: None, event, welcome: None }
}

fn new_session(n: u64, user: u64) -> NewSession {
    let at = Timestamp::from_millis(START.as_millis() + n as i64);
    let origin = Origin {
        ip: Some((scatter(n ^ 7) as u32).to_be_bytes().into()),
        user_agent: Some(format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            scatter(n) % 200
        )),
        device_name: None,
    };
    let session = Session {
        id: session_id(n),
        version: Version(0),
        user_id: user_id(user),
        epoch: Default::default(),
        client_id: None,
        scope: None,
        transport: Transport::Cookie,
        device: Some(DeviceHash(scatter(n ^ 1).to_be_bytes())),
        secret: SessionSecret::new(wide(n ^ 2)),
        authentication: Authentication { at, amr: vec!["pwd".into()], acr: "1".into() },
        lifetime: Lifetime { idle: Seconds(14 * 86_400), expires_at: at + Seconds(90 * 86_400) },
        head: Head::login(Nonce(scatter(n ^ 3).to_be_bytes()), at),
        state: State::Live,
        origin: origin.clone(),
        remember: true,
        claims: Default::default(),
    };
    let event = NewEvent {
        kind: EventKind::Login,
        at,
        user_id: session.user_id,
        session_id: Some(session.id),
        origin,
        reason: None,
    };
    NewSession { session, event, device_id: None, room: None }
}

fn session_id(n: u64) -> SessionId {
    SessionId::from_bytes(wide(n))
}

fn user_id(n: u64) -> UserId {
    UserId::from_bytes(wide(n ^ (1 << 60)))
}

fn wide(n: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&scatter(n).to_be_bytes());
    bytes[8..].copy_from_slice(&scatter(n ^ (1 << 63)).to_be_bytes());
    bytes
}

/// The finalizer of MurmurHash3: numbers in order become numbers without.
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let n = (n ^ (n >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    n ^ (n >> 33)
}

fn resident_mb() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    (pages.unwrap_or(0) * 4096) >> 20
}

const START: Timestamp = Timestamp::from_millis(1_763_000_000_000);
