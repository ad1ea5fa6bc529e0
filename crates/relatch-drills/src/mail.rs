//! `mail`: the server is killed between events and their messages, again and again; every message arrives.
//!
//! People sign up and ask for new passwords while the server lives for a moment only. In the end the audit says
//! what should have been mailed, and the mail server what was.

use crate::dice::Dice;
use crate::server::Place;
use crate::wire::{Answer, Ask, Transport, Unanswered, client};
use crate::{Finding, report};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How the drill goes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    server: PathBuf,
    /// Where the run gets a folder of its own; it stays where a promise was broken.
    #[arg(long)]
    folder: PathBuf,
    /// The Python that has `aiosmtpd`.
    #[arg(long)]
    python: PathBuf,
    /// The mail server's program.
    #[arg(long)]
    sink: PathBuf,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    cycles: usize,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the drill, prints what came of it, and says whether all promises were kept.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let begun = Instant::now();
    std::fs::create_dir_all(&options.folder)?;
    let mut folder = tempfile::Builder::new().prefix("mail-").tempdir_in(&options.folder)?;
    println!("{} kills, seed {}, in {}", options.cycles, options.seed, folder.path().display());
    let sink = MailServer::start(options).await?;
    let port = sink.port.to_string();
    let place = Place::new(
        &options.server,
        folder.path(),
        [7; 32],
        &[
            ("MAIL__SMTP__HOST", "localhost"),
            ("MAIL__SMTP__PORT", &port),
            ("MAIL__SMTP__SECURITY", "none"),
            ("MAIL__SMTP__TIMEOUT_SECONDS", "1"),
            ("LIMITS__MAILS_PER_ACCOUNT_MAX", "1000"),
            ("TELEMETRY__LOG_FILTER", "warn"),
        ],
    )?;
    let api_key = place.make_api_key().await?;
    kill_amid_mail(&place, &sink, options).await?;

    let mut server = place.start()?;
    server.ready(&place.url).await?;
    let emptied = until_empty(&place.url).await?;
    let due = Due::read(&place.url, &api_key).await?;
    server.kill().await?;
    let took = sink.took();
    print_totals(options.cycles, &due, &took, begun.elapsed());

    let mut findings = compare(&due, &took);
    let left = (!emptied).then(|| "messages still wait".to_owned()).into_iter().collect();
    findings.push(Finding { promise: "the queue empties by itself after the last kill", violations: left });
    let panics = place.log()?.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect();
    findings.push(Finding { promise: "the server never panics", violations: panics });
    let is_kept = report(&findings);
    if !is_kept {
        folder.disable_cleanup(true);
        println!("the database and the log are in {}", place.folder.display());
    }
    Ok(is_kept)
}

/// Each cycle: start, ask for mail, be killed at some moment of it.
async fn kill_amid_mail(place: &Place, sink: &MailServer, options: &Options) -> Result<()> {
    let mut dice = Dice::new(options.seed, 0);
    for cycle in 0..options.cycles {
        sink.cycle.store(cycle, Ordering::SeqCst);
        let mut server = place.start()?;
        server.ready(&place.url).await?;
        // Connections of their own: one that is kept would go to a server that is gone.
        let client = client()?;
        let mut asking = JoinSet::new();
        for no in 0..AT_ONCE {
            let (client, url) = (client.clone(), place.url.clone());
            let ask = match dice.below(3) {
                0 if cycle > 0 => forgot(&address(dice.below(cycle), no)),
                _ => Ask::signup(&address(cycle, no), "correct horse battery", Transport::Body),
            };
            asking.spawn(async move { ask.send(&client, &url).await });
        }
        tokio::time::sleep(dice.millis(1, LONGEST_LIFE_MILLIS)).await;
        server.kill().await?;
        while let Some(ended) = asking.join_next().await {
            check_answer(ended?)?;
        }
    }
    Ok(())
}

/// Whatever is asked, an answer is a good one or none at all.
fn check_answer(answer: Result<Answer, Unanswered>) -> Result<()> {
    let Ok(answer) = answer else { return Ok(()) };
    let is_expected = [201, 202, 409, 503].contains(&answer.status);
    ensure!(is_expected, "an answer of {}: {}", answer.status, answer.body);
    Ok(())
}

fn address(cycle: usize, no: usize) -> String {
    format!("person{cycle}-{no}@example.com")
}

fn forgot(email: &str) -> Ask {
    Ask::post("/auth/password/forgot").json(&json!({"email": email}))
}

/// What the audit says should have been mailed: how many messages of each kind to each address.
struct Due(BTreeMap<(String, Kind), usize>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Verify,
    Reset,
}

impl Due {
    async fn read(url: &str, api_key: &str) -> Result<Self> {
        let users = pages(url, api_key, "/admin/users", "users").await?;
        let addresses: BTreeMap<&str, &str> =
            users.iter().filter_map(|user| Some((user["id"].as_str()?, user["email"].as_str()?))).collect();
        let mut due = BTreeMap::new();
        for event in pages(url, api_key, "/admin/events", "events").await? {
            let kind = match event["type"].as_str() {
                Some("signed_up") => Kind::Verify,
                Some("password_reset_requested") => Kind::Reset,
                _ => continue,
            };
            let user = event["user_id"].as_str().context("an event of nobody")?;
            let address = *addresses.get(user).context("an event of a stranger")?;
            *due.entry((address.to_owned(), kind)).or_default() += 1;
        }
        Ok(Self(due))
    }

    fn count(&self, of: Kind) -> usize {
        self.0.iter().filter(|((_, kind), _)| *kind == of).map(|(_, count)| count).sum()
    }
}

async fn pages(url: &str, api_key: &str, path: &str, name: &str) -> Result<Vec<Value>> {
    let client = client()?;
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let ask = Ask::get(format!("{path}?limit=100{cursor}")).bearer(api_key);
        let answer =
            ask.send(&client, url).await.ok().with_context(|| format!("no answer of {path}"))?.json();
        all.extend(answer[name].as_array().with_context(|| format!("no {name}: {answer}"))?.iter().cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// One message that the mail server took.
struct Taken {
    id: String,
    to: String,
    kind: Option<Kind>,
    /// The life of the server in which it came.
    cycle: usize,
}

fn compare(due: &Due, took: &[Taken]) -> Vec<Finding> {
    let mut came: BTreeMap<(String, Kind), BTreeSet<&str>> = BTreeMap::new();
    for one in took {
        if let Some(kind) = one.kind {
            came.entry((one.to.clone(), kind)).or_default().insert(&one.id);
        }
    }
    let count = |key| came.get(key).map_or(0, BTreeSet::len);
    let lost = due.0.iter().filter(|(key, due)| count(key) < **due);
    let lost = lost.map(|(key, due)| format!("{key:?}: {} of {due} came", count(key))).collect();
    let extra = came.iter().filter(|(key, ids)| ids.len() > due.0.get(*key).copied().unwrap_or(0));
    let extra = extra.map(|(key, ids)| format!("{key:?}: {ids:?}")).collect();
    let odd = took.iter().filter(|one| one.kind.is_none() || one.id.len() < 32);
    let odd = odd.map(|one| format!("{} to {}", one.id, one.to)).collect();
    vec![
        Finding { promise: "every message that an event calls for arrives", violations: lost },
        Finding { promise: "a second copy has the id of the first", violations: extra },
        Finding { promise: "nothing else is mailed", violations: odd },
    ]
}

/// Waits until nothing waits any more; `false` where that takes too long.
async fn until_empty(url: &str) -> Result<bool> {
    let (client, begun) = (client()?, Instant::now());
    while begun.elapsed() < EMPTY_MAX {
        if let Ok(answer) = Ask::get("/metrics").send(&client, url).await
            && answer.body.lines().any(|line| line == r#"relatch_outbox_waiting{channel="mail"} 0"#)
        {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

/// The mail server, which outlives every kill.
struct MailServer {
    port: u64,
    took: Arc<Mutex<Vec<Taken>>>,
    cycle: Arc<AtomicUsize>,
    _child: Child,
}

impl MailServer {
    async fn start(options: &Options) -> Result<Self> {
        let mut command = Command::new(&options.python);
        // A moment between taking and saying so, in which the server may be killed.
        command.arg(&options.sink).args(["--pause", "0.02"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("{} can't be run", options.python.display()))?;
        let output = child.stdout.take().context("the mail server has no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next_line().await?.context("the mail server ended; run `cargo xtask setup`")?;
        let port = serde_json::from_str::<Value>(&first)?["port"].as_u64().context("no port")?;
        let took = Arc::new(Mutex::new(Vec::new()));
        let cycle = Arc::new(AtomicUsize::new(0));
        let (list, now) = (Arc::clone(&took), Arc::clone(&cycle));
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let taken = read(&line, now.load(Ordering::SeqCst));
                list.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
            }
        });
        Ok(Self { port, took, cycle, _child: child })
    }

    fn took(&self) -> Vec<Taken> {
        std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(line: &str, cycle: usize) -> Taken {
    let message: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = text(&message["text"]);
    let kind = [("/verify#rll_", Kind::Verify), ("/reset#rll_", Kind::Reset)];
    let kind = kind.into_iter().find(|(link, _)| body.contains(link)).map(|(_, kind)| kind);
    Taken { id: text(&message["id"]), to: text(&message["to"][0]), kind, cycle }
}

fn print_totals(cycles: usize, due: &Due, took: &[Taken], lasted: Duration) {
    let ids: BTreeSet<&str> = took.iter().map(|one| one.id.as_str()).collect();
    // In which life of the server each was first written to about their address.
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for one in took.iter().filter(|one| one.kind == Some(Kind::Verify)) {
        first.entry(&one.to).and_modify(|cycle| *cycle = one.cycle.min(*cycle)).or_insert(one.cycle);
    }
    let late = first.iter().filter(|(to, cycle)| {
        let begun = to.strip_prefix("person").and_then(|rest| rest.split('-').next()?.parse().ok());
        begun.is_some_and(|begun: usize| begun < **cycle)
    });
    println!(
        "{cycles} kills in {:.0} s; {} sign-ups and {} forgotten passwords called for mail; {} messages came, \
         {} of them second copies; {} sign-ups were written to only after a kill",
        lasted.as_secs_f32(),
        due.count(Kind::Verify),
        due.count(Kind::Reset),
        took.len(),
        took.len() - ids.len(),
        late.count(),
    );
}

/// Requests in one life of the server.
const AT_ONCE: usize = 4;
/// Some are killed before a request got through, most amid mail.
const LONGEST_LIFE_MILLIS: u64 = 60;
/// A lease of six seconds, and pauses of up to some ten between attempts that were cut off.
const EMPTY_MAX: Duration = Duration::from_secs(40);
