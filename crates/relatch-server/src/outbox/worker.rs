//! The queue's worker: takes what is due, has it carried, and says how that went. One for each kind of channel.

use super::back_off::next_attempt;
use super::{Outbox, seal};
use crate::environment::EntropyExt;
use crate::keys::aead::Shut;
use metrics::{counter, gauge};
use relatch_store::{Channel, ChannelKind, Delivery, DeliveryId, Settlement, StoreError, Waiting};
use relatch_token::{Seconds, Secret, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a worker hands to its carrier, opened.
#[derive(Debug)]
pub struct Parcel {
    /// Its stable name, in hexadecimal: what a receiver drops doubles by.
    pub name: String,
    /// Which way it goes.
    pub channel: Channel,
    /// What was queued.
    pub payload: Secret<Vec<u8>>,
    /// When.
    pub created_at: Timestamp,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}

/// How a carrier fared. The reason goes to the log: no secret, no address of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It did not, and may another time.
    Later(String),
    /// It never will.
    Never(String),
}

/// Who carries parcels of one kind of channel.
#[async_trait::async_trait]
pub trait Carrier: Send + Sync {
    /// Of which kind.
    fn kind(&self) -> ChannelKind;

    /// After how long an attempt counts as failed.
    fn timeout(&self) -> Duration;

    /// Carries a parcel to its receiver. May be dropped half-way, when the time is over or the server stops.
    async fn carry(&self, parcel: Parcel) -> Outcome;
}

/// A queue and who empties it.
pub struct Worker {
    outbox: Outbox,
    carrier: Arc<dyn Carrier>,
    stopping: watch::Receiver<bool>,
}

impl Worker {
    /// A worker that stops taking when `stopping` turns true.
    pub fn new(outbox: Outbox, carrier: Arc<dyn Carrier>, stopping: watch::Receiver<bool>) -> Self {
        Self { outbox, carrier, stopping }
    }

    /// Works until it is told to stop, then finishes what it has taken. What it leaves unfinished because it
    /// is dropped is due again when its lease ends.
    pub async fn run(mut self) {
        let mut running = JoinSet::new();
        loop {
            // Asked for before the look, so that what is queued right after it still rings.
            let outbox = self.outbox.clone();
            let bell = outbox.0.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            let pause = match self.take(AT_ONCE_MAX - running.len()).await {
                Ok(Taken::Parcels(deliveries)) => {
                    for delivery in deliveries {
                        let (outbox, carrier) = (self.outbox.clone(), Arc::clone(&self.carrier));
                        running.spawn(deliver(outbox, carrier, delivery));
                    }
                    Duration::ZERO
                }
                Ok(Taken::Nothing { pause }) => pause,
                Err(error) => {
                    tracing::warn!(%error, "the outbox can't be read; trying again");
                    PAUSE_MAX
                }
            };
            let is_busy = running.len() >= AT_ONCE_MAX;
            tokio::select! {
                Ok(_) = self.stopping.wait_for(|stop| *stop) => break,
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = &mut bell, if !is_busy => {}
                () = tokio::time::sleep(pause), if !is_busy => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn take(&self, room: usize) -> Result<Taken, StoreError> {
        let (store, now) = (&self.outbox.0.store, self.outbox.0.surroundings.clock.now());
        let kind = self.carrier.kind();
        // Read first: a look that finds nothing must not take the writer's time.
        let waiting = store.waiting(kind).await?;
        show(kind, waiting, now);
        match waiting.next_due_at {
            Some(due_at) if due_at <= now && room > 0 => {
                let lease = self.carrier.timeout() + LEASE_MARGIN;
                let lease_until = now + Seconds(u32::try_from(lease.as_secs()).unwrap_or(u32::MAX));
                Ok(Taken::Parcels(store.take_due(kind, now, lease_until, room).await?))
            }
            Some(due_at) => {
                let until = due_at.as_millis().saturating_sub(now.as_millis()).max(1).unsigned_abs();
                Ok(Taken::Nothing { pause: Duration::from_millis(until).min(PAUSE_MAX) })
            }
            None => Ok(Taken::Nothing { pause: PAUSE_MAX }),
        }
    }
}

enum Taken {
    Parcels(Vec<Delivery>),
    Nothing { pause: Duration },
}

/// The words by which metrics name a channel.
pub(super) fn word_of(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Mail => "mail",
        ChannelKind::Webhook => "webhook",
    }
}

fn show(kind: ChannelKind, waiting: Waiting, now: Timestamp) {
    let word = word_of(kind);
    gauge!("relatch_outbox_waiting", "channel" => word).set(waiting.count as f64);
    let age = waiting.oldest_at.map_or(0, |at| (now.as_millis() - at.as_millis()).max(0) / 1000);
    gauge!("relatch_outbox_oldest_seconds", "channel" => word).set(age as f64);
}

async fn deliver(outbox: Outbox, carrier: Arc<dyn Carrier>, delivery: Delivery) {
    let Delivery { id, channel, payload, created_at, attempts, .. } = delivery;
    let name = seal::name_of(id);
    let outcome = match seal::open(&outbox.0.ring, id, &channel, &payload) {
        Ok(payload) => {
            let parcel = Parcel { name: name.clone(), channel, payload, created_at, attempt: attempts };
            let limit = carrier.timeout();
            match tokio::time::timeout(limit, carrier.carry(parcel)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::Later(format!("no answer within {} s", limit.as_secs())),
            }
        }
        // An operator may still bring the master key back.
        Err(Shut::NoSuchMaster) => {
            Outcome::Later("the master key that sealed it is not configured; give it back".into())
        }
        Err(Shut::WrongMaster) => Outcome::Never("its seal does not open: another key, or changed".into()),
    };
    let (clock, entropy) = (&outbox.0.surroundings.clock, &outbox.0.surroundings.entropy);
    let dice = u16::from_le_bytes(entropy.array());
    let settlement = match &outcome {
        Outcome::Delivered => Settlement::Delivered,
        Outcome::Never(_) => Settlement::GivenUp,
        Outcome::Later(_) => match next_attempt(attempts, created_at, clock.now(), dice) {
            Some(at) => Settlement::Retry { at },
            None => Settlement::GivenUp,
        },
    };
    tell(word_of(carrier.kind()), &name, attempts, &outcome, settlement);
    settle(&outbox, id, attempts, settlement).await;
}

fn tell(channel: &'static str, delivery: &str, attempt: u32, outcome: &Outcome, settlement: Settlement) {
    let word = match settlement {
        Settlement::Delivered => "delivered",
        Settlement::Retry { .. } => "put_off",
        Settlement::GivenUp => "given_up",
    };
    counter!("relatch_deliveries_total", "channel" => channel, "outcome" => word).increment(1);
    match (outcome, settlement) {
        (Outcome::Delivered, _) => tracing::debug!(channel, delivery, attempt, "delivered"),
        (Outcome::Later(why), Settlement::Retry { .. }) => {
            tracing::warn!(channel, delivery, attempt, why, "not delivered yet; trying again");
        }
        (Outcome::Later(why) | Outcome::Never(why), _) => {
            tracing::error!(channel, delivery, attempt, why, "given up: this was never delivered");
        }
    }
}

/// Without this word the delivery is due again when its lease ends: a double, and no loss.
async fn settle(outbox: &Outbox, id: DeliveryId, attempt: u32, settlement: Settlement) {
    for _ in 0..SETTLE_TRIES_MAX {
        match outbox.0.store.settle(id, attempt, settlement).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "how a delivery went could not be kept; trying again"),
        }
        tokio::time::sleep(PAUSE_MAX).await;
    }
}

/// Kinder to small mail servers than to be fast; a thousand messages still leave in a minute or two.
const AT_ONCE_MAX: usize = 8;
/// Another node may queue something without ringing here, and a test clock may be moved.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Beyond its timeout an attempt has this long to say how it went.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// A store that is away for longer has other worries than one double.
const SETTLE_TRIES_MAX: usize = 3;
