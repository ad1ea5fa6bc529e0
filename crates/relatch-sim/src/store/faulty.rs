//! A store as one request sees it: slow, away, unsure; and counting what it applied for that request.

use super::{Backend, Faults};
use crate::plant::Plant;
use crate::timeline::{Timeline, wait_here};
use relatch_core::{State, Update};
use relatch_store::{
    Change, Commit, CreateSession, Cursor, EventStore, FeedEntry, Loaded, NewEvent, NewSession, SessionStore,
    StoreError, SubjectChange, SubjectEnd, SweepOrder, Swept,
};
use relatch_token::{SessionId, Timestamp, UserId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Changes that were applied for one request.
#[derive(Default)]
pub(crate) struct Meter(AtomicU32);

impl Meter {
    /// How many so far.
    pub(crate) fn writes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self, is_applied: bool) {
        self.0.fetch_add(u32::from(is_applied), Ordering::Relaxed);
    }
}

/// The store of one request.
pub(crate) struct FaultyStore {
    pub(crate) backend: Arc<Backend>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) timeline: Timeline,
    pub(crate) meter: Arc<Meter>,
    pub(crate) plant: Option<Plant>,
    /// Rows as they were first read, for the plant that reads stale ones.
    pub(crate) stale: Arc<Mutex<BTreeMap<SessionId, Loaded>>>,
}

impl FaultyStore {
    /// Lets a verb happen as the faults will have it; `verb` itself takes no virtual time.
    pub(super) async fn suffer<T>(
        &self,
        verb: impl FnOnce() -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let fate = self.faults.draw();
        self.timeline.sleep(fate.before).await;
        if fate.fails_before || self.faults.is_down() {
            self.faults.note(|counts| counts.unavailable += 1);
            return Err(StoreError::Unavailable("it does not answer (simulated)".into()));
        }
        let outcome = verb();
        self.timeline.sleep(fate.after).await;
        if fate.fails_after {
            self.faults.note(|counts| counts.unknown += 1);
            return Err(StoreError::Unavailable("its answer was lost (simulated)".into()));
        }
        outcome
    }

    /// A row that other requests may have changed since.
    fn stale(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        let mut rows = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get(&id).filter(|row| row.session.state == State::Live) {
            return Ok(Some(row.clone()));
        }
        let row = wait_here(self.backend.store().load(id))?;
        rows.extend(row.clone().map(|row| (id, row)));
        Ok(row)
    }
}

#[async_trait::async_trait]
impl SessionStore for FaultyStore {
    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.suffer(|| match self.plant {
            Some(Plant::StaleReads) => self.stale(id),
            _ => wait_here(self.backend.store().load(id)),
        })
        .await
    }

    async fn commit(&self, change: Change) -> Result<Commit, StoreError> {
        let is_end = matches!(change.update, Update::Revoke(_));
        self.suffer(|| {
            if is_end && self.plant == Some(Plant::ForgetsRevokes) {
                return Ok(Commit::Done);
            }
            let commit = self.backend.commit(change)?;
            self.meter.count(commit == Commit::Done);
            Ok(commit)
        })
        .await
    }

    async fn create(&self, new: NewSession) -> Result<CreateSession, StoreError> {
        self.suffer(|| {
            let create = wait_here(self.backend.store().create(new))?;
            self.meter.count(create == CreateSession::Done);
            Ok(create)
        })
        .await
    }

    async fn list(
        &self,
        user: UserId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<relatch_core::Session>, StoreError> {
        self.suffer(|| wait_here(self.backend.store().list(user, now, limit))).await
    }

    async fn revoke_subject(&self, change: SubjectChange) -> Result<SubjectEnd, StoreError> {
        self.suffer(|| {
            let end = wait_here(self.backend.store().revoke_subject(change))?;
            self.meter.count(end != SubjectEnd::Conflict);
            Ok(end)
        })
        .await
    }

    async fn sweep(&self, order: SweepOrder) -> Result<Swept, StoreError> {
        self.suffer(|| wait_here(self.backend.store().sweep(order))).await
    }

    async fn changes_since(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        self.suffer(|| wait_here(self.backend.store().changes_since(after, limit))).await
    }

    async fn feed_head(&self) -> Result<Cursor, StoreError> {
        self.suffer(|| wait_here(self.backend.store().feed_head())).await
    }
}

#[async_trait::async_trait]
impl EventStore for FaultyStore {
    async fn record(&self, event: NewEvent) -> Result<(), StoreError> {
        self.suffer(|| {
            wait_here(self.backend.store().record(event))?;
            self.meter.count(true);
            Ok(())
        })
        .await
    }

    async fn events(
        &self,
        filter: relatch_store::EventFilter,
    ) -> Result<Vec<relatch_store::Event>, StoreError> {
        self.suffer(|| wait_here(self.backend.store().events(filter))).await
    }
}
