//! The whole server over HTTP, beside the alternative, and with many sessions in the store.

use crate::Measure;
use crate::fill::fill;
use crate::load::{self, Seen};
use crate::process::Server;
use crate::report::{Report, Runs, round};
use relatch_server::environment::{Clock, SystemClock};
use relatch_sqlite::{Options, SqliteStore};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// No window: every refresh is a durable rotation. And no limit that a benchmark would run into.
const STRICT: [(&str, &str); 4] = [
    ("sessions.reuse_window_body_seconds", "0"),
    ("limits.refreshes_per_session_max", "1000000"),
    ("limits.login_failures_per_address_max", "100000"),
    ("limits.login_failures_per_account_max", "10000"),
];
/// The default windows.
const USUAL: [(&str, &str); 3] = [STRICT[1], STRICT[2], STRICT[3]];
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Stored sessions, where their number is not what is measured.
const SESSIONS: usize = 10_000;
/// Sessions that are refreshed; so many that each waits for its turn.
const ACTIVE: usize = 2048;

pub(crate) async fn measure(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    side_by_side(measure, report).await?;
    usual(measure, report).await?;
    logins(measure, report).await?;
    stored(measure, report).await
}

/// Ours, a row per token, and HTTP alone, in turns: a disk is not as fast in one minute as in the next.
async fn side_by_side(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let database = measure.fresh_folder("refreshes")?.join("relatch.db");
    let mut tokens = filled(&database, SESSIONS).await?;
    let ours = Server::relatch(&measure.relatch, &database, &STRICT).await?;
    let idle = ours.memory_mb()?;
    let database = measure.fresh_folder("alternative")?.join("tokens.db");
    let theirs = Server::alternative(&database, SESSIONS).await?;
    let mut their_tokens: Vec<String> = (0..ACTIVE).map(|n| format!("token-{n}")).collect();
    for connections in CONNECTIONS {
        let (mut rotating, mut per_token, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..measure.runs {
            rotating.push(load::refresh(ours.address, &mut tokens, connections, measure.span).await?);
            per_token
                .push(load::refresh(theirs.address, &mut their_tokens, connections, measure.span).await?);
            plain.push(load::echo(theirs.address, connections, measure.span).await?);
        }
        row(
            report,
            &format!("refreshes per second, every one a durable rotation, {connections} connections"),
            &rotating,
        );
        row(report, &format!("the same, row per token, {connections} connections"), &per_token);
        row(report, &format!("HTTP and JSON alone, {connections} connections"), &plain);
        let pairs = rotating.iter().zip(&per_token);
        let ratios = pairs.map(|(ours, theirs)| ours.per_second / theirs.per_second).collect();
        report.row(format!("ours ÷ row per token, {connections} connections"), Runs::new(ratios));
    }
    report.row(
        "resident memory in MB, idle, then under load",
        format!("{} / {}", round(idle), round(ours.memory_mb()?)),
    );
    ours.stop().await
}

/// With the windows as they are configured by default, where most of a busy client's refreshes write nothing.
async fn usual(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let database = measure.fresh_folder("refreshes")?.join("relatch.db");
    let mut tokens = filled(&database, SESSIONS).await?;
    let server = Server::relatch(&measure.relatch, &database, &USUAL).await?;
    for connections in CONNECTIONS {
        let seen = repeat(measure, &server, &mut tokens, connections).await?;
        row(report, &format!("refreshes per second, default windows, {connections} connections"), &seen);
    }
    server.stop().await
}

async fn repeat(
    measure: &Measure,
    server: &Server,
    tokens: &mut Vec<String>,
    connections: usize,
) -> anyhow::Result<Vec<Seen>> {
    let mut runs = Vec::new();
    for _ in 0..measure.runs {
        runs.push(load::refresh(server.address, tokens, connections, measure.span).await?);
    }
    Ok(runs)
}

fn row(report: &mut Report, what: &str, seen: &[Seen]) -> f64 {
    let rate = Runs::new(seen.iter().map(|run| run.per_second).collect());
    let at = |share| Runs::new(seen.iter().map(|run| run.millis_at(share)).collect()).median();
    report.row(what, format!("{rate}; p50 {} ms, p99 {} ms", round(at(0.5)), round(at(0.99))));
    rate.median()
}

/// Logins per second, and what 200 that wait do to refreshes.
async fn logins(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let database = measure.fresh_folder("logins")?.join("relatch.db");
    let mut tokens = filled(&database, SESSIONS).await?;
    let server = Server::relatch(&measure.relatch, &database, &STRICT).await?;
    let account = r#"{"email":"ada@example.com","password":"correct horse battery","transport":"body"}"#;
    let (status, answer) =
        load::Connection::open(server.address).await?.post("/auth/signup", account).await?;
    anyhow::ensure!(status == 201, "the sign-up was answered {status}: {answer}");
    let mut rates = Vec::new();
    for _ in 0..measure.runs {
        rates.push(load::log_in(server.address, account, 100, 8).await?);
    }
    report.row("logins per second (Argon2id, 19 MiB, 2 passes, one thread)", Runs::new(rates));

    let quiet = load::refresh(server.address, &mut tokens, PACED, measure.span).await?;
    let mut ratios = Vec::new();
    let mut latencies = Vec::new();
    for _ in 0..measure.runs {
        let before = load::refresh(server.address, &mut tokens, PACED, measure.span).await?;
        let flood = load::log_in(server.address, account, 400, 200);
        let during = load::refresh(server.address, &mut tokens, PACED, measure.span);
        let (flood, during) = futures::join!(flood, during);
        flood?;
        let during = during?;
        latencies.push(during.millis_at(0.99));
        ratios.push(during.millis_at(0.99) / before.millis_at(0.99));
    }
    report.row("p99 of a refresh in ms, quiet (4 connections)", round(quiet.millis_at(0.99)));
    report.row("p99 of a refresh in ms while 200 logins are queued", Runs::new(latencies));
    report.row("the same, ÷ quiet", Runs::new(ratios));
    server.stop().await
}

/// Start-up, size and refreshes with ever more stored sessions.
async fn stored(measure: &Measure, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = Vec::new();
    for count in [1000, 100_000, 1_000_000].into_iter().filter(|count| *count <= measure.sessions) {
        let folder = measure.fresh_folder("stored")?;
        let database = folder.join("relatch.db");
        let mut tokens = filled(&database, count).await?;
        report.row(
            format!("bytes on disk per session, {count} sessions"),
            bytes_per_session(&database, count)?,
        );
        let mut starts = Vec::new();
        for _ in 0..measure.runs {
            let server = Server::relatch(&measure.relatch, &database, &STRICT).await?;
            starts.push(server.start_up.as_secs_f64() * 1000.0);
            server.stop().await?;
        }
        report.row(format!("start-up in ms, {count} sessions"), Runs::new(starts));
        let server = Server::relatch(&measure.relatch, &database, &STRICT).await?;
        let idle = server.memory_mb()?;
        let seen = repeat(measure, &server, &mut tokens, 64).await?;
        rates.push(row(
            report,
            &format!("refreshes per second, {count} stored sessions, 64 connections"),
            &seen,
        ));
        report.row(
            format!("resident memory in MB, {count} sessions, idle, then under load"),
            format!("{} / {}", round(idle), round(server.memory_mb()?)),
        );
        server.stop().await?;
    }
    if let (Some(few), Some(many)) = (rates.first(), rates.last()) {
        report.row("cost of a refresh, most ÷ fewest stored sessions", round(few / many));
    }
    Ok(())
}

/// What the sessions take, with their indexes; and everything together, with users and audit.
fn bytes_per_session(database: &Path, count: usize) -> anyhow::Result<String> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sum = |condition: &str| -> anyhow::Result<f64> {
        let sql = format!("SELECT sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE {condition}");
        Ok(connection.query_row(&sql, [], |row| row.get::<_, f64>(0))?)
    };
    let each = |bytes: f64| round(bytes / count as f64);
    let (sessions, all) = (sum("tbl_name = 'sessions'")?, sum("true")?);
    Ok(format!("{} (with half a user, an address and two events each: {})", each(sessions), each(all)))
}

async fn filled(database: &Path, count: usize) -> anyhow::Result<Vec<String>> {
    let store = SqliteStore::open(database, Options::new([7; 16]))?;
    fill(&store, count, ACTIVE.min(count), SystemClock.now()).await
}

/// A few clients, so that waiting shows and not our own queue.
const PACED: usize = 4;
