//! What has to reach the world outside: sealed, queued with what it belongs to, and delivered until it arrived.

mod back_off;
mod seal;
mod worker;

pub use back_off::GIVEN_UP_AFTER;
pub use worker::{Carrier, Outcome, Parcel, Worker};

use crate::environment::EntropyExt;
use crate::sessions::{Doubt, Surroundings};
use metrics::{counter, describe_counter, describe_gauge};
use relatch_store::{Channel, Delivery, DeliveryId, Enqueue, Store, Waiting};
use relatch_token::{KeyRing, Secret, Timestamp, UserId};
use std::sync::Arc;
use tokio::sync::Notify;

/// What an operator should know of a queue, if anything.
pub fn trouble(waiting: Waiting, now: Timestamp) -> Option<String> {
    let minutes = (now.as_millis() - waiting.oldest_at?.as_millis()) / 60_000;
    (minutes >= LATE_MINUTES).then(|| format!("{} waiting, the oldest for {minutes} minutes", waiting.count))
}

/// Where deliveries are made and queued.
#[derive(Clone)]
pub struct Outbox(Arc<Parts>);

struct Parts {
    store: Arc<dyn Store>,
    ring: Arc<KeyRing>,
    surroundings: Surroundings,
    /// Rung when something new is queued.
    bell: Notify,
}

impl Outbox {
    /// An outbox that keeps its deliveries in `store`, sealed under the keys of `ring`.
    pub fn new(store: Arc<dyn Store>, ring: Arc<KeyRing>, surroundings: Surroundings) -> Self {
        describe_counter!("relatch_deliveries_total", "Attempts to deliver, by channel and outcome.");
        describe_gauge!("relatch_outbox_waiting", "Deliveries that wait, by channel.");
        describe_gauge!(
            "relatch_outbox_oldest_seconds",
            "How long the oldest delivery has waited, by channel."
        );
        Self(Arc::new(Parts { store, ring, surroundings, bell: Notify::new() }))
    }

    /// A delivery that is due at once, sealed. It leaves with its user, where it has one.
    pub fn delivery(&self, channel: Channel, user_id: Option<UserId>, open: &Secret<Vec<u8>>) -> Delivery {
        let Parts { ring, surroundings, .. } = &*self.0;
        let id = DeliveryId(surroundings.entropy.array());
        let payload = seal::seal(ring, id, &channel, open, &*surroundings.entropy);
        let now = surroundings.clock.now();
        Delivery { id, channel, user_id, payload, created_at: now, due_at: now, attempts: 0 }
    }

    /// Queues a delivery by itself.
    pub async fn enqueue(&self, delivery: Delivery) -> Result<(), Doubt> {
        let answer = self.0.store.enqueue(vec![delivery]).await?;
        self.queued(answer);
        Ok(())
    }

    /// To be told how a write ended that queued something: wakes the workers, or says that there is no room.
    pub fn queued(&self, answer: Enqueue) {
        match answer {
            Enqueue::Done => self.0.bell.notify_waiters(),
            Enqueue::Full => {
                counter!("relatch_deliveries_total", "channel" => "any", "outcome" => "no_room").increment(1);
                tracing::error!(
                    "the outbox is full and a message was dropped; see why nothing leaves (`relatch doctor`)"
                );
            }
        }
    }
}

/// A server that is restarted, or one that asks us to come back, takes less.
const LATE_MINUTES: i64 = 10;
