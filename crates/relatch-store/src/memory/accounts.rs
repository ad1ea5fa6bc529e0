//! Accounts in memory.

use crate::memory::MemoryStore;
use crate::memory::tables::{Account, Tables};
use crate::{
    AccountStore, CreateUser, Link, LinkHash, LinkPurpose, NewEvent, NewUser, PasswordHash, StoreError,
    SubjectUpdate, User, UserKey,
};
use relatch_core::{EventKind, Origin};
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
        if self.accounts.contains_key(&user.id) {
            return Err(StoreError::Unavailable("that user id is somebody's; draw another one".into()));
        }
        self.by_email.extend(email.map(|key| (key.clone(), user.id)));
        self.by_external.extend(external_id.clone().map(|name| (name, user.id)));
        self.users_made.push(user.id);
        self.accounts.insert(user.id, Account { user, password: new.password });
        self.events.push(new.event);
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

    /// The link where it is of that purpose, unexpired, and no reset link from before the last password.
    pub(super) fn good_link(&self, hash: LinkHash, purpose: LinkPurpose, now: Timestamp) -> Option<&Link> {
        let link = self.links.get(&hash.0)?;
        let standing = self.accounts.get(&link.user_id)?.user.standing;
        let is_of_epoch = purpose == LinkPurpose::VerifyEmail || link.epoch == standing.not_before;
        (link.purpose == purpose && now < link.expires_at && is_of_epoch).then_some(link)
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
