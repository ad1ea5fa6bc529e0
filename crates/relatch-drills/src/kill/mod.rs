//! `kill`: the server is killed under load again and again, and its clients' histories are checked.

mod actors;
mod check;
mod history;
mod world;

use crate::dice::Dice;
use crate::server::{Place, Running};
use crate::wire::Transport;
use crate::{Finding, report};
use actors::Habit;
use anyhow::{Context, Result};
use history::{Asked, Heard, History, Micros, Party};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};
use world::World;

/// How the drill goes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    server: PathBuf,
    /// Where the run gets a folder of its own; it stays where a promise was broken.
    #[arg(long)]
    folder: PathBuf,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    cycles: usize,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sessions that live through all of it.
    #[arg(long, default_value_t = 48)]
    sessions: usize,
    /// The reuse window, in seconds.
    #[arg(long, default_value_t = 1)]
    window: u64,
}

/// What the kills came to.
#[derive(Default)]
struct Kills {
    done: usize,
    /// Of them, before the server had said that it is ready.
    at_start: usize,
    slowest_start: Duration,
}

/// Runs the drill, prints what came of it, and says whether all promises were kept.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let begun = Instant::now();
    std::fs::create_dir_all(&options.folder)?;
    let mut folder = tempfile::Builder::new().prefix("kill-").tempdir_in(&options.folder)?;
    println!("{} kills, seed {}, in {}", options.cycles, options.seed, folder.path().display());
    let window = options.window.to_string();
    let place = Place::new(
        &options.server,
        folder.path(),
        [7; 32],
        &[
            ("SESSIONS__REUSE_WINDOW_COOKIE_SECONDS", &window),
            ("SESSIONS__REUSE_WINDOW_BODY_SECONDS", &window),
            ("LIMITS__REFRESHES_PER_SESSION_MAX", "1000000"),
            ("TELEMETRY__LOG_FILTER", "warn"),
        ],
    )?;
    let api_key = place.make_api_key().await?;
    let mut server = place.start()?;
    server.ready(&place.url).await?;

    let world = Arc::new(World::new(&place.url, &api_key, Duration::from_secs(options.window))?);
    let cast = Cast::enter(&world, options).await?;
    let (server, kills) = kill_and_restart(&place, &world, server, options).await?;
    world.end();
    let (last_round, thefts) = cast.leave(&world).await?;
    let healed = healed(&world).await?;
    server.kill().await?;

    let history = world.history();
    let mut findings = check::check(&history.calls, micros(world.window), Some(last_round));
    let panics = place.log()?.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect();
    findings.push(Finding { promise: "the server never panics", violations: panics });
    let too_few = (thefts == 0).then(|| "no theft was found out, although there were thieves".to_owned());
    findings.push(Finding { promise: "thieves are found out", violations: too_few.into_iter().collect() });
    print_totals(&history, &kills, thefts, healed, begun.elapsed());
    let is_kept = report(&findings);
    if !is_kept {
        folder.disable_cleanup(true);
        println!("the database and the log are in {}", place.folder.display());
    }
    Ok(is_kept)
}

/// Everybody who takes part.
struct Cast {
    owners: JoinSet<Result<crate::wire::Grant>>,
    others: JoinSet<Result<usize>>,
}

impl Cast {
    /// Signs everybody up and lets them begin.
    async fn enter(world: &Arc<World>, options: &Options) -> Result<Self> {
        let dice = |actor: usize| Dice::new(options.seed, 1 + actor as u64);
        let mut cast = Self { owners: JoinSet::new(), others: JoinSet::new() };
        let mut held = Vec::new();
        for no in 0..options.sessions {
            let transport = if no % 2 == 0 { Transport::Cookie } else { Transport::Body };
            // Four sessions of one person, so that the end of another session of theirs must not touch them.
            let (_, grant) = match no % 4 {
                0 => world.sign_up(no / 4, transport).await?,
                _ => {
                    let user = world::User { no: no / 4, password: 0 };
                    (user, world.log_in(user, transport).await?.context("a login was refused")?)
                }
            };
            held.push(grant);
        }
        for (no, grant) in held.iter().cloned().enumerate() {
            let habit = HABITS[no / 2 % HABITS.len()];
            let (world, dice) = (Arc::clone(world), dice(no));
            cast.owners.spawn(async move { actors::stay(&world, dice, habit, grant).await });
        }
        for no in 0..THIEVES {
            let user = world::User { no: no % options.sessions.div_ceil(4), password: 0 };
            let (world, dice) = (Arc::clone(world), dice(1000 + no));
            cast.others.spawn(async move { actors::steal(&world, dice, user).await });
        }
        for no in 0..COMERS_AND_GOERS {
            let (user, first) = world.sign_up(10_000 + no, Transport::Body).await?;
            let (world, dice) = (Arc::clone(world), dice(2000 + no));
            let come_and_go = async move { actors::come_and_go(&world, dice, user, first).await.map(|()| 0) };
            cast.others.spawn(come_and_go);
        }
        let (world, dice) = (Arc::clone(world), dice(3000));
        cast.others.spawn(async move { actors::dig_and_forge(&world, dice, &held).await.map(|()| 0) });
        Ok(cast)
    }

    /// Waits for everybody to end, then lets every owner come back once more. Answers when that began, and how
    /// many thefts came out.
    async fn leave(mut self, world: &World) -> Result<(Micros, usize)> {
        let mut thefts = 0;
        while let Some(ended) = self.others.join_next().await {
            thefts += joined(ended)?;
        }
        let mut held = Vec::new();
        while let Some(ended) = self.owners.join_next().await {
            held.push(joined(ended)?);
        }
        tokio::time::sleep(world.window).await;
        let last_round = world.now();
        for grant in held {
            world.surely_refresh(Party::Owner, &grant).await?;
        }
        Ok((last_round, thefts))
    }
}

async fn kill_and_restart(
    place: &Place,
    world: &World,
    mut server: Running,
    options: &Options,
) -> Result<(Running, Kills)> {
    let mut dice = Dice::new(options.seed, 0);
    let mut kills = Kills::default();
    while kills.done < options.cycles {
        // Mostly under load, sometimes while it is still starting.
        let is_at_start = kills.done > 0 && dice.once_in(8);
        if is_at_start {
            tokio::time::sleep(dice.millis(0, 40)).await;
            kills.at_start += 1;
        } else {
            kills.slowest_start = kills.slowest_start.max(server.ready(&place.url).await?);
            tokio::time::sleep(dice.millis(50, 400)).await;
        }
        server.kill().await?;
        server = place.start()?;
        kills.done += 1;
        if kills.done % PROGRESS_EVERY == 0 {
            let history = world.history();
            let broken: usize = check::check(&history.calls, micros(world.window), None)
                .iter()
                .map(|finding| finding.violations.len())
                .sum();
            println!("{} kills, {} requests, {broken} violations", kills.done, history.calls.len());
        }
    }
    kills.slowest_start = kills.slowest_start.max(server.ready(&place.url).await?);
    Ok((server, kills))
}

/// How many sessions were healed of lost writes, by the server's own account.
async fn healed(world: &World) -> Result<usize> {
    let client = crate::wire::client()?;
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let ask = crate::wire::Ask::get(format!("/admin/events?limit=200{cursor}")).bearer(&world.api_key);
        let answer = ask.send(&client, &world.url).await.ok().context("the events can't be read")?.json();
        let events = answer["events"].as_array().context("an answer without events")?;
        count += events.iter().filter(|event| event["type"] == "session_healed").count();
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(count),
        }
    }
}

fn print_totals(history: &History, kills: &Kills, thefts: usize, healed: usize, took: Duration) {
    let calls = &history.calls;
    let count = |of: &dyn Fn(&history::Call) -> bool| calls.iter().filter(|call| of(call)).count();
    let is_refresh = |call: &history::Call| matches!(call.asked, Asked::Refresh { .. });
    println!(
        "{} kills in {:.0} s ({} of them before the server was ready); slowest start {} ms",
        kills.done,
        took.as_secs_f32(),
        kills.at_start,
        kills.slowest_start.as_millis()
    );
    println!(
        "{} requests, {} of them without an answer, {} put off; {} refreshes served",
        calls.len(),
        count(&|call| call.heard == Heard::Nothing),
        count(&|call| call.heard == Heard::Later),
        count(&|call| is_refresh(call) && call.is_served()),
    );
    println!(
        "{} acknowledged ends, {} ends of unknown outcome; {} tries of what had ended; {thefts} thefts found \
         out; {healed} sessions healed",
        count(&|call| call.is_end() && call.is_acknowledged()),
        count(&|call| call.is_end() && call.heard == Heard::Nothing),
        count(&|call| call.party == Party::Prober),
    );
}

fn joined<T>(ended: Result<Result<T>, JoinError>) -> Result<T> {
    ended.context("an actor panicked")?
}

fn micros(span: Duration) -> Micros {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

const HABITS: [Habit; 4] = [
    Habit { tabs: 1, is_hasty: false },
    Habit { tabs: 2, is_hasty: false },
    Habit { tabs: 1, is_hasty: true },
    Habit { tabs: 3, is_hasty: false },
];
const THIEVES: usize = 4;
const COMERS_AND_GOERS: usize = 10;
const PROGRESS_EVERY: usize = 20;
