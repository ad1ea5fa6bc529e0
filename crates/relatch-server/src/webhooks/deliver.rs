//! From the outbox to the receivers.

use super::message::Message;
use super::{Attempt, Webhooks};
use crate::environment::EntropyExt;
use crate::sessions::Doubt;
use metrics::{counter, gauge};
use relatch_store::{Channel, ChannelKind, Delivery, Settlement};
use relatch_token::Seconds;
use std::time::Duration;
use tokio::task::JoinSet;

impl Webhooks {
    /// Hands on what is due, for ever. What is under way when this is dropped is tried again after its lease.
    pub async fn deliver(self) {
        let mut under_way = JoinSet::new();
        loop {
            while under_way.try_join_next().is_some() {}
            if let Err(doubt) = self.hand_on(&mut under_way).await {
                tracing::warn!(%doubt, "messages to webhooks wait in the outbox");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn hand_on(&self, under_way: &mut JoinSet<()>) -> Result<(), Doubt> {
        let waiting = self.store.waiting(ChannelKind::Webhook).await?;
        gauge!("relatch_webhooks_waiting").set(waiting.count as f64);
        // Looking costs a read; taking would cost the writer a turn.
        if waiting.next_due_at.is_none_or(|due_at| due_at > self.now()) {
            return Ok(());
        }
        loop {
            // Taken no faster than they leave, so that no lease runs out in a queue of our own.
            let free = self.under_way.available_permits();
            let now = self.now();
            let taken = self.store.take_due(ChannelKind::Webhook, now, now + LEASE, free).await?;
            if taken.is_empty() {
                return Ok(());
            }
            for delivery in taken {
                let Ok(permit) = self.under_way.clone().acquire_owned().await else { return Ok(()) };
                let webhooks = self.clone();
                under_way.spawn(async move {
                    webhooks.attempt(delivery).await;
                    drop(permit);
                });
            }
        }
    }

    async fn attempt(&self, delivery: Delivery) {
        let Channel::Webhook(name) = &delivery.channel else { return };
        let settlement = match (self.receiver(name), serde_json::from_slice::<Message>(&delivery.payload)) {
            (Ok(receiver), Ok(message)) => {
                let attempt = receiver.sender.send(&message, self.now()).await;
                self.judge(name, &message.id, &delivery, attempt)
            }
            (Err(_), _) => {
                tracing::info!(webhook = name, "is no longer configured: a message to it was dropped");
                Settlement::GivenUp
            }
            (_, Err(error)) => {
                tracing::error!(%error, webhook = name, "a message in the outbox can't be read and was dropped");
                Settlement::GivenUp
            }
        };
        if let Err(error) = self.store.settle(delivery.id, delivery.attempts, settlement).await {
            tracing::warn!(%error, webhook = name, "how a message fared is not noted: it may be sent again");
        }
    }

    fn judge(&self, name: &str, id: &str, delivery: &Delivery, attempt: Attempt) -> Settlement {
        let outcome = |what: &'static str| {
            counter!("relatch_webhook_attempts_total", "webhook" => name.to_owned(), "outcome" => what)
                .increment(1);
        };
        let (reason, retry_after) = match attempt {
            Attempt::Taken => {
                outcome("taken");
                return Settlement::Delivered;
            }
            Attempt::Unwanted => {
                outcome("given_up");
                tracing::warn!(webhook = name, id, "the receiver wants no such messages any more (410)");
                return Settlement::GivenUp;
            }
            Attempt::Failed { reason, retry_after } => (reason, retry_after),
        };
        let attempts = delivery.attempts;
        let random = u16::from_be_bytes(self.surroundings.entropy.array());
        match pause(attempts, retry_after, random) {
            Some(pause) => {
                outcome("failed");
                tracing::info!(webhook = name, id, attempts, reason, "not taken; it is tried again");
                Settlement::Retry { at: self.now() + pause }
            }
            None => {
                outcome("given_up");
                tracing::warn!(
                    webhook = name,
                    id,
                    attempts,
                    reason,
                    "given up; `relatch webhooks replay` sends it again once the receiver is well"
                );
                Settlement::GivenUp
            }
        }
    }
}

/// How long to wait after so many attempts (from 1), a fifth more or less at random; `None` after the last one.
/// A receiver may ask for more, up to a day.
fn pause(attempts: u32, asked: Option<Seconds>, random: u16) -> Option<Seconds> {
    let usual = *PAUSES_SECONDS.get(attempts.saturating_sub(1) as usize)?;
    let jittered = usual * 4 / 5 + usual * 2 / 5 * u32::from(random) / u32::from(u16::MAX);
    Some(Seconds(jittered.max(asked.map_or(0, |asked| asked.0.min(DAY)))))
}

/// The schedule that Standard Webhooks proposes: over three days in all.
const PAUSES_SECONDS: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, DAY];
const DAY: u32 = 86_400;
/// Longer than any attempt takes.
const LEASE: Seconds = Seconds(60);
const EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_for_three_days_and_then_end() {
        let middle = |attempts| pause(attempts, None, u16::MAX / 2);
        let all: Vec<u32> = (1..).map_while(|n| middle(n).map(|pause| pause.0)).collect();
        assert_eq!(all.len(), PAUSES_SECONDS.len());
        assert!(all.is_sorted() && all.iter().sum::<u32>() > 3 * DAY - DAY / 10, "{all:?}");
        assert_eq!(pause(10, Some(Seconds(5)), 0), None);
    }

    #[test]
    fn a_pause_is_jittered_by_a_fifth_and_never_shorter_than_asked_for() {
        assert_eq!((pause(2, None, 0), pause(2, None, u16::MAX)), (Some(Seconds(240)), Some(Seconds(360))));
        assert_eq!(pause(1, Some(Seconds(120)), 0), Some(Seconds(120)));
        assert_eq!(pause(2, Some(Seconds(120)), 0), Some(Seconds(240)));
        assert_eq!(pause(1, Some(Seconds(u32::MAX)), 0), Some(Seconds(DAY)));
    }
}
