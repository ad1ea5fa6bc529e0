//! `relatch webhooks`: list, ping, replay, secret, events.

use super::print::{line, table};
use super::workshop::{Workshop, surroundings};
use super::{Common, OpenStore, WebhooksCommand};
use crate::environment::EntropyExt;
use crate::webhooks::{Attempt, WebhookSecrets};
use relatch_core::EventKind;
use relatch_store::{ChannelKind, Cursor};

pub(crate) fn run(common: &Common, command: WebhooksCommand, open_store: &OpenStore) -> anyhow::Result<()> {
    let workshop = || Workshop::open(common, open_store);
    match command {
        WebhooksCommand::Secret => {
            line(WebhookSecrets::text(&surroundings()?.entropy.array()).expose());
        }
        WebhooksCommand::Events => EventKind::ALL.iter().for_each(|kind| line(kind.as_str())),
        WebhooksCommand::List => {
            let Workshop { app, runtime } = workshop()?;
            let told = runtime.block_on(app.webhooks.list())?;
            let rows: Vec<_> = app
                .config
                .webhooks
                .iter()
                .zip(told)
                .map(|(config, (name, cursor))| {
                    let events =
                        if config.events.is_empty() { "all".to_owned() } else { config.events.join(",") };
                    // Path and query may be as good as a password.
                    [
                        name,
                        config.url.as_url().origin().ascii_serialization(),
                        events,
                        format!("evt_{}", cursor.0),
                    ]
                })
                .collect();
            table(["NAME", "AT", "EVENTS", "TOLD UP TO"], &rows);
            let waiting = runtime.block_on(app.store.waiting(ChannelKind::Webhook))?;
            line(format!("{} messages wait to be taken", waiting.count));
        }
        WebhooksCommand::Ping { name } => {
            let Workshop { app, runtime } = workshop()?;
            match runtime.block_on(app.webhooks.ping(&name))? {
                Attempt::Taken => line(format!("`{name}` took the message")),
                Attempt::Unwanted => anyhow::bail!("`{name}` answered 410: it wants no messages any more"),
                Attempt::Failed { reason, .. } => {
                    anyhow::bail!("`{name}` did not take the message: {reason}")
                }
            }
        }
        WebhooksCommand::Replay { name, after } => {
            let after = after.strip_prefix("evt_").and_then(|number| number.parse().ok()).map(Cursor);
            let after = after.ok_or_else(|| anyhow::anyhow!("name the event as `evt_…`, such as evt_42"))?;
            let Workshop { app, runtime } = workshop()?;
            let count = runtime.block_on(app.webhooks.replay(&name, after))?;
            line(format!("{count} events are on their way to `{name}`, as soon as a server runs"));
        }
    }
    Ok(())
}
