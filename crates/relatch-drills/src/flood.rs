//! `flood`: refreshes go on while hundreds of people, or one attacker, log in at once.
//!
//! Prints the p99 of a refresh in quiet and in the flood, and the server's memory. The cost of a password is the
//! real one here.

use crate::server::{Place, Running};
use crate::wire::{Ask, Grant, Transport, client};
use crate::{Finding, report};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How the drill goes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    server: PathBuf,
    /// Where the run gets a folder of its own, which is gone afterwards.
    #[arg(long)]
    folder: PathBuf,
    /// How many logins are under way at a time.
    #[arg(long, default_value_t = 500)]
    logins: usize,
    /// How many sessions refresh, one after the other.
    #[arg(long, default_value_t = 20)]
    sessions: usize,
    /// For how long, in quiet and in the flood.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// Runs the drill, and says whether every refresh was answered and memory stayed in bounds.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    std::fs::create_dir_all(&options.folder)?;
    let folder = tempfile::Builder::new().prefix("flood-").tempdir_in(&options.folder)?;
    let real_cost = [
        ("PASSWORDS__ARGON2__MEMORY_KIB", "19456"),
        ("PASSWORDS__ARGON2__ITERATIONS", "2"),
        ("LIMITS__LOGIN_FAILURES_PER_ACCOUNT_MAX", "10000"),
    ];
    let place = Place::new(&options.server, folder.path(), [7; 32], &real_cost)?;
    let mut server = place.start()?;
    server.ready(&place.url).await?;
    let mut grants = Vec::new();
    for n in 0..options.sessions {
        let ask = Ask::signup(&format!("user{n}@example.com"), "a password of the drill", Transport::Body);
        let answer = ask.send(&client()?, &place.url).await;
        grants.push(answer.ok().context("a sign-up was not answered")?.grant()?);
    }
    let span = Duration::from_secs(options.seconds);
    let quiet = refresh_for(&place.url, grants, span).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..options.logins {
        flood.spawn(log_in_until(place.url.clone(), n, Arc::clone(&stop)));
    }
    // So that the queue is full when the measuring begins.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let flooded = refresh_for(&place.url, quiet.grants, span).await?;
    let resident = resident_kib(&server);
    stop.store(true, Ordering::Relaxed);
    let (mut answered, mut busy) = (0u64, 0u64);
    while let Some(counts) = flood.join_next().await {
        let (one, other) = counts??;
        (answered, busy) = (answered + one, busy + other);
    }
    server.kill().await?;

    let ratio = flooded.p99.as_secs_f64() / quiet.p99.as_secs_f64();
    println!("quiet: {} refreshes, p99 {:.1} ms", quiet.count, millis(quiet.p99));
    println!("flood: {} refreshes, p99 {:.1} ms: {ratio:.2} times", flooded.count, millis(flooded.p99));
    println!("{answered} logins were judged, {busy} were told to come back later");
    println!("memory in the flood: {} KiB", resident.map_or("?".to_owned(), |kib| kib.to_string()));
    let refused = |what: &str, refused: u64| {
        if refused == 0 { Vec::new() } else { vec![format!("{refused} refreshes in {what} were not served")] }
    };
    let too_large = resident.filter(|kib| *kib > RESIDENT_KIB_MAX);
    Ok(report(&[
        Finding { promise: "every refresh is served in quiet", violations: refused("quiet", quiet.refused) },
        Finding {
            promise: "every refresh is served in a flood",
            violations: refused("a flood", flooded.refused),
        },
        Finding {
            promise: "memory stays in bounds",
            violations: too_large.map(|kib| format!("{kib} KiB")).into_iter().collect(),
        },
    ]))
}

/// What a stretch of refreshes showed.
struct Stretch {
    grants: Vec<Grant>,
    count: u64,
    refused: u64,
    p99: Duration,
}

async fn refresh_for(url: &str, grants: Vec<Grant>, span: Duration) -> Result<Stretch> {
    let end = Instant::now() + span;
    let mut running = tokio::task::JoinSet::new();
    for mut grant in grants {
        let url = url.to_owned();
        running.spawn(async move {
            let (client, mut took, mut refused) = (client()?, Vec::new(), 0u64);
            while Instant::now() < end {
                let ask = Ask::post("/auth/refresh").presenting(Transport::Body, &grant.refresh_token, "");
                let begun = Instant::now();
                match ask.send(&client, &url).await {
                    Ok(answer) if answer.status == 200 => grant = answer.grant()?,
                    _ => refused += 1,
                }
                took.push(begun.elapsed());
                // At most 100 in 30 s are promised to one session.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            anyhow::Ok((grant, took, refused))
        });
    }
    let (mut grants, mut all, mut refused) = (Vec::new(), Vec::new(), 0);
    while let Some(one) = running.join_next().await {
        let (grant, took, not_served) = one??;
        grants.push(grant);
        all.extend(took);
        refused += not_served;
    }
    all.sort();
    ensure!(!all.is_empty(), "nothing was measured");
    let p99 = all[(all.len() * 99 / 100).min(all.len() - 1)];
    Ok(Stretch { grants, count: all.len() as u64, refused, p99 })
}

/// Answers how many logins were judged, and how many were told to come back later.
async fn log_in_until(url: String, n: usize, stop: Arc<AtomicBool>) -> Result<(u64, u64)> {
    let (client, mut judged, mut busy) = (client()?, 0, 0);
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let ask = Ask::login(&format!("nobody{n}-{round}@example.com"), "a wrong password", Transport::Body);
        match ask.send(&client, &url).await {
            Ok(answer) if answer.status == 401 => judged += 1,
            _ => busy += 1,
        }
    }
    Ok((judged, busy))
}

fn resident_kib(server: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()?)).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// Far above what is needed: the tables of the limits, 500 connections, the memory of a password for each thread.
const RESIDENT_KIB_MAX: u64 = 150_000;
