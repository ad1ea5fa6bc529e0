//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/`, each for a while.
//!
//! They are laid out for `cargo fuzz`, and built here as `cargo fuzz --sanitizer none` builds them, which the
//! stable toolchain can do without it. There is no `unsafe` code of ours for a sanitizer to watch.

use crate::run::{Job, Output, root};
use crate::tally::Tally;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The targets to run; all of them when none is named.
    targets: Vec<String>,
    /// How long each of them runs.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

/// Runs the targets, and fails where one finds something.
pub(crate) fn run(options: &Options) -> Result<()> {
    let known = targets()?;
    let chosen = if options.targets.is_empty() { known.clone() } else { options.targets.clone() };
    if let Some(unknown) = chosen.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", known.join(", "));
    }
    let tally = fuzz(&chosen, options.seconds)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    ensure!(tally.failed == 0, "a fuzz target found something; it is named above");
    Ok(())
}

/// A short run of every target.
pub(crate) fn suite() -> Result<Tally> {
    fuzz(&targets()?, SUITE_SECONDS)
}

fn fuzz(targets: &[String], seconds: u64) -> Result<Tally> {
    let triple = host_triple()?;
    let build = ["build", "--release", "--bins", "--target", &triple];
    let built = Job::cargo(&build)
        .within(&root().join("fuzz"))
        .with("CARGO_TARGET_DIR", &path(BUILT))
        .with("RUSTFLAGS", &COVERAGE.join(" "))
        .minutes(30)
        .run()?;
    ensure!(built.success, "the fuzz targets can't be built");
    let mut tally = Tally::default();
    for target in targets {
        let program = format!("{}/{triple}/release/{target}", path(BUILT));
        tally += Tally::one(is_clean(target, &program, seconds)?);
    }
    Ok(tally)
}

/// Runs one target from what is committed and what earlier runs came across.
fn is_clean(target: &str, program: &str, seconds: u64) -> Result<bool> {
    let (found, artifacts) = (path(&format!("{FOUND}/{target}")), path(ARTIFACTS));
    let seeds = path(&format!("fuzz/corpus/{target}"));
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("{folder} can't be made"))?;
    }
    let arguments = [
        format!("-max_total_time={seconds}"),
        format!("-timeout={ONE_INPUT_SECONDS}"),
        format!("-artifact_prefix={artifacts}/{target}-"),
        "-print_final_stats=1".to_owned(),
        found,
        seeds,
    ];
    let output = Job::new(program, &arguments).minutes(seconds.div_ceil(60) + 2).quietly().run()?;
    // What ends early, whatever it says, has not been fuzzed.
    let clean = output.success && closing_line(&output).is_some();
    match closing_line(&output).filter(|_| clean) {
        Some(line) => println!("{target}: clean after {seconds} s, {line}"),
        None => {
            let lines: Vec<&str> = output.text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"));
            println!("{target}: FAILED; `{program} FILE` repeats it with the file that is named above");
        }
    }
    Ok(clean)
}

/// The fuzzer's summary: executions, edges that they took, how many a second.
fn closing_line(output: &Output) -> Option<String> {
    let done = output.text.lines().find(|line| line.contains("\tDONE "))?;
    let words: Vec<&str> = done.split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1).copied()
    };
    let executions = words.first()?.trim_start_matches('#');
    let rate = output.text.lines().find_map(|line| line.strip_prefix("stat::average_exec_per_sec:"))?.trim();
    Some(format!("{executions} executions, {rate}/s, {} edges", after("cov:")?))
}

/// The names of the files that hold the targets, in order.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
        names.extend(
            Path::new(&entry?.file_name()).file_stem().map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// The machine's own target, said to cargo so that build scripts and macros are built without counters.
fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc can't be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_owned).context("rustc does not name its host")
}

fn path(within: &str) -> String {
    root().join(within).display().to_string()
}

/// Within the test command: to see that the targets still run, and find what is near the surface.
const SUITE_SECONDS: u64 = 10;
/// An input that takes longer is a finding; generous, since machines are shared.
const ONE_INPUT_SECONDS: u64 = 25;
const LINES_SHOWN: usize = 60;
const BUILT: &str = "build/fuzz/target";
const FOUND: &str = "build/fuzz/corpus";
const ARTIFACTS: &str = "build/fuzz/artifacts";
/// What `cargo fuzz` passes, less what needs a sanitizer: counters at every edge, and comparisons told.
const COVERAGE: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg fuzzing",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Cdebug-assertions",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds() {
        let targets = targets().unwrap();
        assert!(targets.len() >= 5);
        for target in targets {
            let seeds = fs::read_dir(root().join("fuzz/corpus").join(&target)).unwrap();
            assert!(seeds.count() > 0, "{target}");
        }
    }

    #[test]
    fn the_closing_line_of_the_fuzzer_is_read_and_nothing_else() {
        let text = "#2\tINITED cov: 100 ft: 101 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #8192\tDONE   cov: 345 ft: 678 corp: 12/300b lim: 4096 exec/s: 819 rss: 41Mb\n\
            Done 8192 runs in 10 second(s)\n\
            stat::number_of_executed_units: 8192\n\
            stat::average_exec_per_sec:     819\n";
        let of = |text: &str| closing_line(&Output { success: true, text: text.into() });
        assert_eq!(of(text).as_deref(), Some("8192 executions, 819/s, 345 edges"));
        assert_eq!(of("==1== ERROR: libFuzzer: deadly signal"), None);
    }
}
