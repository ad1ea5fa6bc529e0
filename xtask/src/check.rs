//! `cargo xtask check`: format, lints, documentation and dependencies.

use crate::run::{Job, succeeds};
use crate::tally::Tally;
use anyhow::Result;

/// The suites that look at the code without running it.
pub(crate) const SUITES: [&str; 4] = ["format", "lints", "docs", "dependencies"];

/// Whether rustfmt would change anything.
pub(crate) fn format() -> Result<Tally> {
    Ok(Tally::one(Job::cargo(&["fmt", "--all", "--check"]).run()?.success))
}

/// Clippy, with warnings as errors.
pub(crate) fn lints() -> Result<Tally> {
    let job = Job::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    Ok(Tally::one(job.minutes(20).run()?.success))
}

/// Whether every link in the documentation leads somewhere.
pub(crate) fn docs() -> Result<Tally> {
    let job = Job::cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    let strict = "-D warnings -A rustdoc::private_intra_doc_links";
    Ok(Tally::one(job.with("RUSTDOCFLAGS", strict).minutes(20).run()?.success))
}

/// Licences, sources, bans and advisories of what we depend on, where `cargo-deny` is installed. Advisories
/// are fetched; without a network the other three are checked.
pub(crate) fn dependencies() -> Result<Tally> {
    if !succeeds("cargo", &["deny", "--version"]) {
        println!("skipped: install it with `cargo install cargo-deny --locked`");
        return Ok(Tally::default());
    }
    let settled = Job::cargo(&["deny", "check", "licenses", "bans", "sources"]).run()?.success;
    let advisories = if Job::cargo(&["deny", "fetch", "db"]).minutes(2).run()?.success {
        Job::cargo(&["deny", "check", "advisories"]).run()?.success
    } else {
        println!("the advisory database can't be fetched; advisories are not checked");
        true
    };
    Ok(Tally::one(settled && advisories))
}
