//! The sweep in memory: some sessions further at each batch, round and round.

use crate::memory::tables::Tables;
use crate::{Cursor, SweepOrder, Swept, UNREAD_KEPT};
use relatch_core::{Session, Standing, State};
use relatch_token::{SessionId, Timestamp, UserId};
use std::ops::Bound;

impl Tables {
    pub(super) fn sweep(&mut self, order: &SweepOrder) -> Swept {
        let most = order.rows_max.max(1);
        let (sessions, is_end) = self.sweep_sessions(order.dead_before, most);
        let events = self.sweep_events(order.events_before, most);
        let feed = self.feed.drop_old(most, |_, item| item.at < order.feed_before);
        let links = self.sweep_links(order.now, most);
        let devices = self.sweep_devices(order.dead_before, most);
        let users = self.sweep_users(order.events_before, most);
        Swept {
            sessions: sessions as u64,
            events: events as u64,
            feed: feed as u64,
            links: links as u64,
            devices: devices as u64,
            users: users as u64,
            is_round_done: is_end && [events, feed, links, devices, users].iter().all(|left| *left < most),
        }
    }

    /// What a follower has not read stays longer.
    fn sweep_events(&mut self, before: Timestamp, most: usize) -> usize {
        let read = self.marks.values().min().copied().unwrap_or(Cursor(u64::MAX));
        self.events.drop_old(most, |cursor, event| {
            event.at < if cursor <= read { before } else { before - UNREAD_KEPT }
        })
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
        self.user_of(session).is_none_or(|user| died_at(session, &user.standing) < before)
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

    /// Removes what is left of users who were deleted before a time, where nothing speaks of them any more.
    fn sweep_users(&mut self, deleted_before: Timestamp, most: usize) -> usize {
        let gone = self.deleted.iter().filter(|(id, deleted)| {
            deleted.at < deleted_before
                && self.sessions_of(**id).next().is_none()
                && !self.events.entries().any(|event| event.user_id == **id)
        });
        let gone: Vec<UserId> = gone.map(|(id, _)| *id).take(most).collect();
        gone.iter().for_each(|id| drop(self.deleted.remove(id)));
        self.users_made.retain(|id| !gone.contains(id));
        gone.len()
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
