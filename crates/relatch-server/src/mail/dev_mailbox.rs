//! The mailbox of `relatch dev`: messages stay in memory.

use super::{Letter, MailError, Mailer, Message};
use relatch_token::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Keeps the last messages in memory.
#[derive(Debug, Default)]
pub struct DevMailbox(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    name: String,
    at: Timestamp,
    message: Message,
}

impl DevMailbox {
    /// The messages that are kept, the newest first.
    pub fn messages(&self) -> Vec<(Timestamp, Message)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|one| (one.at, one.message.clone())).collect()
    }
}

#[async_trait::async_trait]
impl Mailer for DevMailbox {
    async fn send(&self, letter: Letter<'_>) -> Result<(), MailError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|one| one.name == letter.name) {
            return Ok(());
        }
        kept.truncate(MESSAGES_MAX - 1);
        let (name, message) = (letter.name.to_owned(), letter.message.clone());
        kept.push_front(Kept { name, at: letter.at, message });
        Ok(())
    }
}

/// Enough to find the one that was just sent.
const MESSAGES_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use relatch_token::Secret;

    #[tokio::test]
    async fn the_mailbox_keeps_the_newest_and_each_once() {
        let mailbox = DevMailbox::default();
        for n in 0..60 {
            let (name, text) = (n.to_string(), Secret::new("text".to_owned()));
            let message = Message { to: "a@b".into(), subject: name.clone(), text, html: None };
            let letter = Letter { name: &name, at: Timestamp::EPOCH, message: &message };
            mailbox.send(letter).await.unwrap();
            mailbox.send(letter).await.unwrap();
        }
        let subjects: Vec<_> = mailbox.messages().into_iter().map(|(_, message)| message.subject).collect();
        assert_eq!((subjects.len(), subjects[0].as_str(), subjects[1].as_str()), (MESSAGES_MAX, "59", "58"));
    }
}
