//! Sessions in memory.

use crate::memory::MemoryStore;
use crate::memory::tables::{FeedItem, Tables};
use crate::{
    Change, Commit, CreateSession, Cursor, FeedEntry, FeedSubject, Leaving, LinkPurpose, Loaded, NewEvent,
    NewSession, SessionStore, StoreError, SubjectChange, SubjectEnd, SubjectUpdate, SweepOrder, Swept,
};
use relatch_core::{Epoch, Revocation, Session, Standing, State, Update};
use relatch_token::{SessionId, Timestamp, UserId};

#[async_trait::async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.with(|tables| tables.load(id))
    }

    async fn commit(&self, change: Change) -> Result<Commit, StoreError> {
        self.with(|tables| tables.commit(change))
    }

    async fn create(&self, new: NewSession) -> Result<CreateSession, StoreError> {
        self.with(|tables| tables.create(new))
    }

    async fn list(&self, user: UserId, now: Timestamp, limit: usize) -> Result<Vec<Session>, StoreError> {
        self.with(|tables| tables.list(user, now, limit))
    }

    async fn revoke_subject(&self, change: SubjectChange) -> Result<SubjectEnd, StoreError> {
        self.with(|tables| tables.revoke_subject(change).unwrap_or(SubjectEnd::Conflict))
    }

    async fn sweep(&self, order: SweepOrder) -> Result<Swept, StoreError> {
        self.with(|tables| tables.sweep(&order))
    }

    async fn changes_since(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        self.with(|tables| tables.changes_since(after, limit))
    }

    async fn feed_head(&self) -> Result<Cursor, StoreError> {
        self.with(|tables| tables.feed.head())
    }
}

impl Tables {
    fn load(&self, id: SessionId) -> Option<Loaded> {
        let session = self.sessions.get(&id)?.clone();
        let user = self.user_of(&session)?.clone();
        Some(Loaded { session, user })
    }

    pub(super) fn commit(&mut self, change: Change) -> Commit {
        let Some(session) = self.sessions.get_mut(&change.session_id) else { return Commit::Conflict };
        if session.version != change.expected || session.state != State::Live {
            return Commit::Conflict;
        }
        let account = self.accounts.get(&session.user_id);
        let has_ended = account.is_none_or(|it| it.user.standing.ended(session.epoch).is_some());
        if matches!(change.update, Update::MoveHead(_)) && has_ended {
            return Commit::Conflict;
        }
        let before = session.head;
        change.update.apply(session);
        let changed = session.clone();
        let event = change.event.map(|event| self.events.push(event));
        match change.update {
            Update::MoveHead(_) => self.moves.push(change.session_id, before, event),
            Update::Revoke(revocation) => {
                self.moves.settle(change.session_id);
                self.see_device(&changed);
                self.tell_verifiers(revocation.at, FeedSubject::Session(change.session_id));
            }
        }
        Commit::Done
    }

    fn create(&mut self, new: NewSession) -> CreateSession {
        let session = new.session;
        let Some(account) = self.accounts.get(&session.user_id) else { return CreateSession::Conflict };
        let standing = account.user.standing;
        let is_welcome = standing.disabled_at.is_none() && standing.not_before == session.epoch;
        if !is_welcome || self.sessions.contains_key(&session.id) {
            return CreateSession::Conflict;
        }
        if let Some(room) = new.room {
            let live = self.list(session.user_id, new.event.at, usize::MAX);
            let Some(leaving) = room.clear(&session, live) else { return CreateSession::Full };
            leaving.iter().for_each(|one| self.make_leave(one, &new.event));
        }
        self.meet_device(&session, new.device_id);
        self.sessions_of.entry(session.user_id).or_default().push(session.id);
        self.sessions.insert(session.id, session);
        self.events.push(new.event);
        CreateSession::Done
    }

    fn make_leave(&mut self, leaving: &Leaving, beginning: &NewEvent) {
        let (session_id, expected) = (leaving.session.id, leaving.session.version);
        let update = Update::Revoke(leaving.revocation(beginning));
        self.commit(Change { session_id, expected, update, event: Some(leaving.event(beginning)) });
    }

    fn list(&self, user: UserId, now: Timestamp, limit: usize) -> Vec<Session> {
        let Some(account) = self.accounts.get(&user) else { return Vec::new() };
        let newest_first = self.sessions_of(user).rev();
        newest_first
            .filter(|session| session.check(&account.user.standing, now).is_ok())
            .take(limit)
            .cloned()
            .collect()
    }

    /// `None` is a conflict: nothing was written.
    fn revoke_subject(&mut self, change: SubjectChange) -> Option<SubjectEnd> {
        let user_id = change.user_id;
        let before = self.accounts.get(&user_id)?.user.standing;
        if change.expected.is_some_and(|expected| expected != before.not_before) {
            return None;
        }
        if let Some(SubjectUpdate::PasswordByLink(_, hash)) = &change.update {
            let link = self.good_link(*hash, LinkPurpose::ResetPassword, change.at)?;
            if link.user_id != user_id {
                return None;
            }
        }

        let epoch = Epoch(before.not_before.0 + 1);
        let kept = self.kept(&change, &before);
        let live: Vec<Session> = self.list(user_id, change.at, usize::MAX);
        live.iter().for_each(|session| self.see_device(session));
        if let Some(session) = kept.and_then(|id| self.sessions.get_mut(&id)) {
            session.epoch = epoch;
            session.version.0 += 1;
            self.moves.settle(session.id);
        }
        if let Some(account) = self.accounts.get_mut(&user_id) {
            account.user.standing.not_before = epoch;
            account.user.standing.moved = Some(Revocation { at: change.at, reason: change.reason });
        }
        self.events.push(change.event);
        if let Some(update) = change.update {
            self.update_account(user_id, update, change.at);
        }
        self.tell_verifiers(change.at, FeedSubject::User { user_id, keep: kept });
        Some(SubjectEnd::Done { revoked: (live.len() - usize::from(kept.is_some())) as u64, epoch })
    }

    /// The session that goes on: the user's own, live, and not of a user who may not come back.
    fn kept(&self, change: &SubjectChange, before: &Standing) -> Option<SessionId> {
        let session = self.sessions.get(&change.keep?)?;
        let may_stay = !matches!(change.update, Some(SubjectUpdate::Disable | SubjectUpdate::Delete))
            && session.user_id == change.user_id
            && session.check(before, change.at).is_ok();
        may_stay.then_some(session.id)
    }

    fn changes_since(&self, after: Cursor, limit: usize) -> Vec<FeedEntry> {
        self.feed
            .after(after)
            .map(|(cursor, item)| FeedEntry { cursor, at: item.at, subject: item.subject.clone() })
            .take(limit)
            .collect()
    }

    pub(super) fn tell_verifiers(&mut self, at: Timestamp, subject: FeedSubject) {
        self.feed.push(FeedItem { at, subject });
    }
}
