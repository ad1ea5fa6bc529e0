//! `cargo xtask bench`: the release server and the alternative, measured in one run.

use crate::run::Job;
use anyhow::{Result, ensure};

/// What the benchmark is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Flags of the benchmark, such as `--runs 3`, `--seconds 1` or `--sessions 100000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Measures everything, and prints the table in Markdown.
pub(crate) fn run(options: &Options) -> Result<()> {
    let build = ["build", "--release", "--package", "relatch-server", "--package", "relatch-bench"];
    ensure!(Job::cargo(&build).minutes(30).run()?.success, "the release build failed");
    let mut arguments = vec!["run", "--release", "--quiet", "--package", "relatch-bench", "--", "all"];
    arguments.extend(["--relatch", "target/release/relatch", "--folder", "build/bench"]);
    arguments.extend(options.flags.iter().map(String::as_str));
    ensure!(Job::cargo(&arguments).minutes(MINUTES_MAX).run()?.success, "the benchmark failed; see above");
    Ok(())
}

/// Filling a store with a million sessions takes a few of them.
const MINUTES_MAX: u64 = 60;
