//! `relatch config`: what is in force, and where each value comes from.

use super::print::table;
use super::workshop::load_config;
use super::{Common, dev};

pub(crate) fn run(common: &Common) -> anyhow::Result<()> {
    let loaded = load_config(common, dev::preset_where_used(), common.layer()?)?;
    let rows: Vec<_> =
        loaded.explain().into_iter().map(|line| [line.key, line.value_display, line.source]).collect();
    table(["KEY", "VALUE", "SOURCE"], &rows);
    Ok(())
}
