//! A folder for messages, from which a mail server picks them up.

use super::compose::compose;
use super::{Letter, MailError, Mailer};
use lettre::message::Mailbox;
use relatch_token::Secret;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes each message as an `.eml` file (RFC 5322) into a folder.
pub struct PickupFolder {
    folder: PathBuf,
    from: Mailbox,
}

impl PickupFolder {
    /// A folder that exists, and the sender of all messages.
    pub fn new(folder: PathBuf, from: Mailbox) -> Self {
        Self { folder, from }
    }
}

#[async_trait::async_trait]
impl Mailer for PickupFolder {
    async fn send(&self, letter: Letter<'_>) -> Result<(), MailError> {
        let composed = Secret::new(compose(&self.from, letter)?.formatted());
        let (folder, name) = (self.folder.clone(), letter.name.to_owned());
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &composed)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(MailError::Later(format!("{}: {error}", self.folder.display()))),
            Err(error) => Err(MailError::Later(error.to_string())),
        }
    }
}

/// A second copy takes the first one's place.
fn write(folder: &Path, name: &str, composed: &Secret<Vec<u8>>) -> io::Result<()> {
    // Written under another name first: whoever picks up must never see half a message.
    let unfinished = folder.join(format!(".{name}.part"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(composed.expose())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(format!("{name}.eml")))?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Message, sender};
    use relatch_token::Timestamp;
    use std::fs;

    fn message(html: Option<&str>) -> Message {
        Message {
            to: "ada@example.com".into(),
            subject: "Hello".into(),
            text: Secret::new("a\nb".into()),
            html: html.map(|html| Secret::new(html.to_owned())),
        }
    }

    #[tokio::test]
    async fn a_message_arrives_in_the_folder_whole_once_and_unreadable_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = PickupFolder::new(folder.path().into(), sender("Relatch <r@localhost>").unwrap());
        let at = Timestamp::from_seconds(1_800_000_000);
        for html in [None, Some("<p>a</p>")] {
            mailer.send(Letter { name: "0a1b", at, message: &message(html) }).await.unwrap();
            let files: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(files, [folder.path().join("0a1b.eml")]);
            let text = fs::read_to_string(&files[0]).unwrap();
            for line in [
                "From: Relatch <r@localhost>\r\n",
                "To: ada@example.com\r\n",
                "Subject: Hello\r\n",
                "Message-ID: <0a1b@localhost>\r\n",
                "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
                "Auto-Submitted: auto-generated\r\n",
                "\r\n\r\na\r\nb",
            ] {
                assert!(text.contains(line), "{line:?} is not in {text}");
            }
            assert_eq!(text.contains("multipart/alternative"), html.is_some());
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&files[0]).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_missing_folder_is_for_later_and_a_bad_address_for_never() {
        let mailer = PickupFolder::new("/nonexistent/pickup".into(), sender("r@localhost").unwrap());
        let letter = |message| Letter { name: "0a", at: Timestamp::EPOCH, message };
        let plain = message(None);
        let Err(MailError::Later(why)) = mailer.send(letter(&plain)).await else { panic!("it was sent") };
        assert!(why.contains("/nonexistent/pickup") && !why.contains("ada"), "{why}");
        let nobody = Message { to: "no address".into(), ..plain.clone() };
        let Err(MailError::Never(why)) = mailer.send(letter(&nobody)).await else { panic!("it was sent") };
        assert!(!why.contains("no address"), "{why}");
    }
}
