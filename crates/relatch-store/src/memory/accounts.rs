//! Accounts in memory.

use crate::memory::MemoryStore;
use crate::memory::tables::{Account, Deleted, Tables};
use crate::{
    AccountStore, CreateUser, Delivery, EmailChange, Enqueue, Link, LinkAddress, LinkHash, LinkPurpose,
    NewEvent, NewUser, PasswordHash, StoreError, SubjectUpdate, User, UserEmail, UserKey,
};
use relatch_core::{EventKind, Origin, Revocation, RevokeReason, State};
use relatch_token::{Timestamp, UserId};

#[async_trait::async_trait]
impl AccountStore for MemoryStore {
    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError> {
        self.with(|tables| tables.create_user(new))?
    }

    async fn user(&self, key: &UserKey) -> Result<Option<User>, StoreError> {
        self.with(|tables| tables.account(key).map(|account| account.user.clone()))
    }

    async fn credentials(&self, key: &UserKey) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        self.with(|tables| {
            tables.account(key).map(|account| (account.user.clone(), account.password.clone()))
        })
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.with(|tables| tables.users(after, limit))
    }

    async fn upgrade_password(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: PasswordHash,
        event: NewEvent,
    ) -> Result<(), StoreError> {
        self.with(|tables| tables.upgrade_password(user, old, new, event))
    }

    async fn enable_user(&self, user: UserId, event: NewEvent) -> Result<(), StoreError> {
        self.with(|tables| tables.enable_user(user, event))
    }

    async fn add_link(&self, link: Link) -> Result<(), StoreError> {
        self.with(|tables| tables.add_link(link))
    }

    async fn post_link(
        &self,
        link: Link,
        event: Option<NewEvent>,
        deliveries: Vec<Delivery>,
    ) -> Result<Enqueue, StoreError> {
        self.with(|tables| tables.post_link(link, event, deliveries))
    }

    async fn link(
        &self,
        hash: LinkHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<Link>, StoreError> {
        self.with(|tables| tables.good_link(hash, purpose, now).cloned())
    }

    async fn verify_email(&self, hash: LinkHash, event_at: Timestamp) -> Result<Option<UserId>, StoreError> {
        self.with(|tables| tables.verify_email(hash, event_at))
    }

    async fn change_email(
        &self,
        hash: LinkHash,
        at: Timestamp,
        origin: Origin,
    ) -> Result<EmailChange, StoreError> {
        self.with(|tables| tables.change_email(hash, at, origin))
    }
}

impl Tables {
    fn create_user(&mut self, new: NewUser) -> Result<CreateUser, StoreError> {
        let user = new.user;
        let (email, external_id) = (user.email.as_ref().map(|email| &email.unique_key), &user.external_id);
        if email.is_some_and(|key| self.by_email.contains_key(key)) {
            return Ok(CreateUser::EmailTaken);
        }
        if external_id.as_ref().is_some_and(|name| self.by_external.contains_key(name)) {
            return Ok(CreateUser::ExternalIdTaken);
        }
        if self.accounts.contains_key(&user.id) || self.deleted.contains_key(&user.id) {
            return Err(StoreError::Unavailable("that user id is somebody's; draw another one".into()));
        }
        self.by_email.extend(email.map(|key| (key.clone(), user.id)));
        self.by_external.extend(external_id.clone().map(|name| (name, user.id)));
        self.users_made.push(user.id);
        self.accounts.insert(user.id, Account::new(user, new.password));
        self.events.push(new.event);
        if let Some((link, delivery)) = new.welcome {
            self.post_link(link, None, vec![delivery]);
        }
        Ok(CreateUser::Done)
    }

    fn users(&self, after: Option<UserId>, limit: usize) -> Vec<User> {
        let start = match after {
            None => 0,
            Some(last) => {
                self.users_made.iter().position(|id| *id == last).map_or(self.users_made.len(), |at| at + 1)
            }
        };
        let accounts = self.users_made[start..].iter().filter_map(|id| self.accounts.get(id));
        accounts.take(limit).map(|account| account.user.clone()).collect()
    }

    fn upgrade_password(&mut self, user: UserId, old: &PasswordHash, new: PasswordHash, event: NewEvent) {
        if let Some(account) = self.accounts.get_mut(&user)
            && account.password.as_ref() == Some(old)
        {
            account.password = Some(new);
            self.events.push(event);
        }
    }

    fn enable_user(&mut self, user: UserId, event: NewEvent) {
        if let Some(account) = self.accounts.get_mut(&user)
            && account.user.standing.disabled_at.take().is_some()
        {
            self.events.push(event);
        }
    }

    fn add_link(&mut self, link: Link) {
        if self.accounts.contains_key(&link.user_id) {
            self.links.retain(|_, old| (old.user_id, old.purpose) != (link.user_id, link.purpose));
            self.links.insert(link.hash.0, link);
        }
    }

    fn post_link(&mut self, link: Link, event: Option<NewEvent>, deliveries: Vec<Delivery>) -> Enqueue {
        if !self.accounts.contains_key(&link.user_id) {
            return Enqueue::Done;
        }
        let answer = self.enqueue(deliveries);
        if answer == Enqueue::Done {
            self.add_link(link);
            event.into_iter().for_each(|event| self.record(event));
        }
        answer
    }

    /// The link where it is of that purpose, unexpired, not from before the last password (but to prove an
    /// address), and the account still at the address that it was mailed to (but to leave it).
    pub(super) fn good_link(&self, hash: LinkHash, purpose: LinkPurpose, now: Timestamp) -> Option<&Link> {
        let link = self.links.get(&hash.0)?;
        let user = &self.accounts.get(&link.user_id)?.user;
        let is_of_epoch = purpose == LinkPurpose::VerifyEmail || link.epoch == user.standing.not_before;
        let is_there = user.email.as_ref().is_some_and(|email| email.unique_key == link.to.unique_key);
        let is_addressed = purpose == LinkPurpose::ChangeEmail || is_there;
        (link.purpose == purpose && now < link.expires_at && is_of_epoch && is_addressed).then_some(link)
    }

    fn change_email(&mut self, hash: LinkHash, at: Timestamp, origin: Origin) -> EmailChange {
        let Some(link) = self.good_link(hash, LinkPurpose::ChangeEmail, at) else {
            return EmailChange::BadLink;
        };
        let (user_id, LinkAddress { address, unique_key }) = (link.user_id, link.to.clone());
        if self.by_email.get(&unique_key).is_some_and(|owner| *owner != user_id) {
            return EmailChange::Taken;
        }
        self.links.retain(|_, link| link.user_id != user_id);
        self.by_email.retain(|_, owner| *owner != user_id);
        self.by_email.insert(unique_key.clone(), user_id);
        if let Some(account) = self.accounts.get_mut(&user_id) {
            account.user.email = Some(UserEmail { address, unique_key, verified_at: Some(at) });
        }
        let kind = EventKind::EmailChanged;
        self.events.push(NewEvent { kind, at, user_id, session_id: None, origin, reason: None });
        EmailChange::Done(user_id)
    }

    fn verify_email(&mut self, hash: LinkHash, at: Timestamp) -> Option<UserId> {
        let user_id = self.good_link(hash, LinkPurpose::VerifyEmail, at)?.user_id;
        self.links.remove(&hash.0);
        self.prove_email(user_id, at);
        self.events.push(NewEvent {
            kind: EventKind::EmailVerified,
            at,
            user_id,
            session_id: None,
            origin: Origin::default(),
            reason: None,
        });
        Some(user_id)
    }

    /// What changes together with the end of all the user's sessions; the caller has checked the link.
    pub(super) fn update_account(&mut self, user: UserId, update: SubjectUpdate, at: Timestamp) {
        match update {
            SubjectUpdate::Password(password) => self.set_password(user, password),
            SubjectUpdate::PasswordByLink(password, hash) => {
                self.links.remove(&hash.0);
                self.prove_email(user, at);
                self.set_password(user, password);
            }
            SubjectUpdate::Disable => {
                if let Some(account) = self.accounts.get_mut(&user) {
                    account.user.standing.disabled_at = Some(at);
                }
            }
            SubjectUpdate::Delete => self.delete(user, at),
        }
    }

    /// Leaves of a user what their dead sessions and their events need: no more than an id.
    fn delete(&mut self, user_id: UserId, at: Timestamp) {
        let Some(Account { mut user, .. }) = self.accounts.remove(&user_id) else { return };
        (user.email, user.name, user.external_id) = (None, None, None);
        // Their sessions ended for this reason, whatever was before.
        user.standing.disabled_at = None;
        self.deleted.insert(user_id, Deleted { user, at });
        self.by_email.retain(|_, owner| *owner != user_id);
        self.by_external.retain(|_, owner| *owner != user_id);
        self.links.retain(|_, link| link.user_id != user_id);
        self.outbox.retain(|delivery| delivery.user_id != Some(user_id));
        self.forget_devices_of(user_id);
        for id in self.sessions_of.get(&user_id).into_iter().flatten() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.origin = Origin::default();
            session.claims.clear();
            if session.state == State::Live {
                session.state = State::Revoked(Revocation { at, reason: RevokeReason::UserDeleted });
            }
            self.moves.settle(*id);
        }
        for event in self.events.entries_mut().filter(|event| event.user_id == user_id) {
            event.origin = Origin::default();
        }
    }

    fn set_password(&mut self, user: UserId, password: PasswordHash) {
        if let Some(account) = self.accounts.get_mut(&user) {
            account.password = Some(password);
        }
    }

    fn prove_email(&mut self, user: UserId, at: Timestamp) {
        let account = self.accounts.get_mut(&user);
        if let Some(email) = account.and_then(|account| account.user.email.as_mut()) {
            email.verified_at.get_or_insert(at);
        }
    }
}
