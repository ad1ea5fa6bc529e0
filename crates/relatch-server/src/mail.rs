//! Messages to people: what they say, and how they leave.

use crate::environment::{Entropy, EntropyExt};
use base64ct::{Base64UrlUnpadded, Encoding};
use lettre::message::Mailbox;
use relatch_token::{Secret, Timestamp};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A message to one person. Its text may hold a link that is as good as a password: never log it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The address, as its owner wrote it.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: Secret<String>,
}

/// Why a message did not leave.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be handed on: {0}")]
pub struct MailError(String);

/// Who carries messages away. Called from a thread that may block.
pub trait Mailer: Send + Sync {
    /// Hands a message on, durably.
    fn send(&self, message: &Message, now: Timestamp) -> Result<(), MailError>;

    /// Whether there is anything that could carry a message. Where there isn't, nobody tries: the start says
    /// so once, and not every message.
    fn is_there(&self) -> bool {
        true
    }
}

/// No mail leaves: nothing is configured that could carry it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMail;

impl Mailer for NoMail {
    fn send(&self, _: &Message, _: Timestamp) -> Result<(), MailError> {
        Err(MailError("no mail is configured; set `mail.directory`".to_owned()))
    }

    fn is_there(&self) -> bool {
        false
    }
}

/// Writes each message as an `.eml` file (RFC 5322) into a folder, for a mail server to pick up.
pub struct PickupFolder {
    folder: PathBuf,
    from: Mailbox,
    entropy: Arc<dyn Entropy>,
}

impl PickupFolder {
    /// A folder that exists, and the sender of all messages (`Name <name@host>`).
    pub fn new(folder: PathBuf, from: &str, entropy: Arc<dyn Entropy>) -> Result<Self, MailError> {
        let from = from.parse().map_err(|error| MailError(format!("`mail.from`: {error}")))?;
        Ok(Self { folder, from, entropy })
    }
}

impl Mailer for PickupFolder {
    fn send(&self, message: &Message, _: Timestamp) -> Result<(), MailError> {
        let composed = compose(&self.from, message)?;
        let name = Base64UrlUnpadded::encode_string(&self.entropy.array::<12>());
        let failed = |error: std::io::Error| MailError(format!("{}: {error}", self.folder.display()));
        // Written under another name first: whoever picks up must never see half a message.
        let unfinished = self.folder.join(format!(".{name}.part"));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished).map_err(failed)?;
        file.write_all(composed.expose()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&unfinished, self.folder.join(format!("{name}.eml"))).map_err(failed)
    }
}

fn compose(from: &Mailbox, message: &Message) -> Result<Secret<Vec<u8>>, MailError> {
    let to = message.to.parse().map_err(|error| MailError(format!("the receiver's address: {error}")))?;
    let composed = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(message.subject.as_str())
        .message_id(None)
        .body(message.text.expose().clone())
        .map_err(|error| MailError(error.to_string()))?;
    Ok(Secret::new(composed.formatted()))
}

/// Keeps the last messages in memory: the mailbox of `relatch dev`.
#[derive(Debug, Default)]
pub struct DevMailbox(Mutex<VecDeque<(Timestamp, Message)>>);

impl DevMailbox {
    /// The messages that are kept, the newest first.
    pub fn messages(&self) -> Vec<(Timestamp, Message)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Mailer for DevMailbox {
    fn send(&self, message: &Message, now: Timestamp) -> Result<(), MailError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(DEV_MESSAGES_MAX - 1);
        kept.push_front((now, message.clone()));
        Ok(())
    }
}

/// Enough to find the one that was just sent.
const DEV_MESSAGES_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    fn message(subject: &str) -> Message {
        Message { to: "ada@example.com".into(), subject: subject.into(), text: Secret::new("a\nb".into()) }
    }

    #[test]
    fn a_message_arrives_in_the_folder_whole_and_unreadable_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Arc::new(OsEntropy::open().unwrap());
        let mailer = PickupFolder::new(folder.path().into(), "Relatch <r@localhost>", entropy).unwrap();
        mailer.send(&message("Hello"), Timestamp::from_seconds(1_800_000_000)).unwrap();
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(&files[0]).unwrap();
        for line in ["From: Relatch <r@localhost>\r\n", "To: ada@example.com\r\n", "Subject: Hello\r\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.trim_end().ends_with("\r\n\r\na\r\nb"), "{text}");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&files[0]).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let entropy = Arc::new(OsEntropy::open().unwrap());
        let mailer = PickupFolder::new("/nonexistent/pickup".into(), "r@localhost", entropy).unwrap();
        let error = mailer.send(&message("x"), Timestamp::EPOCH).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/pickup") && !error.contains("a\nb"), "{error}");
    }

    #[test]
    fn the_dev_mailbox_keeps_the_newest() {
        let mailbox = DevMailbox::default();
        for n in 0..60 {
            mailbox.send(&message(&n.to_string()), Timestamp::EPOCH).unwrap();
        }
        let messages = mailbox.messages();
        assert_eq!((messages.len(), messages[0].1.subject.as_str()), (DEV_MESSAGES_MAX, "59"));
    }
}
