//! Mail as the queue's worker carries it.

use super::{Letter, MailError, Mailer, Message};
use crate::outbox::{Carrier, Outcome, Parcel};
use relatch_store::ChannelKind;
use std::sync::Arc;
use std::time::Duration;

/// Carries queued messages by a [`Mailer`].
pub struct MailCarrier(pub Arc<dyn Mailer>);

#[async_trait::async_trait]
impl Carrier for MailCarrier {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Mail
    }

    fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    async fn carry(&self, parcel: Parcel) -> Outcome {
        let Some(message) = Message::from_payload(&parcel.payload) else {
            return Outcome::Never("it is no message".into());
        };
        let letter = Letter { name: &parcel.name, at: parcel.created_at, message: &message };
        match self.0.send(letter).await {
            Ok(()) => Outcome::Delivered,
            Err(MailError::Later(why)) => Outcome::Later(why),
            Err(MailError::Never(why)) => Outcome::Never(why),
        }
    }
}
