//! Accounts, second factors, keys, the audit and the outbox, as their traits ask for them.

use crate::error::Fault;
use crate::events::{self, Scope};
use crate::store::{READ_ROWS, SqliteStore, yield_now};
use crate::{factors, keys, links, outbox, user_row, users};
use relatch_core::{Epoch, Origin};
use relatch_store::{
    AccountStore, ApiKey, ChannelKind, Commit, ConfirmFactor, CreateUser, Cursor, Delivery, DeliveryId,
    EmailChange, Enqueue, Event, EventFilter, EventStore, Factor, FactorStore, Follow, KeyStore, Link,
    LinkHash, LinkPurpose, NewEvent, NewUser, OauthClient, OutboxStore, PasswordHash, RecoveryHash,
    SealedSeed, SecondFactors, Settlement, SigningKeyRecord, Step, StoreError, User, UserKey, Waiting,
};
use relatch_token::{ClientId, FactorId, Timestamp, UserId};
use rusqlite::Row;

#[async_trait::async_trait]
impl AccountStore for SqliteStore {
    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError> {
        self.writer.write("create_user", move |conn| users::create(conn, &new)).await
    }

    async fn user(&self, key: &UserKey) -> Result<Option<User>, StoreError> {
        let found = self.readers.read(|conn| user_row::find(conn, key, |_, _| Ok(())))?;
        Ok(found.map(|(user, ())| user))
    }

    async fn credentials(&self, key: &UserKey) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        let password = |row: &Row<'_>, column: usize| -> Result<Option<PasswordHash>, Fault> {
            Ok(row.get::<_, Option<String>>(column)?.map(PasswordHash::new))
        };
        self.readers.read(|conn| user_row::find(conn, key, password))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.readers.read(|conn| users::list(conn, after, limit))
    }

    async fn upgrade_password(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: PasswordHash,
        event: NewEvent,
    ) -> Result<(), StoreError> {
        let old = old.clone();
        let upgrade = move |conn: &_| users::upgrade_password(conn, user, &old, &new, &event);
        self.writer.write("upgrade_password", upgrade).await
    }

    async fn enable_user(&self, user: UserId, event: NewEvent) -> Result<(), StoreError> {
        self.writer.write("enable_user", move |conn| users::enable(conn, user, &event)).await
    }

    async fn add_link(&self, link: Link) -> Result<(), StoreError> {
        self.writer.write("add_link", move |conn| links::add(conn, &link)).await
    }

    async fn post_link(
        &self,
        link: Link,
        event: Option<NewEvent>,
        deliveries: Vec<Delivery>,
    ) -> Result<Enqueue, StoreError> {
        let post = move |conn: &_| links::post(conn, &link, event.as_ref(), &deliveries);
        self.writer.write("post_link", post).await
    }

    async fn link(
        &self,
        hash: LinkHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<Link>, StoreError> {
        self.readers.read(|conn| links::good(conn, hash, purpose, now))
    }

    async fn verify_email(&self, hash: LinkHash, event_at: Timestamp) -> Result<Option<UserId>, StoreError> {
        self.writer.write("verify_email", move |conn| links::verify_email(conn, hash, event_at)).await
    }

    async fn change_email(
        &self,
        hash: LinkHash,
        at: Timestamp,
        origin: Origin,
    ) -> Result<EmailChange, StoreError> {
        self.writer.write("change_email", move |conn| links::change_email(conn, hash, at, origin)).await
    }
}

#[async_trait::async_trait]
impl FactorStore for SqliteStore {
    async fn second_factors(&self, user: UserId) -> Result<SecondFactors, StoreError> {
        self.readers.read(|conn| factors::of_user(conn, user))
    }

    async fn add_factor(&self, factor: Factor, epoch: Epoch, most: u32) -> Result<Commit, StoreError> {
        self.writer.write("add_factor", move |conn| factors::add(conn, &factor, epoch, most)).await
    }

    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Commit, StoreError> {
        self.writer.write("confirm_factor", move |conn| factors::confirm(conn, &confirm)).await
    }

    async fn accept_step(&self, user: UserId, factor: FactorId, step: u64) -> Result<Commit, StoreError> {
        self.writer.write("accept_step", move |conn| factors::accept_step(conn, user, factor, step)).await
    }

    async fn use_recovery_code(
        &self,
        user: UserId,
        code: RecoveryHash,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        let use_up = move |conn: &_| factors::use_recovery_code(conn, user, code, &event);
        self.writer.write("use_recovery_code", use_up).await
    }

    async fn count_wrong_code(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError> {
        self.writer.write("count_wrong_code", move |conn| factors::count_wrong_code(conn, user, &event)).await
    }

    async fn replace_recovery_codes(
        &self,
        user: UserId,
        epoch: Epoch,
        codes: Vec<RecoveryHash>,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        let replace = move |conn: &_| factors::replace_recovery_codes(conn, user, epoch, &codes, &event);
        self.writer.write("replace_recovery_codes", replace).await
    }

    async fn remove_factor(
        &self,
        user: UserId,
        epoch: Epoch,
        factor: FactorId,
        event: NewEvent,
    ) -> Result<Commit, StoreError> {
        let remove = move |conn: &_| factors::remove(conn, user, epoch, factor, &event);
        self.writer.write("remove_factor", remove).await
    }

    async fn remove_factors(&self, user: UserId, event: NewEvent) -> Result<u32, StoreError> {
        self.writer.write("remove_factors", move |conn| factors::remove_all(conn, user, &event)).await
    }

    async fn factors_not_under(&self, master_id: u8, limit: usize) -> Result<Vec<Factor>, StoreError> {
        self.readers.read(|conn| factors::not_under(conn, master_id, limit))
    }

    async fn reseal_factor(
        &self,
        factor: FactorId,
        old: SealedSeed,
        new: SealedSeed,
    ) -> Result<(), StoreError> {
        self.writer.write("reseal_factor", move |conn| factors::reseal(conn, factor, &old, &new)).await
    }
}

#[async_trait::async_trait]
impl KeyStore for SqliteStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.readers.read(keys::signing_keys)
    }

    async fn add_signing_key(&self, key: SigningKeyRecord, seen: usize) -> Result<bool, StoreError> {
        self.writer.write("add_signing_key", move |conn| keys::add_signing_key(conn, &key, seen)).await
    }

    async fn update_signing_key(&self, key: SigningKeyRecord) -> Result<bool, StoreError> {
        self.writer.write("update_signing_key", move |conn| keys::update_signing_key(conn, &key)).await
    }

    async fn remove_signing_key(&self, kid: &str, revoked_at: Option<Timestamp>) -> Result<bool, StoreError> {
        let kid = kid.to_owned();
        let remove = move |conn: &_| keys::remove_signing_key(conn, &kid, revoked_at);
        self.writer.write("remove_signing_key", remove).await
    }

    async fn add_api_key(&self, key: ApiKey) -> Result<(), StoreError> {
        self.writer.write("add_api_key", move |conn| keys::add_api_key(conn, &key)).await
    }

    async fn api_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        self.readers.read(|conn| keys::api_key(conn, hash))
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.readers.read(keys::api_keys)
    }

    async fn revoke_api_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.writer.write("revoke_api_key", move |conn| keys::revoke_api_key(conn, &id, at)).await
    }

    async fn put_client(&self, client: OauthClient) -> Result<(), StoreError> {
        self.writer.write("put_client", move |conn| keys::put_client(conn, &client)).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<OauthClient>, StoreError> {
        self.readers.read(|conn| keys::client(conn, id))
    }

    async fn clients(&self) -> Result<Vec<OauthClient>, StoreError> {
        self.readers.read(keys::clients)
    }

    async fn remove_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.write("remove_client", move |conn| keys::remove_client(conn, &id)).await
    }
}

#[async_trait::async_trait]
impl EventStore for SqliteStore {
    async fn record(&self, event: NewEvent) -> Result<(), StoreError> {
        self.writer.write("record", move |conn| events::add(conn, &event)).await
    }

    /// Looks for a session's events through its user's; where its row has left, through everybody's, a few at
    /// a time so that nobody else on this thread waits long.
    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let limit = filter.limit.min(EventFilter::LIMIT_MAX);
        let scope = self.readers.read(|conn| Scope::find(conn, filter.user_id, filter.session_id))?;
        let rows = if filter.session_id.is_some() { READ_ROWS } else { limit };
        let (mut found, mut before) = (Vec::new(), filter.before);
        while found.len() < limit {
            let page = self.readers.read(|conn| events::before(conn, scope, before, rows, &self.cache))?;
            let is_last = page.len() < rows;
            before = page.last().map(|event| event.cursor);
            let is_wanted =
                |event: &Event| filter.session_id.is_none_or(|id| event.event.session_id == Some(id));
            found.extend(page.into_iter().filter(is_wanted));
            if is_last {
                break;
            }
            yield_now().await;
        }
        found.truncate(limit);
        Ok(found)
    }
}

#[async_trait::async_trait]
impl OutboxStore for SqliteStore {
    async fn enqueue(&self, deliveries: Vec<Delivery>) -> Result<Enqueue, StoreError> {
        self.writer.write("enqueue", move |conn| outbox::enqueue(conn, &deliveries)).await
    }

    async fn take_due(
        &self,
        kind: ChannelKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let take = move |conn: &_| outbox::take_due(conn, kind, now, lease_until, limit);
        self.writer.write("take_due", take).await
    }

    async fn settle(&self, id: DeliveryId, attempt: u32, settlement: Settlement) -> Result<bool, StoreError> {
        self.writer.write("settle", move |conn| outbox::settle(conn, id, attempt, settlement)).await
    }

    async fn waiting(&self, kind: ChannelKind) -> Result<Waiting, StoreError> {
        self.readers.read(|conn| outbox::waiting(conn, kind))
    }

    async fn events_after(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, StoreError> {
        let limit = limit.min(EventFilter::LIMIT_MAX);
        self.readers.read(|conn| events::after(conn, after, limit, &self.cache))
    }

    async fn mark(&self, follower: &str) -> Result<Cursor, StoreError> {
        let follower = follower.to_owned();
        self.writer.write("mark", move |conn| outbox::begin(conn, &follower)).await
    }

    async fn follow(&self, step: Step) -> Result<Follow, StoreError> {
        self.writer.write("follow", move |conn| outbox::follow(conn, &step)).await
    }

    async fn followers(&self) -> Result<Vec<(String, Cursor)>, StoreError> {
        self.readers.read(outbox::followers)
    }

    async fn forget_follower(&self, follower: &str) -> Result<bool, StoreError> {
        let follower = follower.to_owned();
        let forget = move |conn: &_| outbox::forget_follower(conn, &follower);
        self.writer.write("forget_follower", forget).await
    }
}
