//! Messages to people: what they say, and how they leave.

mod carrier;
mod compose;
mod dev_mailbox;
mod pickup;
mod smtp;

pub use carrier::MailCarrier;
pub use dev_mailbox::DevMailbox;
pub use pickup::PickupFolder;
pub use smtp::{Smtp, SmtpSecurity, SmtpSettings};

use lettre::message::Mailbox;
use relatch_token::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A message to one person. Its text may hold a link that is as good as a password: never log it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The address, as its owner wrote it.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: Secret<String>,
    /// The same as a page.
    pub html: Option<Secret<String>>,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Its stable name: a second copy of the same letter has the same.
    pub name: &'a str,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub message: &'a Message,
}

/// Why a message did not leave. Names no person and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may another time.
    #[error("{0}")]
    Later(String),
    /// It never will.
    #[error("{0}")]
    Never(String),
}

/// Who carries messages away.
#[async_trait::async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a message on, durably.
    async fn send(&self, letter: Letter<'_>) -> Result<(), MailError>;

    /// Whether there is anything that could carry a message. Where there isn't, nobody tries: the start says
    /// so once, and not every message.
    fn is_there(&self) -> bool {
        true
    }

    /// After how long an attempt counts as failed.
    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

/// No mail leaves: nothing is configured that could carry it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMail;

#[async_trait::async_trait]
impl Mailer for NoMail {
    async fn send(&self, _: Letter<'_>) -> Result<(), MailError> {
        Err(MailError::Later("no mail is configured; set `mail.smtp.host` or `mail.directory`".to_owned()))
    }

    fn is_there(&self) -> bool {
        false
    }
}

impl Message {
    /// As it is queued.
    pub fn to_payload(&self) -> Secret<Vec<u8>> {
        let kept = Kept {
            to: self.to.clone(),
            subject: self.subject.clone(),
            text: self.text.expose().clone(),
            html: self.html.as_ref().map(|html| html.expose().clone()),
        };
        Secret::new(serde_json::to_vec(&kept).unwrap_or_else(|_| unreachable!("texts are JSON")))
    }

    /// As it was queued; `None` where that was something else.
    pub fn from_payload(payload: &Secret<Vec<u8>>) -> Option<Self> {
        let Kept { to, subject, text, html } = serde_json::from_slice(payload.expose()).ok()?;
        Some(Self { to, subject, text: Secret::new(text), html: html.map(Secret::new) })
    }
}

/// The sender of all messages (`Name <name@host>`).
pub fn sender(from: &str) -> Result<Mailbox, MailError> {
    from.parse().map_err(|error| MailError::Never(format!("`mail.from`: {error}")))
}

#[derive(Serialize, Deserialize)]
struct Kept {
    to: String,
    subject: String,
    text: String,
    html: Option<String>,
}

/// A folder answers at once, and a memory sooner.
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_after_the_queue() {
        for html in [None, Some(Secret::new("<p>ü\u{2028}</p>".to_owned()))] {
            let text = Secret::new("Grüße\n\"rll_x\"\n".to_owned());
            let message = Message { to: "a@b".into(), subject: "s – t".into(), text, html };
            assert_eq!(Message::from_payload(&message.to_payload()), Some(message));
        }
        assert_eq!(Message::from_payload(&Secret::new(b"{}".to_vec())), None);
    }
}
