//! The chores of the workspace: `cargo xtask --help`.
#![expect(
    clippy::disallowed_methods,
    reason = "chores measure real time; nothing here decides a session's fate"
)]
#![expect(clippy::print_stdout, reason = "talking to people is what this program is for")]

mod bench;
mod browser;
mod check;
mod client;
mod drills;
mod examples;
mod fuzz;
mod generate;
mod mutants;
mod react_app;
mod run;
mod schemathesis;
mod server;
mod setup;
mod simulator;
mod tally;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The chores of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Chores {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs every suite of tests and ends with a plain count.
    Test(test::Options),
    /// Checks format, lints, documentation and dependencies; run it before sending a change.
    Check,
    /// Writes the files that are generated from code.
    Gen(generate::Options),
    /// Breaks the refresh rule in small ways and sees that a test notices each.
    Mutants(mutants::Options),
    /// Runs the fuzz targets, five minutes each.
    Fuzz(fuzz::Options),
    /// Kills the release server under load, 200 times or `--cycles N`, then checks what its clients saw.
    Kill(drills::Options),
    /// Kills the release server between events and their messages, 200 times or `--cycles N`: none may be lost.
    Mail(drills::Options),
    /// Runs every route of the release server, then looks for every secret where none may be.
    Leaks(drills::Options),
    /// Measures the release server beside the obvious alternative.
    Bench(bench::Options),
    /// Installs what the suites need: Debian packages where it may, the rest into `build/`.
    Setup,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    std::env::set_current_dir(run::root())?;
    run::end_children_when_interrupted()?;
    match Chores::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Check => test::run(&test::Options::of(&check::SUITES)),
        Chore::Gen(options) => generate::run(&options),
        Chore::Mutants(options) => mutants::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Kill(options) => drills::kill(&options),
        Chore::Mail(options) => drills::mail(&options),
        Chore::Leaks(options) => drills::leaks(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Setup => setup::run(),
    }
}
