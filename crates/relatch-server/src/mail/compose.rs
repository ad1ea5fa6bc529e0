//! A message as it travels (RFC 5322, RFC 2045).

use super::{Letter, MailError};
use lettre::message::{Mailbox, MultiPart};
use std::time::{Duration, UNIX_EPOCH};

/// The message with its headers. The `Message-ID` is the letter's name, so that a receiver knows a second copy.
pub(super) fn compose(from: &Mailbox, letter: Letter<'_>) -> Result<lettre::Message, MailError> {
    let message = letter.message;
    let never = |what: &str, error: &dyn std::fmt::Display| MailError::Never(format!("{what}: {error}"));
    let to = message.to.parse().map_err(|error| never("the receiver's address", &error))?;
    let at = UNIX_EPOCH + Duration::from_millis(letter.at.as_millis().max(0).unsigned_abs());
    let builder = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(message.subject.as_str())
        .date(at)
        .message_id(Some(format!("<{}@{}>", letter.name, from.email.domain())))
        // RFC 3834 §5: no answering machine shall answer.
        .header(AutoSubmitted);
    let text = message.text.expose().clone();
    let composed = match &message.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.expose().clone())),
        None => builder.body(text),
    };
    composed.map_err(|error| never("the message can't be written", &error))
}

#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
