//! The obvious alternative: a row per token, one transaction per request; same HTTP stack, same database, same
//! durability, same signatures. What most tutorials and several libraries do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_server::environment::{Clock, EntropyExt, OsEntropy, SystemClock};
use relatch_server::keys::{KeyPolicy, SigningKeys};
use relatch_server::serve::{Bounds, serve as accept};
use relatch_store::memory::MemoryStore;
use relatch_token::{AccessClaims, Audience};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// How to run the alternative.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the database is made
    #[arg(long)]
    database: PathBuf,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// How many sessions to begin with
    #[arg(long)]
    sessions: usize,
}

struct Shop {
    database: Mutex<Connection>,
    keys: SigningKeys,
}

/// Serves until it is killed. The first tokens are `token-0`, `token-1`, ….
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = MemoryStore::new([0; 16]);
        let ring = crate::fill::ring(&store).await?;
        let entropy = Arc::new(OsEntropy::open()?);
        let keys = SigningKeys::load(&store, ring, KeyPolicy::default(), entropy, SystemClock.now()).await?;
        let database = Mutex::new(open(options)?);
        let shop = Arc::new(Shop { database, keys });
        let router = Router::new()
            .route("/auth/refresh", post(refresh))
            .route("/plain/auth/refresh", post(echo))
            .with_state(shop);
        let listener = TcpListener::bind(options.listen).await?;
        let bounds = Bounds::of(&relatch_server::config::Config::default().server.limits);
        accept(listener, None, router, bounds, std::future::pending()).await;
        Ok(())
    })
}

fn open(options: &Options) -> anyhow::Result<Connection> {
    let mut database = Connection::open(&options.database)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE refresh_tokens (
             hash BLOB PRIMARY KEY, session_id INTEGER NOT NULL, user_id INTEGER NOT NULL,
             issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER, replaced_by BLOB);
         CREATE INDEX by_session ON refresh_tokens (session_id);",
    )?;
    let transaction = database.transaction()?;
    for n in 0..options.sessions {
        let hash: [u8; 32] = Sha256::digest(format!("token-{n}")).into();
        transaction.execute(
            "INSERT INTO refresh_tokens VALUES (?1, ?2, ?2, 0, 4102444800, NULL, NULL)",
            params![hash, n as i64],
        )?;
    }
    transaction.commit()?;
    Ok(database)
}

async fn refresh(State(shop): State<Arc<Shop>>, Json(body): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let presented = body["refresh_token"].as_str().ok_or(StatusCode::UNPROCESSABLE_ENTITY)?.to_owned();
    let work = move || rotate(&shop, &presented);
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    done.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?.map(Json).ok_or(StatusCode::UNAUTHORIZED)
}

/// What HTTP and JSON alone cost: an answer as long as that of a refresh, and nothing done for it.
async fn echo(Json(body): Json<Value>) -> Json<Value> {
    Json(json!({"access_token": "a".repeat(ACCESS_TOKEN_CHARS), "refresh_token": body["refresh_token"]}))
}

fn rotate(shop: &Shop, presented: &str) -> anyhow::Result<Option<Value>> {
    let now = SystemClock.now();
    let successor = Base64UrlUnpadded::encode_string(&OsEntropy::open()?.array::<32>());
    let (old, new): ([u8; 32], [u8; 32]) =
        (Sha256::digest(presented).into(), Sha256::digest(&successor).into());
    let session: i64 = {
        let mut database = shop.database.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: Option<(i64, Option<i64>)> = transaction
            .prepare_cached(
                "SELECT session_id, used_at FROM refresh_tokens WHERE hash = ?1 AND expires_at > ?2",
            )?
            .query_row(params![old, now.as_seconds()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((session, None)) = found else { return Ok(None) };
        transaction
            .prepare_cached("UPDATE refresh_tokens SET used_at = ?2, replaced_by = ?3 WHERE hash = ?1")?
            .execute(params![old, now.as_seconds(), new])?;
        transaction
            .prepare_cached("INSERT INTO refresh_tokens VALUES (?1, ?2, ?2, ?3, 4102444800, NULL, NULL)")?
            .execute(params![new, session, now.as_seconds()])?;
        transaction.commit()?;
        session
    };
    let claims = AccessClaims {
        iss: "http://localhost".into(),
        aud: Audience::One("http://localhost".into()),
        sub: session.to_string(),
        iat: now.as_seconds(),
        exp: now.as_seconds() + 900,
        jti: Base64UrlUnpadded::encode_string(&new[..16]),
        client_id: "relatch".into(),
        sid: session.to_string(),
        auth_time: now.as_seconds(),
        amr: vec!["pwd".into()],
        acr: "1".into(),
        scope: None,
        custom: Map::new(),
    };
    let access_token = shop.keys.sign(&claims, now)?;
    Ok(Some(
        json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 900, "refresh_token": successor}),
    ))
}

/// As long as an access token of ours.
const ACCESS_TOKEN_CHARS: usize = 600;
