//! What Relatch costs, beside the obvious alternative, in one run: `cargo xtask bench`.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod alternative;
mod fill;
mod load;
mod process;
mod raw;
mod report;
mod served;

use anyhow::Context;
use clap::{Parser, Subcommand};
use report::Report;
use std::path::PathBuf;
use std::time::Duration;

/// Measures Relatch. The figures of one run belong together; those of two runs only where the machine was
/// as quiet.
#[derive(Parser)]
struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measures everything and prints the table in Markdown
    All(All),
    /// The obvious alternative, as a server of its own: a row per token, a transaction per request
    Alternative(alternative::Options),
}

#[derive(clap::Args)]
struct All {
    /// The release build of `relatch`
    #[arg(long)]
    relatch: PathBuf,
    /// The folder for databases; on the disk that is to be measured
    #[arg(long)]
    folder: PathBuf,
    /// How many runs each median is taken of
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How long each run of requests lasts
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The largest number of stored sessions
    #[arg(long, default_value_t = 1_000_000)]
    sessions: usize,
}

fn main() -> anyhow::Result<()> {
    match Bench::parse().what {
        What::Alternative(options) => alternative::serve(&options),
        What::All(options) => all(&options),
    }
}

fn all(options: &All) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder).context("the folder for databases can't be made")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measure = Measure {
        relatch: options.relatch.clone(),
        folder: options.folder.clone(),
        runs: options.runs,
        span: Duration::from_secs(options.seconds),
        sessions: options.sessions,
    };
    let mut report = Report::begin(&options.folder)?;
    runtime.block_on(async {
        raw::measure(&measure, &mut report).await?;
        served::measure(&measure, &mut report).await
    })?;
    println!("{report}");
    Ok(())
}

/// What is measured, and how often.
pub(crate) struct Measure {
    relatch: PathBuf,
    folder: PathBuf,
    runs: usize,
    span: Duration,
    sessions: usize,
}

impl Measure {
    /// An empty folder for one measurement.
    fn fresh_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
