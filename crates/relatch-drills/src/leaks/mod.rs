//! `leaks`: a tour of every route, then a search for every secret where none may be.
//!
//! What is looked through: the log at debug level, the metrics, every answer that hands out no token, the files of
//! the database, a backup, and a core dump of the running process. The core is taken once clients are gone and
//! some hundred strangers' requests have passed: what a request needs stands in memory while it is served, and
//! nobody can promise more. Two things are looked for everywhere but there: the master key, which is in memory as
//! long as the server runs, and signatures of access tokens without the tokens, which the cryptography library
//! leaves on stacks (no allocator wipes those).

mod pages;
mod secrets;
mod tour;

use crate::server::{DATABASE, Place, Running};
use crate::wire::{Ask, Transport, client};
use crate::{Finding, report};
use anyhow::{Context, Result};
use base64ct::{Base64UrlUnpadded, Encoding};
use secrets::{Kind, Search};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tour::Tour;

/// How the drill goes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    server: PathBuf,
    /// Where the run gets a folder of its own, which is gone afterwards.
    #[arg(long)]
    folder: PathBuf,
    /// How many strangers' requests pass before the core dump.
    #[arg(long, default_value_t = 400)]
    strangers: usize,
}

/// Runs the drill, prints what came of it, and says whether no secret was found.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    std::fs::create_dir_all(&options.folder)?;
    let folder = tempfile::Builder::new().prefix("leaks-").tempdir_in(&options.folder)?;
    let master_key = std::array::from_fn(|i| (i as u8).wrapping_mul(151) ^ 0x5a);
    let place = Place::new(
        &options.server,
        folder.path(),
        master_key,
        &[
            ("SESSIONS__REUSE_WINDOW_COOKIE_SECONDS", "1"),
            ("SESSIONS__REUSE_WINDOW_BODY_SECONDS", "1"),
            ("TELEMETRY__LOG_FILTER", "debug"),
        ],
    )?;
    let mut tour = Tour::prepare(&place).await?;
    let mut server = place.start()?;
    server.ready(&place.url).await?;
    let missed = tour.go().await?;
    let Tour { client, mut secrets, answers, .. } = tour;
    // The server keeps what it last read from a connection until that is closed.
    drop(client);
    secrets.add(Kind::MasterKey, &Base64UrlUnpadded::encode_string(&place.master_key));
    println!("{} answers; {} forms of secrets to look for", answers.len(), secrets.len());
    let search = secrets.search()?;

    let mut findings = vec![Finding { promise: "the tour came to every route", violations: missed }];
    let mut look = |promise, place: &str, text: &[u8]| {
        findings.push(Finding { promise, violations: stories(&search, place, text) });
    };
    look("the log at debug level holds no secret", "the log", place.log()?.as_bytes());
    look("the metrics hold no secret", "the metrics", fetch(&place, "/metrics").await?.as_bytes());
    let in_answers = answers
        .iter()
        .flat_map(|(route, text)| stories(&search, &format!("an answer of {route}"), text.as_bytes()));
    findings.push(Finding {
        promise: "no answer holds a secret but the one that hands it out",
        violations: in_answers.collect(),
    });
    findings.push(Finding {
        promise: "the database, its log and a backup hold no secret",
        violations: in_files(&place, &search).await?,
    });
    findings.extend(core_dump(&place, &server, &search, options.strangers).await?);
    server.kill().await?;
    Ok(report(&findings))
}

fn stories(search: &Search, place: &str, text: &[u8]) -> Vec<String> {
    search.hits(text).iter().map(|hit| hit.story(place)).collect()
}

async fn fetch(place: &Place, path: &str) -> Result<String> {
    let answer = Ask::get(path).send(&client()?, &place.url).await;
    Ok(answer.ok().with_context(|| format!("{path} was not answered"))?.body)
}

async fn in_files(place: &Place, search: &Search) -> Result<Vec<String>> {
    place.ask(&["backup", "backup.db"]).await?;
    let mut violations = Vec::new();
    let files =
        [DATABASE.to_owned(), format!("{DATABASE}-wal"), format!("{DATABASE}-shm"), "backup.db".to_owned()];
    for name in files {
        let bytes =
            std::fs::read(place.folder.join(&name)).with_context(|| format!("{name} can't be read"))?;
        violations.extend(stories(search, &name, &bytes));
    }
    Ok(violations)
}

/// Looks through the memory of the process for secrets as they were handed out. What they decode to
/// ([`Kind::Decoded`]) is not asked for here: a few such bytes may stay on the stack of a thread, which no
/// allocator wipes. No finding at all where no core can be taken here.
async fn core_dump(
    place: &Place,
    server: &Running,
    search: &Search,
    strangers: usize,
) -> Result<Vec<Finding>> {
    visit_as_strangers(place, strangers).await?;
    let core = match take_core(&place.folder, server).await {
        Ok(core) => core,
        Err(problem) => {
            println!("SKIPPED: no core dump was looked through: {problem:#}");
            return Ok(Vec::new());
        }
    };
    let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for hit in search.hits(&core) {
        by_kind.entry(hit.kind).or_default().push(hit.story("the core"));
    }
    println!("{} MiB of core dump, after {strangers} strangers' requests", core.len() >> 20);
    let mut of = |promise, kind| Finding { promise, violations: by_kind.remove(&kind).unwrap_or_default() };
    Ok(vec![
        of("memory holds no password of before", Kind::Password),
        of("memory holds no refresh token of before", Kind::RefreshToken),
        of("memory holds no access token of before", Kind::AccessToken),
        of("memory holds no device cookie of before", Kind::DeviceCookie),
        of("memory holds no API key of before", Kind::ApiKey),
        of("memory holds no client secret of before", Kind::ClientSecret),
        of("memory holds no mailed link of before", Kind::LinkToken),
    ])
}

/// Requests that have nothing to do with the secrets, on connections of their own.
async fn visit_as_strangers(place: &Place, count: usize) -> Result<()> {
    for batch in 0..count / STRANGERS_AT_ONCE {
        let client = client()?;
        let visits = (0..STRANGERS_AT_ONCE).map(|no| {
            let (client, nobody) = (client.clone(), format!("stranger{batch}-{no}"));
            let email = format!("{nobody}@example.com");
            async move {
                let ask = match no % 4 {
                    0 => Ask::get("/auth/me").bearer(&nobody.repeat(20)),
                    1 => Ask::post("/auth/refresh").presenting(Transport::Body, &nobody.repeat(10), ""),
                    2 => Ask::post("/auth/refresh").presenting(Transport::Cookie, &nobody.repeat(10), "none"),
                    _ => Ask::login(&email, "a stranger's password", Transport::Body),
                };
                ask.send(&client, &place.url).await
            }
        });
        futures::future::join_all(visits).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

async fn take_core(folder: &Path, server: &Running) -> Result<Vec<u8>> {
    let id = server.id().context("the server has ended")?.to_string();
    let output = Command::new("gcore").args(["-o", "core", &id]).current_dir(folder).output().await;
    let output = output.context("`gcore` can't be run; install the Debian package gdb")?;
    let said = String::from_utf8_lossy(&output.stderr);
    std::fs::read(folder.join(format!("core.{id}"))).with_context(|| format!("`gcore` made none: {said}"))
}

const STRANGERS_AT_ONCE: usize = 20;
