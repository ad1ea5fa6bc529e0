//! The parts alone: signatures, rotations of the store, the verifier. What the whole can be at best.

use crate::Measure;
use crate::fill::{fill, ring};
use crate::report::{Report, Runs};
use anyhow::Context;
use axum::Router;
use axum::routing::get;
use relatch_core::{Head, Update};
use relatch_server::environment::{Clock, OsEntropy, SystemClock};
use relatch_server::keys::{KeyPolicy, SigningKeys};
use relatch_sqlite::{Options, SqliteStore};
use relatch_store::memory::MemoryStore;
use relatch_store::{Change, Commit, SessionStore};
use relatch_token::{AccessClaims, Audience, Nonce, SealedToken, SessionId};
use relatch_verifier::Verifier;
use serde_json::Map;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) async fn measure(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let keys = signing_keys().await?;
    signatures(measure, report, &keys)?;
    rotations(measure, report).await?;
    verifier(measure, report, keys).await
}

async fn signing_keys() -> anyhow::Result<SigningKeys> {
    let store = MemoryStore::new([0; 16]);
    let entropy = Arc::new(OsEntropy::open()?);
    let ring = ring(&store).await?;
    Ok(SigningKeys::load(&store, ring, KeyPolicy::default(), entropy, SystemClock.now()).await?)
}

/// ES256 signatures per second on one thread, and on as many as there are cores.
fn signatures(measure: &Measure, report: &mut Report, keys: &SigningKeys) -> anyhow::Result<()> {
    for threads in [1, std::thread::available_parallelism()?.get()] {
        let runs = (0..measure.runs).map(|_| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (keys, span) = (keys.clone(), measure.span / 3);
                    std::thread::spawn(move || sign_for(&keys, span))
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or(f64::NAN)).sum()
        });
        report.row(format!("ES256 signatures per second, {threads} threads"), Runs::new(runs.collect()));
    }
    Ok(())
}

fn sign_for(keys: &SigningKeys, span: Duration) -> f64 {
    let (start, mut count) = (Instant::now(), 0u64);
    while start.elapsed() < span {
        count += u64::from(keys.sign(&claims(count), SystemClock.now()).is_ok());
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// Load and commit of a moved head, as a refresh does them, by callers that wait for their answers.
async fn rotations(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let path = measure.fresh_folder("rotations")?.join("relatch.db");
    let store = Arc::new(SqliteStore::open(&path, Options::new([7; 16]))?);
    let ring = ring(&*store).await?;
    let tokens = fill(&*store, 10_000, 1024, SystemClock.now()).await?;
    let ids: Vec<SessionId> = tokens
        .iter()
        .map(|text| Ok(SealedToken::parse(text, &ring)?.session_id()))
        .collect::<anyhow::Result<_>>()?;
    for callers in [1, 16, 64] {
        let mut runs = Vec::new();
        for _ in 0..measure.runs {
            runs.push(rotate_for(&store, &ids, callers, measure.span).await?);
        }
        report.row(format!("rotations of the store per second, {callers} callers"), Runs::new(runs));
    }
    Ok(())
}

async fn rotate_for(
    store: &Arc<SqliteStore>,
    ids: &[SessionId],
    callers: usize,
    span: Duration,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let mine: Vec<SessionId> = ids.iter().skip(caller).step_by(callers).copied().collect();
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut count = 0u64;
            for id in mine.iter().cycle() {
                if start.elapsed() >= span {
                    break;
                }
                rotate(&store, *id).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

async fn rotate(store: &SqliteStore, id: SessionId) -> anyhow::Result<()> {
    let session = store.load(id).await?.context("a session is gone")?.session;
    let (old, at) = (session.head, SystemClock.now());
    let nonce = Nonce(at.as_millis().to_be_bytes());
    let head = Head { generation: old.generation.next(), nonce, parent: old.nonce, at, attempt: None };
    let change =
        Change { session_id: id, expected: session.version, update: Update::MoveHead(head), event: None };
    anyhow::ensure!(store.commit(change).await? == Commit::Done, "nobody else moves this head");
    Ok(())
}

/// Verifications per second on one thread: of tokens never seen before, and of one that is known.
async fn verifier(measure: &Measure, report: &mut Report, keys: SigningKeys) -> anyhow::Result<()> {
    let jwks = keys.jwks(SystemClock.now());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/.well-known/jwks.json", get(async move || jwks));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut runs = (Vec::new(), Vec::new());
    for _ in 0..measure.runs {
        let verifier = Verifier::builder(&issuer).audience("https://api.example.com").build()?;
        verifier.load_keys().await?;
        let tokens: Vec<String> = (0..5000)
            .map(|n| Ok(keys.sign(&AccessClaims { iss: issuer.clone(), ..claims(n) }, SystemClock.now())?))
            .collect::<anyhow::Result<_>>()?;
        let start = Instant::now();
        for token in &tokens {
            verifier.verify(token).await?;
        }
        runs.0.push(tokens.len() as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        for _ in 0..KNOWN_LOOKS {
            verifier.verify(&tokens[4999]).await?;
        }
        runs.1.push(f64::from(KNOWN_LOOKS) / start.elapsed().as_secs_f64());
    }
    report.row("verifier, tokens per second, first sight (1 thread)", Runs::new(runs.0));
    report.row("verifier, tokens per second, known token (1 thread)", Runs::new(runs.1));
    Ok(())
}

fn claims(n: u64) -> AccessClaims {
    let now = SystemClock.now().as_seconds();
    AccessClaims {
        iss: "http://localhost".into(),
        aud: Audience::One("https://api.example.com".into()),
        sub: "usr_AAAAAAAAAAAAAAAAAAAAAA".into(),
        iat: now,
        exp: now + 900,
        jti: format!("{n:022}"),
        client_id: "relatch".into(),
        sid: "ses_AAAAAAAAAAAAAAAAAAAAAA".into(),
        auth_time: now,
        amr: vec!["pwd".into()],
        acr: "1".into(),
        scope: None,
        custom: Map::new(),
    }
}

const KNOWN_LOOKS: u32 = 1_000_000;
