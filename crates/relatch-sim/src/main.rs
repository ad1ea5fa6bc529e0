//! The simulator: `cargo run --release -p relatch-sim -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    relatch_sim::main()
}
