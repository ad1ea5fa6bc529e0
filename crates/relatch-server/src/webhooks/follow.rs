//! From the audit to the outbox.

use super::{FOLLOWER, Receiver, Webhooks, message};
use crate::sessions::Doubt;
use relatch_store::{Delivery, Event, Follow, Step};
use relatch_token::Timestamp;
use std::time::Duration;

impl Webhooks {
    /// Follows the audit for every receiver, for ever. One that has been taken out of the configuration is
    /// forgotten, so that the audit's sweep need not wait for it.
    pub async fn follow(self) {
        if let Err(doubt) = self.forget_strangers().await {
            tracing::warn!(%doubt, "former webhooks are forgotten at the next start");
        }
        loop {
            for receiver in &*self.receivers {
                if let Err(doubt) = self.catch_up(receiver).await {
                    tracing::warn!(%doubt, webhook = receiver.name, "events wait in the audit");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Puts what the receiver has not been told into the outbox. Where that is full, the rest waits in the audit.
    async fn catch_up(&self, receiver: &Receiver) -> Result<(), Doubt> {
        let follower = receiver.follower();
        loop {
            let from = self.store.mark(&follower).await?;
            let events = self.store.events_after(from, READ_MAX).await?;
            let Some(last) = events.last() else { return Ok(()) };
            let deliveries = match deliveries(receiver, &events, self.now()) {
                Ok(deliveries) => deliveries,
                Err(error) => {
                    tracing::error!(%error, webhook = receiver.name, "an event can't be written down");
                    return Ok(());
                }
            };
            let step = Step { follower: follower.clone(), from, to: last.cursor, deliveries };
            match self.store.follow(step).await? {
                Follow::Done if events.len() == READ_MAX => {}
                // Another node was faster; it goes on.
                Follow::Done | Follow::Conflict => return Ok(()),
                Follow::Full => {
                    tracing::warn!(webhook = receiver.name, "the outbox is full; events wait in the audit");
                    return Ok(());
                }
            }
        }
    }

    async fn forget_strangers(&self) -> Result<(), Doubt> {
        for (follower, _) in self.store.followers().await? {
            let is_ours = self.receivers.iter().any(|receiver| receiver.follower() == follower);
            if follower.starts_with(FOLLOWER) && !is_ours && self.store.forget_follower(&follower).await? {
                tracing::info!(follower, "is no longer configured and was forgotten");
            }
        }
        Ok(())
    }
}

/// What follows for a receiver from these events.
pub(super) fn deliveries(
    receiver: &Receiver,
    events: &[Event],
    now: Timestamp,
) -> serde_json::Result<Vec<Delivery>> {
    let wanted = events.iter().filter(|event| receiver.wants(event.event.kind));
    wanted.map(|event| message::delivery(&receiver.name, event, now)).collect()
}

/// How many events are read at once.
pub(super) const READ_MAX: usize = 100;
/// How long an event may lie in the audit before it is on its way.
const EVERY: Duration = Duration::from_secs(1);
