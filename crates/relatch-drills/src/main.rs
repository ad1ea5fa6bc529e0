//! Drills against the real binary, over HTTP and from outside: `cargo xtask kill`, `cargo xtask mail` and `cargo xtask leaks`.
#![expect(
    clippy::disallowed_methods,
    reason = "drills measure real time; nothing here decides a session's fate"
)]
#![expect(clippy::print_stdout, reason = "talking to people is what this program is for")]

mod dice;
mod flood;
mod kill;
mod leaks;
mod mail;
mod server;
mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "relatch-drills")]
struct Drills {
    #[command(subcommand)]
    drill: Drill,
}

#[derive(Subcommand)]
enum Drill {
    /// Kills the server under load, many times, then checks what its clients saw.
    Kill(kill::Options),
    /// Kills the server between events and their messages, and counts what arrives.
    Mail(mail::Options),
    /// Measures refreshes while hundreds log in at once.
    Flood(flood::Options),
    /// Runs every route, then looks for every secret where none may be.
    Leaks(leaks::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let passed = match Drills::parse().drill {
        Drill::Kill(options) => kill::run(&options).await,
        Drill::Mail(options) => mail::run(&options).await,
        Drill::Flood(options) => flood::run(&options).await,
        Drill::Leaks(options) => leaks::run(&options).await,
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a drill found about one promise.
struct Finding {
    promise: &'static str,
    violations: Vec<String>,
}

/// Prints every promise with its violations, and the closing count. Says whether all were kept.
fn report(findings: &[Finding]) -> bool {
    let mut failed = 0;
    for Finding { promise, violations } in findings {
        println!("{} {promise}", if violations.is_empty() { "kept   " } else { "BROKEN " });
        violations.iter().take(SHOWN_MAX).for_each(|violation| println!("          {violation}"));
        if violations.len() > SHOWN_MAX {
            println!("          … and {} more", violations.len() - SHOWN_MAX);
        }
        failed += usize::from(!violations.is_empty());
    }
    println!("{} passed, {failed} failed", findings.len() - failed);
    failed == 0
}

/// More examples of one fault tell nothing new.
const SHOWN_MAX: usize = 12;
