//! A short run of the simulator: the scenario table, and a storm over each store.

use crate::run::Job;
use crate::tally::Tally;
use anyhow::Result;

/// Each run of the simulator counts as one test. More seeds: `cargo run --release -p relatch-sim -- --help`.
pub(crate) fn suite() -> Result<Tally> {
    let mut tally = Tally::default();
    for run in RUNS {
        let words = [&["run", "--quiet", "-p", "relatch-sim", "--"], run].concat();
        tally += Tally::one(Job::cargo(&words).minutes(10).run()?.success);
    }
    Ok(tally)
}

const RUNS: [&[&str]; 3] = [
    &["compare", "--seeds", "40"],
    &["soak", "--seeds", "100"],
    &["soak", "--seeds", "20", "--store", "sqlite"],
];
