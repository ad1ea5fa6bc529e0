//! Webhooks: other systems are told of what happens to sessions and accounts, at least once and signed.
//!
//! Nothing is written for them when something happens. A follower reads the audit, whose events were written
//! together with what they tell of, and moves its mark in one write with what it puts into the outbox
//! ([`follow`]); a worker hands that on until it was taken ([`deliver`]). A crash between any two of these
//! loses nothing.

mod deliver;
mod follow;
mod message;
mod public_address;
mod sender;
mod signature;

pub use public_address::is_public;
pub use sender::Attempt;
pub use signature::WebhookSecrets;

use crate::config::WebhookConfig;
use crate::sessions::{Doubt, Surroundings};
use message::Message;
use relatch_core::EventKind;
use relatch_store::{Cursor, Enqueue, Store};
use relatch_token::Timestamp;
use sender::Sender;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The receivers that are configured, and what brings events to them.
#[derive(Clone)]
pub struct Webhooks {
    store: Arc<dyn Store>,
    receivers: Arc<[Receiver]>,
    surroundings: Surroundings,
    /// How many messages are on their way at once.
    under_way: Arc<Semaphore>,
}

/// One receiver.
#[derive(Debug)]
struct Receiver {
    name: String,
    kinds: BTreeSet<EventKind>,
    sender: Sender,
}

impl Receiver {
    fn wants(&self, kind: EventKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Its name among the followers of the audit.
    fn follower(&self) -> String {
        format!("{FOLLOWER}{}", self.name)
    }
}

/// Why nothing could be asked of a receiver.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No receiver has that name.
    #[error("there is no webhook `{0}`; `relatch webhooks list` shows them")]
    Unknown(String),
    /// Too much waits for it already.
    #[error("too much waits for the webhook `{0}` already; wait until it was taken")]
    Full(String),
    /// The store could not answer.
    #[error(transparent)]
    Doubt(#[from] Doubt),
    /// An event can't be written as JSON.
    #[error("an event can't be written down: {0}")]
    Json(#[from] serde_json::Error),
}

impl Webhooks {
    /// The receivers of the configuration, whose secrets are read now.
    pub fn open(
        configs: &[WebhookConfig],
        store: Arc<dyn Store>,
        surroundings: Surroundings,
    ) -> anyhow::Result<Self> {
        let receiver = |config: &WebhookConfig| {
            let sender = Sender::new(config.url.clone(), config.secrets()?, config.danger_private_address)?;
            anyhow::Ok(Receiver {
                name: config.name.clone(),
                kinds: config.kinds().into_iter().collect(),
                sender,
            })
        };
        let receivers = configs.iter().map(receiver).collect::<anyhow::Result<_>>()?;
        Ok(Self { store, receivers, surroundings, under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)) })
    }

    /// Whether there is any receiver.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Each receiver, and the last event that was put into the outbox for it.
    pub async fn list(&self) -> Result<Vec<(String, Cursor)>, Doubt> {
        let mut list = Vec::new();
        for receiver in &*self.receivers {
            list.push((receiver.name.clone(), self.store.mark(&receiver.follower()).await?));
        }
        Ok(list)
    }

    /// Sends a message of type `ping` now, once, past the outbox.
    pub async fn ping(&self, name: &str) -> Result<Attempt, WebhookError> {
        let now = self.now();
        Ok(self.receiver(name)?.sender.send(&Message::ping(name, now)?, now).await)
    }

    /// Puts the events after a place into the outbox once more, as far as the receiver wants them; answers how
    /// many. They carry the ids that they had.
    pub async fn replay(&self, name: &str, after: Cursor) -> Result<usize, WebhookError> {
        let receiver = self.receiver(name)?;
        let (mut count, mut from) = (0, after);
        loop {
            let events = self.store.events_after(from, follow::READ_MAX).await.map_err(Doubt::from)?;
            let Some(last) = events.last() else { return Ok(count) };
            from = last.cursor;
            let deliveries = follow::deliveries(receiver, &events, self.now())?;
            count += deliveries.len();
            if self.store.enqueue(deliveries).await.map_err(Doubt::from)? == Enqueue::Full {
                return Err(WebhookError::Full(name.to_owned()));
            }
        }
    }

    fn receiver(&self, name: &str) -> Result<&Receiver, WebhookError> {
        let found = self.receivers.iter().find(|receiver| receiver.name == name);
        found.ok_or_else(|| WebhookError::Unknown(name.to_owned()))
    }

    fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }
}

/// What the names of our followers begin with.
const FOLLOWER: &str = "webhook:";
/// A slow receiver holds one of these for as long as an attempt may take; the others must not wait for it.
const UNDER_WAY_MAX: usize = 32;
