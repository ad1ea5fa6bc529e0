//! The store under the faults, and how it loses its last moves of heads.

use crate::timeline::wait_here;
use anyhow::{Context, Result};
use relatch_core::{Head, State, Update};
use relatch_sqlite::{Options, SqliteStore};
use relatch_store::memory::MemoryStore;
use relatch_store::{Change, Commit, SessionStore, Store};
use relatch_token::SessionId;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// Which store to simulate on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StoreKind {
    /// Plain tables in memory.
    Memory,
    /// A SQLite file in a temporary folder.
    Sqlite,
}

/// A store that can be made to forget.
pub(crate) enum Backend {
    /// It forgets by itself.
    Memory(Arc<MemoryStore>),
    /// It never forgets what it acknowledged, so that heads are put back by hand.
    Sqlite {
        store: Arc<SqliteStore>,
        /// The newest moves, the oldest first: the head that was.
        moves: Mutex<Vec<(SessionId, Head)>>,
        _folder: TempDir,
    },
}

impl Backend {
    /// An empty store.
    pub(crate) fn open(kind: StoreKind) -> Result<Self> {
        match kind {
            StoreKind::Memory => Ok(Self::Memory(Arc::new(MemoryStore::new(INSTANCE_ID)))),
            StoreKind::Sqlite => {
                let folder = tempfile::tempdir().context("no temporary folder could be made")?;
                let store = SqliteStore::open(&folder.path().join("sim.db"), Options::new(INSTANCE_ID))?;
                Ok(Self::Sqlite { store: Arc::new(store), moves: Mutex::default(), _folder: folder })
            }
        }
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(store) => &**store,
            Self::Sqlite { store, .. } => &**store,
        }
    }

    /// Applies a change, and remembers what it would take to forget it.
    pub(crate) fn commit(&self, change: Change) -> Result<Commit, relatch_store::StoreError> {
        let Self::Sqlite { store, moves, .. } = self else { return wait_here(self.store().commit(change)) };
        let id = change.session_id;
        let before = wait_here(store.load(id))?.map(|loaded| loaded.session.head);
        let is_move = matches!(change.update, Update::MoveHead(_));
        let commit = wait_here(store.commit(change))?;
        let mut moves = moves.lock().unwrap_or_else(PoisonError::into_inner);
        match (commit, before) {
            (Commit::Done, Some(head)) if is_move => moves.push((id, head)),
            // What was written durably keeps the moves before it.
            (Commit::Done, _) => moves.retain(|(session, _)| *session != id),
            (Commit::Conflict, _) => {}
        }
        Ok(commit)
    }

    /// Undoes the newest moves of heads, revoked rows excepted; answers how many.
    pub(crate) fn lose_last_moves(&self, count: usize) -> usize {
        match self {
            Self::Memory(store) => store.lose_last_moves(count),
            Self::Sqlite { store, moves, .. } => {
                let mut moves = moves.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = moves.len().saturating_sub(count);
                let lost = moves.split_off(kept);
                lost.into_iter().rev().filter(|(id, head)| put_back(store, *id, *head)).count()
            }
        }
    }
}

/// Puts a head back. The version goes up rather than back, which nobody can tell: a crash leaves no request
/// that was decided on the old one.
fn put_back(store: &SqliteStore, session_id: SessionId, head: Head) -> bool {
    let Ok(Some(loaded)) = wait_here(store.load(session_id)) else { return false };
    let expected = loaded.session.version;
    let change = Change { session_id, expected, update: Update::MoveHead(head), event: None };
    loaded.session.state == State::Live && wait_here(store.commit(change)) == Ok(Commit::Done)
}

/// The name of every simulated database.
pub(crate) const INSTANCE_ID: [u8; 16] = *b"relatch-sim-0001";
