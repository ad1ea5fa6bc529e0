//! `cargo xtask kill`, `cargo xtask mail` and `cargo xtask leaks`: drills against the release binary.

use crate::run::{Job, Output};
use crate::setup;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};

/// What a drill is told, behind its name.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Flags of the drill, such as `--cycles 1000` or `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Kills the server under load, then checks what its clients saw.
pub(crate) fn kill(options: &Options) -> Result<()> {
    by_hand("kill", options)
}

/// Kills the server between events and their messages, and counts what arrives.
pub(crate) fn mail(options: &Options) -> Result<()> {
    by_hand("mail", options)
}

/// Looks for every secret where none may be.
pub(crate) fn leaks(options: &Options) -> Result<()> {
    by_hand("leaks", options)
}

/// Short runs of the first two, as a suite.
pub(crate) fn kill_suite() -> Result<Tally> {
    let cycles = ["--cycles".to_owned(), SUITE_CYCLES.to_string()];
    let mut tally = Tally::of_runner(&run("kill", &cycles)?);
    tally += Tally::of_runner(&run("mail", &cycles)?);
    Ok(tally)
}

/// The second, as a suite.
pub(crate) fn leaks_suite() -> Result<Tally> {
    Ok(Tally::of_runner(&run("leaks", &[])?))
}

fn by_hand(drill: &str, options: &Options) -> Result<()> {
    ensure!(run(drill, &options.flags)?.success, "the drill failed; see above");
    Ok(())
}

fn run(drill: &str, flags: &[String]) -> Result<Output> {
    let built = Job::cargo(&["build", "--release", "--package", "relatch-server"]).minutes(30).run()?;
    ensure!(built.success, "the server can't be built");
    let mut arguments = vec!["run", "--quiet", "--package", "relatch-drills", "--", drill];
    arguments.extend(["--server", "target/release/relatch", "--folder", "build/drills"]);
    let python = setup::python()?;
    let python = python.to_str().context("the path of this folder is not UTF-8")?;
    if drill == "mail" {
        arguments.extend(["--python", python, "--sink", "tests/smtp/sink.py"]);
    }
    arguments.extend(flags.iter().map(String::as_str));
    Job::cargo(&arguments).minutes(MINUTES_MAX).run()
}

/// About ten seconds of kills.
const SUITE_CYCLES: usize = 20;
/// Ten thousand kills take about an hour and a half.
const MINUTES_MAX: u64 = 120;
