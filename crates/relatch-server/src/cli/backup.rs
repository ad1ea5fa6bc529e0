//! `relatch backup`: a consistent copy while the server runs.

use super::print::line;
use super::workshop::load_config;
use super::{Common, OpenStore, dev};
use std::path::Path;

pub(crate) fn run(common: &Common, to: &Path, open_store: &OpenStore) -> anyhow::Result<()> {
    let loaded = load_config(common, dev::preset_where_used(), common.layer()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let opened = open_store(&loaded.config.store)?;
    runtime.block_on(opened.maintenance.backup(to))?;
    let bytes = std::fs::metadata(to)?.len();
    line(format!("{} holds everything but the master key ({bytes} bytes)", to.display()));
    line(
        "Keep the master key elsewhere: without it the backup opens no session, and nobody who steals it can.",
    );
    Ok(())
}
