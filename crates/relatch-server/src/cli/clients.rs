//! `relatch clients`: add, list, remove.

use super::print::{line, table};
use super::workshop::Workshop;
use super::{ClientsCommand, Common, OpenStore};
use relatch_store::{ClientKind, OauthClient};
use relatch_token::ClientId;

pub(crate) fn run(common: &Common, command: ClientsCommand, open_store: &OpenStore) -> anyhow::Result<()> {
    let Workshop { app, runtime } = Workshop::open(common, open_store)?;
    match command {
        ClientsCommand::Add { id, confidential, name, scopes } => {
            let kind = if confidential { ClientKind::Confidential } else { ClientKind::Public };
            let id: ClientId = id.parse()?;
            anyhow::ensure!(
                runtime.block_on(app.clients.find(&id))?.is_none(),
                "there is a client `{id}` already; remove it first to give it a new secret"
            );
            let client = OauthClient { id, kind, secret_hash: None, name, scopes, created_at: app.now() };
            let (client, secret) =
                runtime.block_on(app.clients.register(client, &*app.surroundings.entropy))?;
            line(format!("client_id      {}", client.id));
            if let Some(secret) = secret {
                line(format!("client_secret  {}", secret.expose()));
                line("Keep the secret now: it is not shown again.");
            }
        }
        ClientsCommand::List => {
            let rows: Vec<_> = runtime
                .block_on(app.clients.list())?
                .into_iter()
                .map(|client| {
                    let kind = match client.kind {
                        ClientKind::Public => "public",
                        ClientKind::Confidential => "confidential",
                    };
                    let name = client.name.unwrap_or_default();
                    [client.id.to_string(), kind.to_owned(), client.scopes.join(" "), name]
                })
                .collect();
            table(["CLIENT_ID", "KIND", "SCOPES", "NAME"], &rows);
        }
        ClientsCommand::Remove { id } => {
            anyhow::ensure!(
                runtime.block_on(app.clients.remove(&id.parse()?))?,
                "there is no registered client `{id}` (those of the configuration file are removed there)"
            );
            line(format!("{id} is removed"));
        }
    }
    Ok(())
}
