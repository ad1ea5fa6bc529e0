//! The outbox and the followers' marks in memory.

use crate::memory::MemoryStore;
use crate::memory::tables::Tables;
use crate::{
    Channel, ChannelKind, Cursor, Delivery, DeliveryId, Enqueue, Event, EventFilter, Follow, OutboxStore,
    Settlement, Step, StoreError, Waiting,
};
use relatch_token::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

#[async_trait::async_trait]
impl OutboxStore for MemoryStore {
    async fn enqueue(&self, deliveries: Vec<Delivery>) -> Result<Enqueue, StoreError> {
        self.with(|tables| tables.enqueue(deliveries))
    }

    async fn take_due(
        &self,
        kind: ChannelKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.with(|tables| tables.take_due(kind, now, lease_until, limit))
    }

    async fn settle(&self, id: DeliveryId, attempt: u32, settlement: Settlement) -> Result<bool, StoreError> {
        self.with(|tables| tables.settle(id, attempt, settlement).is_some())
    }

    async fn waiting(&self, kind: ChannelKind) -> Result<Waiting, StoreError> {
        self.with(|tables| tables.waiting(kind))
    }

    async fn events_after(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.with(|tables| tables.events_after(after, limit))
    }

    async fn mark(&self, follower: &str) -> Result<Cursor, StoreError> {
        self.with(|tables| *tables.marks.entry(follower.to_owned()).or_insert(tables.events.head()))
    }

    async fn follow(&self, step: Step) -> Result<Follow, StoreError> {
        self.with(|tables| tables.follow(step))
    }

    async fn followers(&self) -> Result<Vec<(String, Cursor)>, StoreError> {
        self.with(|tables| tables.marks.clone().into_iter().collect())
    }

    async fn forget_follower(&self, follower: &str) -> Result<bool, StoreError> {
        self.with(|tables| tables.marks.remove(follower).is_some())
    }
}

impl Tables {
    pub(super) fn enqueue(&mut self, deliveries: Vec<Delivery>) -> Enqueue {
        let queued = self.outbox.len();
        let mut ids: BTreeSet<_> = self.outbox.iter().map(|one| one.id).collect();
        let mut counts: BTreeMap<Channel, usize> = BTreeMap::new();
        self.outbox.iter().for_each(|one| *counts.entry(one.channel.clone()).or_default() += 1);
        for one in deliveries {
            if one.user_id.is_some_and(|id| !self.accounts.contains_key(&id)) || !ids.insert(one.id) {
                continue;
            }
            let count = counts.entry(one.channel.clone()).or_default();
            if *count >= Delivery::WAITING_MAX {
                self.outbox.truncate(queued);
                return Enqueue::Full;
            }
            *count += 1;
            self.outbox.push(one);
        }
        Enqueue::Done
    }

    fn take_due(
        &mut self,
        kind: ChannelKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Vec<Delivery> {
        let is_due = |one: &&mut Delivery| one.channel.kind() == kind && one.due_at <= now;
        let mut due: Vec<_> = self.outbox.iter_mut().filter(is_due).collect();
        due.sort_by_key(|one| one.due_at);
        due.truncate(limit.min(Delivery::TAKEN_MAX));
        let taken = due.into_iter().map(|one| {
            one.due_at = lease_until;
            one.attempts = one.attempts.saturating_add(1);
            one.clone()
        });
        taken.collect()
    }

    /// `None` where nothing was changed.
    fn settle(&mut self, id: DeliveryId, attempt: u32, settlement: Settlement) -> Option<()> {
        let place = self.outbox.iter().position(|one| one.id == id)?;
        if settlement != Settlement::Delivered && self.outbox[place].attempts != attempt {
            return None;
        }
        match settlement {
            Settlement::Retry { at } => self.outbox[place].due_at = at,
            Settlement::Delivered | Settlement::GivenUp => drop(self.outbox.remove(place)),
        }
        Some(())
    }

    fn waiting(&self, kind: ChannelKind) -> Waiting {
        let of_kind = || self.outbox.iter().filter(|one| one.channel.kind() == kind);
        Waiting {
            count: of_kind().count() as u64,
            oldest_at: of_kind().map(|one| one.created_at).min(),
            next_due_at: of_kind().map(|one| one.due_at).min(),
        }
    }

    fn events_after(&self, after: Cursor, limit: usize) -> Vec<Event> {
        let events = self.events.after(after).take(limit.min(EventFilter::LIMIT_MAX));
        events.map(|(cursor, event)| Event { cursor, event: event.clone() }).collect()
    }

    fn follow(&mut self, step: Step) -> Follow {
        if self.marks.get(&step.follower) != Some(&step.from) || step.to < step.from {
            return Follow::Conflict;
        }
        match self.enqueue(step.deliveries) {
            Enqueue::Full => Follow::Full,
            Enqueue::Done => {
                self.marks.insert(step.follower, step.to);
                Follow::Done
            }
        }
    }
}
