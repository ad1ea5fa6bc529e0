//! The command line.
#![expect(clippy::print_stdout, reason = "talking to people is what this program is for")]

use crate::compare::{CompareOptions, ROWS, compare, report};
use crate::plant::Plant;
use crate::shell;
use crate::signer::{self, PlainSigner};
use crate::soak::{self, SoakOptions, Totals};
use crate::store::StoreKind;
use crate::{clock, dice, seeds};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use relatch_server::environment::Stopwatch;
use relatch_server::tokens::AccessSigner;
use relatch_token::Timestamp;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The session server under a seeded clock, network and store that fail on purpose.
///
/// What runs is the real shell, rule and store; time, network, people and thieves are simulated. One seed has one
/// history: what fails once fails again. Build with `--release`: it is some ten times faster.
#[derive(Parser)]
#[command(bin_name = "cargo run --release -p relatch-sim --")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays the scenario table of the design under our rule, strict rotation and same-successor-in-a-window.
    ///
    /// Prints what was observed, side by side. Fails where our rule misses a row.
    Compare {
        /// Seeds of each row that is about chance. 2,000 take about half a minute on two cores with `--release`.
        #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        #[command(flatten)]
        signatures: Signatures,
    },
    /// Plays random mixtures of actors and faults, and checks each history against what is promised.
    ///
    /// Prints every broken promise with its seed, and in the end how sessions ended and which faults struck.
    Soak {
        /// How many seeds to play.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Stop after so many seconds, however many seeds are left.
        #[arg(long)]
        seconds: Option<u64>,
        #[command(flatten)]
        setting: Setting,
    },
    /// Tells the history of one seed of `soak`, line by line, and what the checker says of it.
    Replay {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Tell only what has this text in it, such as `device 2` or `#17`.
        #[arg(long)]
        only: Option<String>,
        #[command(flatten)]
        setting: Setting,
    },
}

#[derive(Args)]
struct Setting {
    /// The store.
    #[arg(long, value_enum, default_value_t = StoreKind::Memory)]
    store: StoreKind,
    /// Plant a bug on purpose and see the checker find it.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    #[command(flatten)]
    signatures: Signatures,
}

#[derive(Args)]
struct Signatures {
    /// Sign access tokens for real (ES256). Signatures are not what is simulated; this only makes it slower.
    #[arg(long)]
    real_signatures: bool,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Compare { seeds, signatures } => run_compare(seeds, &signatures),
        Command::Soak { seeds, from, seconds, setting } => {
            run_soak(from..from.saturating_add(seeds), seconds, &setting)
        }
        Command::Replay { seed, only, setting } => run_replay(seed, only.as_deref(), &setting),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_compare(seeds: u64, signatures: &Signatures) -> Result<bool> {
    let watch = Stopwatch::start();
    let options = CompareOptions { seeds, signer: signatures.signer()? };
    let mut done = 0;
    let compared = compare(&options, |_| {
        done += 1;
        progress(&format!("{done} of {} rows, {} s", ROWS.len(), watch.elapsed().as_secs()));
    })?;
    let (table, ours) = report(&compared);
    println!("\n{table}");
    println!("{seeds} seeds, {} s", watch.elapsed().as_secs());
    println!("our rule {}", if ours { "meets every row" } else { "MISSES A ROW" });
    Ok(ours)
}

fn run_soak(range: std::ops::Range<u64>, seconds: Option<u64>, setting: &Setting) -> Result<bool> {
    let watch = Stopwatch::start();
    let options = setting.options()?;
    let totals = Mutex::new(Totals::default());
    let (done, of) = (AtomicU64::new(0), range.end - range.start);
    let goes_on = || seconds.is_none_or(|most| watch.elapsed().as_secs() < most);
    let broken = seeds::play(range, goes_on, |seed| {
        let played = soak::play(seed, &options)?;
        let judgement = soak::judge(&played.history, &played.cast);
        totals.lock().unwrap_or_else(PoisonError::into_inner).add(&played, &judgement);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(PROGRESS_EVERY) {
            progress(&format!("{done} of {of} seeds, {} s", watch.elapsed().as_secs()));
        }
        Ok(judgement.violations)
    })?;
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{totals}");
    let broken: Vec<_> = broken.into_iter().filter(|(_, violations)| !violations.is_empty()).collect();
    for (seed, violations) in broken.iter().take(SHOWN_MAX) {
        for (at, what) in violations.iter().take(SHOWN_MAX) {
            println!("seed {seed}, +{:.3} s: {what}", *at as f64 / 1000.0);
        }
    }
    if let Some((seed, _)) = broken.first() {
        println!("see the whole story: {}", setting.replay_line(*seed));
    }
    println!("{} seeds kept every promise, {} broke one", totals.seeds - broken.len() as u64, broken.len());
    Ok(broken.is_empty())
}

fn run_replay(seed: u64, only: Option<&str>, setting: &Setting) -> Result<bool> {
    let played = soak::play(seed, &setting.options()?)?;
    println!("{:#?}", played.cast);
    for line in played.history.lines() {
        if only.is_none_or(|only| line.contains(only)) {
            println!("{line}");
        }
    }
    let judgement = soak::judge(&played.history, &played.cast);
    println!("sessions: {:?}", judgement.fates);
    for (at, what) in &judgement.violations {
        println!("BROKEN at +{:.3} s: {what}", *at as f64 / 1000.0);
    }
    println!("{} promises broken", judgement.violations.len());
    Ok(judgement.violations.is_empty())
}

impl Setting {
    fn options(&self) -> Result<SoakOptions> {
        Ok(SoakOptions { store: self.store, plant: self.plant, signer: self.signatures.signer()? })
    }

    fn replay_line(&self, seed: u64) -> String {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        use clap::ValueEnum;
        let store = name(&|| self.store.to_possible_value());
        let mut line = format!("cargo run --release -p relatch-sim -- replay --seed {seed} --store {store}");
        if let Some(plant) = self.plant {
            line += &format!(" --plant {}", name(&|| plant.to_possible_value()));
        }
        line
    }
}

impl Signatures {
    fn signer(&self) -> Result<Arc<dyn AccessSigner>> {
        if !self.real_signatures {
            return Ok(Arc::new(PlainSigner));
        }
        let entropy = Arc::new(dice::Dice::new(0, dice::Room::Entropy));
        signer::real(shell::ring()?, entropy, Timestamp::from_millis(clock::BEGIN))
    }
}

/// Overwrites one line, where somebody is there to see it.
fn progress(line: &str) {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        // A terminal that can't be written to has nobody before it.
        let _ = write!(out, "\r{line}   ").and_then(|()| out.flush());
    }
}

const PROGRESS_EVERY: u64 = 20;
const SHOWN_MAX: usize = 10;
