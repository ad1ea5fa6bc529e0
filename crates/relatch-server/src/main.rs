//! The binary `relatch`: the one place that knows which stores there are.

use clap::Parser;
use relatch_server::cli::{self, Cli, OpenedStore};
use relatch_server::config::{RotationDurability, StoreConfig, StoreUrl};
use relatch_server::environment::{EntropyExt, OsEntropy};
use relatch_sqlite::{Durability, Options, SqliteStore};
use std::alloc::System;
use std::process::ExitCode;
use std::sync::Arc;
use zeroizing_alloc::ZeroAlloc;

/// Wipes every block of memory when it is freed. Our own secrets wipe themselves; but passwords and tokens also pass
/// through buffers of the HTTP and JSON libraries, whose freed copies would otherwise lie around until a core dump
/// shows them (`cargo xtask leaks` looks).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    match cli::run(Cli::parse(), &open_store) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn open_store(config: &StoreConfig) -> anyhow::Result<OpenedStore> {
    let StoreUrl::Sqlite(path) = &config.url;
    let options = Options {
        rotation_durability: match config.rotation_durability {
            RotationDurability::Full => Durability::Full,
            RotationDurability::Relaxed => Durability::Relaxed,
        },
        readers: config.readers,
        ..Options::new(OsEntropy::open()?.array())
    };
    let store = Arc::new(SqliteStore::open(path, options)?);
    Ok(OpenedStore { store: store.clone(), maintenance: store })
}

#[expect(clippy::print_stderr, reason = "where a program says why it ends")]
fn complain(error: &anyhow::Error) {
    eprintln!("relatch: {error:#}");
}
