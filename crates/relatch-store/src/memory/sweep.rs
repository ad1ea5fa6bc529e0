//! The sweep in memory: some sessions further at each batch, round and round.

use crate::memory::tables::Tables;
use crate::{SweepOrder, Swept};
use relatch_core::{Session, Standing, State};
use relatch_token::{SessionId, Timestamp};
use std::ops::Bound;

impl Tables {
    pub(super) fn sweep(&mut self, order: &SweepOrder) -> Swept {
        let most = order.rows_max.max(1);
        let (sessions, is_end) = self.sweep_sessions(order.dead_before, most);
        let events = self.events.drop_old(most, |event| event.at < order.events_before);
        let feed = self.feed.drop_old(most, |item| item.at < order.feed_before);
        let links = self.sweep_links(order.now, most);
        Swept {
            sessions: sessions as u64,
            events: events as u64,
            feed: feed as u64,
            links: links as u64,
            is_round_done: is_end && events < most && feed < most && links < most,
        }
    }

    /// Looks at the next `most` sessions; answers how many left, and whether those were the last of the round.
    fn sweep_sessions(&mut self, dead_before: Timestamp, most: usize) -> (usize, bool) {
        let start = self.swept_to.map_or(Bound::Unbounded, Bound::Excluded);
        let batch: Vec<SessionId> =
            self.sessions.range((start, Bound::Unbounded)).map(|(id, _)| *id).take(most).collect();
        let is_end = batch.len() < most;
        self.swept_to = if is_end { None } else { batch.last().copied() };
        let dead: Vec<SessionId> = batch.into_iter().filter(|id| self.was_dead(id, dead_before)).collect();
        dead.iter().for_each(|id| self.forget_session(*id));
        (dead.len(), is_end)
    }

    fn was_dead(&self, id: &SessionId, before: Timestamp) -> bool {
        let Some(session) = self.sessions.get(id) else { return false };
        let account = self.accounts.get(&session.user_id);
        account.is_none_or(|account| died_at(session, &account.user.standing) < before)
    }

    fn forget_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.moves.settle(id);
        if let Some(ids) = self.sessions_of.get_mut(&session.user_id) {
            ids.retain(|other| *other != id);
        }
    }

    fn sweep_links(&mut self, now: Timestamp, most: usize) -> usize {
        let expired = self.links.values().filter(|link| link.expires_at <= now).map(|link| link.hash.0);
        let expired: Vec<_> = expired.take(most).collect();
        self.links.retain(|hash, _| !expired.contains(hash));
        expired.len()
    }
}

/// When a session ended or will end, as far as is known now.
fn died_at(session: &Session, user: &Standing) -> Timestamp {
    let by_limits = session.idle_expires_at();
    let by_itself = match session.state {
        State::Live => None,
        State::Revoked(revocation) => Some(revocation.at),
    };
    let by_user = user.ended(session.epoch).map(|revocation| revocation.at);
    [by_itself, by_user].into_iter().flatten().fold(by_limits, Timestamp::min)
}
