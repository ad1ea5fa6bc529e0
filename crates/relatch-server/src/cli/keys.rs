//! `relatch keys`: list, rotate, revoke.

use super::print::{line, table};
use super::workshop::{load_config, surroundings};
use super::{Common, Keys, OpenStore, dev};
use crate::app;
use crate::keys::{KeyState, KeyView, RotateOrder, SigningKeys, Takeover};
use crate::sessions::Surroundings;
use crate::wire_time::rfc3339;

/// Works on the keys alone, since it has to work where the server refuses to start.
pub(crate) fn run(common: &Common, command: Keys, open_store: &OpenStore) -> anyhow::Result<()> {
    let config = load_config(common, dev::preset_where_used(), common.layer()?)?.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = open_store(&config.store)?.store;
    let Surroundings { clock, entropy } = surroundings()?;
    let now = clock.now();
    let ring = runtime.block_on(app::key_ring(&config, &*store, &*entropy))?;
    let load = SigningKeys::load_for_repair(&*store, ring, app::key_policy(&config), entropy, now);
    let (keys, trouble) = runtime.block_on(load)?;
    match command {
        Keys::List => {
            show(&keys.view(now));
            if let Some(trouble) = trouble {
                return Err(trouble.into());
            }
        }
        Keys::Rotate { now: is_now, danger_now, algorithm } => {
            let takeover = match (is_now, danger_now) {
                (_, true) => Takeover::DangerNow,
                (true, false) => Takeover::Now,
                (false, false) => Takeover::Published,
            };
            show(&runtime.block_on(keys.rotate(&*store, RotateOrder { takeover, algorithm }, now))?);
        }
        Keys::Revoke { kid } => {
            show(&runtime.block_on(keys.revoke(&*store, &kid, now))?);
            line(format!("{kid} is revoked: what it signed is refused, and clients refresh"));
        }
    }
    Ok(())
}

fn show(keys: &[KeyView]) {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let retires = key.retires_at.map_or("-".to_owned(), rfc3339);
            let state = match key.state {
                KeyState::Next => "next",
                KeyState::Current => "current",
                KeyState::Kept => "kept",
                KeyState::Retired => "retired",
            };
            let algorithm = key.algorithm.to_string();
            [key.kid.clone(), algorithm, state.to_owned(), rfc3339(key.active_at), retires]
        })
        .collect();
    table(["KID", "ALGORITHM", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"], &rows);
}
