//! `relatch api-keys`: create, list, revoke.

use super::print::{line, table};
use super::workshop::Workshop;
use super::{ApiKeysCommand, Common, OpenStore};
use crate::wire_time::rfc3339;

pub(crate) fn run(common: &Common, command: ApiKeysCommand, open_store: &OpenStore) -> anyhow::Result<()> {
    let Workshop { app, runtime } = Workshop::open(common, open_store)?;
    match command {
        ApiKeysCommand::Create { name, scopes } => {
            let create = app.api_keys.create(&name, &scopes, &*app.surroundings.entropy, app.now());
            let (key, text) = runtime.block_on(create)?;
            line(format!("id   {}\nkey  {}", key.id, text.expose()));
            line("Keep the key now: it is not shown again.");
        }
        ApiKeysCommand::List => {
            let rows: Vec<_> = runtime
                .block_on(app.api_keys.list())?
                .into_iter()
                .map(|key| {
                    let revoked = key.revoked_at.map_or("-".to_owned(), rfc3339);
                    [key.id, key.name, key.scopes.join(","), rfc3339(key.created_at), revoked]
                })
                .collect();
            table(["ID", "NAME", "SCOPES", "CREATED", "REVOKED"], &rows);
        }
        ApiKeysCommand::Revoke { id } => {
            anyhow::ensure!(
                runtime.block_on(app.api_keys.revoke(&id, app.now()))?,
                "there is no API key `{id}`; `relatch api-keys list` shows them"
            );
            line(format!("{id} is revoked"));
        }
    }
    Ok(())
}
