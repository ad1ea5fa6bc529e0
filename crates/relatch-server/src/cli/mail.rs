//! `relatch mail`: one message, to see that mail leaves.

use super::print::line;
use super::workshop::{load_config, surroundings};
use super::{Common, dev};
use crate::app;
use crate::email::EmailAddress;
use crate::environment::EntropyExt;
use crate::mail::{Letter, Message};
use relatch_token::Secret;

/// Sends a message as configured, past the queue, and waits for the answer.
pub(crate) fn test(common: &Common, address: &str) -> anyhow::Result<()> {
    let config = load_config(common, dev::preset_where_used(), common.layer()?)?.config;
    let to = EmailAddress::parse(address)?;
    let mailer = app::mailer(&config, None)?;
    anyhow::ensure!(
        mailer.is_there(),
        "no mail is configured; set `mail.smtp.host`, or `mail.directory` for a folder"
    );
    let surroundings = surroundings()?;
    let name = format!("test-{:016x}", u64::from_le_bytes(surroundings.entropy.array()));
    let message = Message {
        to: to.display().to_owned(),
        subject: "A test from Relatch".to_owned(),
        text: Secret::new(
            "This message was sent by `relatch mail test`. Mail leaves this server.\n".to_owned(),
        ),
        html: None,
    };
    let letter = Letter { name: &name, at: surroundings.clock.now(), message: &message };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(async { tokio::time::timeout(mailer.timeout(), mailer.send(letter)).await });
    match sent {
        Ok(Ok(())) => line(match &config.mail.directory {
            Some(folder) => format!("written to {} as {name}.eml", folder.display()),
            None => format!("the mail server took the message {name}; look into the mailbox of {address}"),
        }),
        Ok(Err(error)) => anyhow::bail!("not sent: {error}"),
        Err(_) => anyhow::bail!("not sent: no answer within {} s", mailer.timeout().as_secs()),
    }
    Ok(())
}
