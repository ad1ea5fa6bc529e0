//! The binary `relatch`: the one place that knows which stores there are.

use clap::Parser;
use relatch_server::cli::{self, Cli, OpenedStore};
use relatch_server::config::{RotationDurability, StoreConfig, StoreUrl};
use relatch_server::environment::{EntropyExt, OsEntropy};
use relatch_sqlite::{Durability, Options, SqliteStore};
use std::process::ExitCode;
use std::sync::Arc;

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
