//! `cargo xtask gen`: the files that are generated from code.
//!
//! Each is written by the very test that finds it stale: a test whose name starts with `generated_`, which
//! writes instead of comparing when `UPDATE_GENERATED` is set.

use crate::run::{Job, Output};
use crate::tally::Tally;
use anyhow::{Result, ensure};

/// How to go about it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only says whether any of them is stale.
    #[arg(long)]
    check: bool,
}

/// Writes them, or checks them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let output = if options.check { tests(&[])? } else { tests(&[("UPDATE_GENERATED", "1")])? };
    ensure!(
        Tally::of_runner(&output).failed == 0,
        "a generated file is stale or can't be written; see above"
    );
    Ok(())
}

/// The suite that finds stale ones.
pub(crate) fn check() -> Result<Tally> {
    Ok(Tally::of_runner(&tests(&[])?))
}

fn tests(variables: &[(&str, &str)]) -> Result<Output> {
    let job = Job::cargo(&["test", "--package", "relatch-server", "--lib", "generated_"]).minutes(15);
    variables.iter().fold(job, |job, (name, value)| job.with(name, value)).run()
}
