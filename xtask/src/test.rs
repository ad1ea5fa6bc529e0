//! `cargo xtask test`: every suite in turn, and a plain count at the end.

use crate::run::{Job, succeeds};
use crate::tally::Tally;
use crate::{
    browser, check, client, drills, examples, fuzz, generate, mutants, react_app, schemathesis, setup,
    simulator,
};
use anyhow::{Result, bail};
use std::time::Instant;

/// A suite: its name, and what runs it. `Err` is a suite that could not run, and counts as one failure.
pub(crate) type Suite = (&'static str, fn() -> Result<Tally>);

/// Every suite there is, the quickest to fail first. A new one is one line here and one file beside this.
const SUITES: &[Suite] = &[
    ("setup", setup::suite),
    ("format", check::format),
    ("lints", check::lints),
    ("tests", tests),
    ("doctests", doctests),
    ("mutants", mutants::suite),
    ("simulator", simulator::suite),
    ("client", client::suite),
    ("browser", browser::suite),
    ("examples", examples::suite),
    ("react-app", react_app::suite),
    ("schemathesis", schemathesis::suite),
    ("kill", drills::kill_suite),
    ("leaks", drills::leaks_suite),
    ("generated", generate::check),
    ("docs", check::docs),
    ("dependencies", check::dependencies),
    ("fuzz", fuzz::suite),
];

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The suites to run; all of them when none is named.
    suites: Vec<String>,
    /// Only lists the suites.
    #[arg(long)]
    list: bool,
}

impl Options {
    /// To run just these.
    pub(crate) fn of(suites: &[&str]) -> Self {
        Self { suites: suites.iter().map(|name| (*name).to_owned()).collect(), list: false }
    }
}

/// Runs the suites. One that fails stops none of the others, but the program fails in the end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let suites = chosen(&options.suites)?;
    if options.list {
        suites.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let begun = Instant::now();
    let mut total = Tally::default();
    let mut failed = Vec::new();
    for (i, (name, suite)) in suites.iter().enumerate() {
        println!("\n[{}/{}] {name} ({} s so far)", i + 1, suites.len(), begun.elapsed().as_secs());
        let started = Instant::now();
        let tally = suite().unwrap_or_else(|error| {
            println!("{error:#}");
            Tally::one(false)
        });
        let seconds = started.elapsed().as_secs_f32();
        println!(
            "[{}/{}] {name}: {} passed, {} failed in {seconds:.1} s",
            i + 1,
            suites.len(),
            tally.passed,
            tally.failed
        );
        total += tally;
        if tally.failed > 0 {
            failed.push(*name);
        }
    }
    println!("\n{} suites in {} s", suites.len(), begun.elapsed().as_secs());
    if !failed.is_empty() {
        println!("failed: {}; run one alone with `cargo xtask test NAME`", failed.join(", "));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if !failed.is_empty() {
        std::process::exit(1);
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(SUITES.iter().collect());
    }
    let find = |name: &String| SUITES.iter().find(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        let known: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
        bail!("there is no suite `{unknown}`; there are {}", known.join(", "));
    }
    Ok(names.iter().filter_map(find).collect())
}

/// Unit and integration tests of every crate, by nextest where it is installed.
fn tests() -> Result<Tally> {
    let job = if succeeds("cargo", &["nextest", "--version"]) {
        Job::cargo(&[
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--status-level",
            "slow",
            "--final-status-level",
            "fail",
        ])
    } else {
        Job::cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])
    };
    Ok(Tally::of_runner(&job.with("INSTA_UPDATE", "no").minutes(25).run()?))
}

/// The examples in the documentation of every crate, which nextest does not run.
fn doctests() -> Result<Tally> {
    Ok(Tally::of_runner(&Job::cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]).minutes(15).run()?))
}
