//! A list that only grows at its end and shrinks anywhere; the audit and the feed are two of them.

use crate::memory::MemoryStore;
use crate::memory::tables::Tables;
use crate::{Cursor, Event, EventFilter, EventStore, NewEvent, StoreError};
use std::collections::BTreeMap;

/// Entries by their place. A place is never given twice, whatever leaves.
#[derive(Clone)]
pub(super) struct Log<T> {
    head: Cursor,
    entries: BTreeMap<Cursor, T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { head: Cursor::default(), entries: BTreeMap::new() }
    }
}

impl<T> Log<T> {
    pub(super) fn push(&mut self, entry: T) -> Cursor {
        self.head.0 += 1;
        self.entries.insert(self.head, entry);
        self.head
    }

    /// The place of the newest entry that ever was.
    pub(super) fn head(&self) -> Cursor {
        self.head
    }

    /// Entries after a place, the oldest first.
    pub(super) fn after(&self, place: Cursor) -> impl Iterator<Item = (Cursor, &T)> {
        self.entries.range(Cursor(place.0.saturating_add(1))..).map(|(cursor, entry)| (*cursor, entry))
    }

    /// Entries before a place, the newest first.
    pub(super) fn before(&self, place: Cursor) -> impl Iterator<Item = (Cursor, &T)> {
        self.entries.range(..place).rev().map(|(cursor, entry)| (*cursor, entry))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &T> {
        self.entries.values()
    }

    /// Every entry, to be rewritten in its place.
    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.values_mut()
    }

    pub(super) fn forget(&mut self, place: Cursor) {
        self.entries.remove(&place);
    }

    /// Drops at most `most` entries, the oldest first, that `is_old`; answers how many.
    pub(super) fn drop_old(&mut self, most: usize, is_old: impl Fn(Cursor, &T) -> bool) -> usize {
        let old: Vec<Cursor> = self
            .entries
            .iter()
            .filter(|(cursor, entry)| is_old(**cursor, entry))
            .map(|(cursor, _)| *cursor)
            .take(most)
            .collect();
        old.iter().for_each(|cursor| self.forget(*cursor));
        old.len()
    }
}

impl Tables {
    pub(super) fn record(&mut self, event: NewEvent) {
        if self.accounts.contains_key(&event.user_id) {
            self.events.push(event);
        }
    }

    fn events(&self, filter: &EventFilter) -> Vec<Event> {
        let is_wanted = |event: &NewEvent| {
            filter.user_id.is_none_or(|user| user == event.user_id)
                && filter.session_id.is_none_or(|session| Some(session) == event.session_id)
        };
        self.events
            .before(filter.before.unwrap_or(Cursor(u64::MAX)))
            .filter(|(_, event)| is_wanted(event))
            .map(|(cursor, event)| Event { cursor, event: event.clone() })
            .take(filter.limit.min(EventFilter::LIMIT_MAX))
            .collect()
    }
}

#[async_trait::async_trait]
impl EventStore for MemoryStore {
    async fn record(&self, event: NewEvent) -> Result<(), StoreError> {
        self.with(|tables| tables.record(event))
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        self.with(|tables| tables.events(&filter))
    }
}
