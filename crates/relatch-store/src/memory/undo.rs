//! The moves of heads that a crash could still undo, where they aren't flushed one by one.

use crate::Cursor;
use crate::memory::tables::Tables;
use relatch_core::Head;
use relatch_token::SessionId;
use std::collections::VecDeque;

/// The newest moves, the oldest first.
#[derive(Clone, Default)]
pub(super) struct Moves(VecDeque<Move>);

/// One move: the head that was, and the event that told of it.
#[derive(Clone)]
struct Move {
    session_id: SessionId,
    before: Head,
    event: Option<Cursor>,
}

impl Moves {
    pub(super) fn push(&mut self, session_id: SessionId, before: Head, event: Option<Cursor>) {
        if self.0.len() == MOVES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Move { session_id, before, event });
    }

    /// The row was written durably, and its earlier moves with it.
    pub(super) fn settle(&mut self, session_id: SessionId) {
        self.0.retain(|one| one.session_id != session_id);
    }
}

impl Tables {
    /// See [`MemoryStore::lose_last_moves`](crate::memory::MemoryStore::lose_last_moves).
    pub(super) fn lose_last_moves(&mut self, count: usize) -> usize {
        let kept = self.moves.0.len().saturating_sub(count);
        let lost = self.moves.0.split_off(kept);
        for one in lost.iter().rev() {
            if let Some(session) = self.sessions.get_mut(&one.session_id) {
                session.head = one.before;
                session.version.0 -= 1;
            }
            if let Some(cursor) = one.event {
                self.events.forget(cursor);
            }
        }
        lost.len()
    }
}

/// Far more than a crash loses, and little memory.
pub(super) const MOVES_MAX: usize = 1024;
