//! A long random history, told to the store and to the reference side by side: every answer must agree.

use crate::conformance::dump::Dump;
use crate::conformance::sweeps::sweep_rounds;
use crate::conformance::{
    Dice, Harness, START, address_of, delete, delivery, disable, end_all, event, link, move_head,
    new_session, new_user, password, reset, revoke, session_begun, signing_key, user, user_id,
};
use crate::memory::MemoryStore;
use crate::{
    AccountStore, Change, ChannelKind, Commit, CreateSession, CreateUser, Delivery, DeliveryId, Device,
    DeviceStore, EmailChange, Enqueue, EventFilter, FeedEntry, FeedSubject, ForgetDevice, Link, LinkHash,
    LinkPurpose, Loaded, NewEvent, NewSession, NewUser, PasswordHash, RenameDevice, Room, SessionStore,
    Settlement, SigningKeyRecord, Store, SubjectChange, SubjectEnd, SubjectUpdate, SweepOrder, Swept, User,
    UserKey, WhenFull,
};
use relatch_core::{Epoch, EventKind, Origin, RevokeReason, Session, Version};
use relatch_token::{DeviceHash, DeviceId, Seconds, SessionId, Timestamp, UserId};

/// Three histories; a failure names the seed and the step.
pub(super) async fn a_random_history_gets_the_answers_of_the_reference(harness: &dyn Harness) {
    for seed in 1..=3 {
        let mut store = harness.open().await;
        let reference = MemoryStore::new([1; 16]);
        let mut history = History::new(seed);
        for step in 0..STEPS {
            let ask = history.next_ask(&reference).await;
            let expected = answer(&reference, &ask).await;
            assert_eq!(answer(&*store, &ask).await, expected, "seed {seed}, step {step}: {ask:?}");
            if history.dice.one_in(STEPS / 8) {
                store = harness.crash(store).await;
            }
            if step % (STEPS / 10) == 0 || step + 1 == STEPS {
                let mine = Dump::of(&*store, &history.sessions).await.without_places();
                let theirs = Dump::of(&reference, &history.sessions).await.without_places();
                assert_eq!(mine, theirs, "seed {seed}, after step {step}: {ask:?}");
            }
        }
    }
}

/// Enough for every verb to meet every state of its rows.
const STEPS: u64 = 1200;
const USERS: u64 = 6;
const KEYS: u64 = 4;

/// One question to both stores.
#[derive(Clone, Debug)]
enum Ask {
    CreateUser(Box<NewUser>),
    Create(Box<NewSession>),
    Load(SessionId),
    List(UserId, Timestamp, usize),
    Device(UserId, DeviceHash),
    RenameDevice(RenameDevice),
    ForgetDevice(ForgetDevice),
    Commit(Change),
    RevokeSubject(SubjectChange),
    Enable(UserId, NewEvent),
    Upgrade(UserId, PasswordHash, PasswordHash, NewEvent),
    AddLink(Link),
    Link(LinkHash, LinkPurpose, Timestamp),
    VerifyEmail(LinkHash, Timestamp),
    ChangeEmail(LinkHash, Timestamp),
    Credentials(UserKey),
    Users(Option<UserId>, usize),
    Record(NewEvent),
    Events(EventFilter),
    Feed(usize),
    AddKey(SigningKeyRecord, usize),
    UpdateKey(SigningKeyRecord),
    RemoveKey(String, Option<Timestamp>),
    Sweep(SweepOrder),
    Enqueue(Vec<Delivery>),
    TakeDue(Timestamp, usize),
    Settle(DeliveryId, u32, Settlement),
}

/// What came back, less the places.
#[derive(Debug, PartialEq)]
enum Answer {
    Created(CreateUser),
    Create(CreateSession),
    Commit(Commit),
    Loaded(Option<Box<Loaded>>),
    Sessions(Vec<Session>),
    Ended(SubjectEnd),
    Link(Option<Link>),
    Verified(Option<UserId>),
    Moved(EmailChange),
    Credentials(Option<(User, Option<PasswordHash>)>),
    Users(Vec<User>),
    Events(Vec<NewEvent>),
    Feed(Vec<(Timestamp, FeedSubject)>),
    Swept(Swept),
    Queued(Enqueue),
    Deliveries(Vec<Delivery>),
    Bool(bool),
    Device(Option<Device>),
    Forgotten(Option<u64>),
    Nothing,
}

async fn answer(store: &dyn Store, ask: &Ask) -> Answer {
    match ask.clone() {
        Ask::CreateUser(new) => Answer::Created(store.create_user(*new).await.unwrap()),
        Ask::Create(new) => Answer::Create(store.create(*new).await.unwrap()),
        Ask::Load(id) => Answer::Loaded(store.load(id).await.unwrap().map(Box::new)),
        Ask::List(user, now, limit) => Answer::Sessions(store.list(user, now, limit).await.unwrap()),
        Ask::Device(user, hash) => Answer::Device(store.device(user, hash).await.unwrap()),
        Ask::RenameDevice(rename) => Answer::Bool(store.rename_device(rename).await.unwrap()),
        Ask::ForgetDevice(forget) => Answer::Forgotten(store.forget_device(forget).await.unwrap()),
        Ask::Commit(change) => Answer::Commit(store.commit(change).await.unwrap()),
        Ask::RevokeSubject(change) => Answer::Ended(store.revoke_subject(change).await.unwrap()),
        Ask::Enable(user, event) => store.enable_user(user, event).await.map(|()| Answer::Nothing).unwrap(),
        Ask::Upgrade(user, old, new, event) => {
            store.upgrade_password(user, &old, new, event).await.map(|()| Answer::Nothing).unwrap()
        }
        Ask::AddLink(link) => store.add_link(link).await.map(|()| Answer::Nothing).unwrap(),
        Ask::Link(hash, purpose, now) => Answer::Link(store.link(hash, purpose, now).await.unwrap()),
        Ask::VerifyEmail(hash, at) => Answer::Verified(store.verify_email(hash, at).await.unwrap()),
        Ask::ChangeEmail(hash, at) => {
            Answer::Moved(store.change_email(hash, at, Origin::default()).await.unwrap())
        }
        Ask::Credentials(key) => Answer::Credentials(store.credentials(&key).await.unwrap()),
        Ask::Users(after, limit) => Answer::Users(store.users(after, limit).await.unwrap()),
        Ask::Record(event) => store.record(event).await.map(|()| Answer::Nothing).unwrap(),
        Ask::Events(filter) => Answer::Events(page_through(store, filter).await),
        Ask::Feed(limit) => Answer::Feed(follow(store, limit).await),
        Ask::AddKey(key, seen) => Answer::Bool(store.add_signing_key(key, seen).await.unwrap()),
        Ask::UpdateKey(key) => Answer::Bool(store.update_signing_key(key).await.unwrap()),
        Ask::RemoveKey(kid, at) => Answer::Bool(store.remove_signing_key(&kid, at).await.unwrap()),
        Ask::Sweep(order) => Answer::Swept(sweep_rounds(store, order).await),
        Ask::Enqueue(some) => Answer::Queued(store.enqueue(some).await.unwrap()),
        Ask::TakeDue(now, limit) => {
            let lease_until = now + Seconds(60);
            Answer::Deliveries(store.take_due(ChannelKind::Mail, now, lease_until, limit).await.unwrap())
        }
        Ask::Settle(id, attempt, settlement) => {
            Answer::Bool(store.settle(id, attempt, settlement).await.unwrap())
        }
    }
}

async fn page_through(store: &dyn Store, mut filter: EventFilter) -> Vec<NewEvent> {
    let mut all = Vec::new();
    loop {
        let page = store.events(filter).await.unwrap();
        let Some(last) = page.last() else { return all };
        assert!(filter.before.is_none_or(|before| last.cursor < before), "a page that isn't before the last");
        filter.before = Some(last.cursor);
        all.extend(page.into_iter().map(|kept| kept.event));
    }
}

async fn follow(store: &dyn Store, limit: usize) -> Vec<(Timestamp, FeedSubject)> {
    let mut all: Vec<FeedEntry> = Vec::new();
    loop {
        let after = all.last().map_or_else(Default::default, |entry| entry.cursor);
        let page = store.changes_since(after, limit).await.unwrap();
        let Some(last) = page.last() else {
            return all.into_iter().map(|entry| (entry.at, entry.subject)).collect();
        };
        assert!(last.cursor > after, "a page that isn't after the last");
        all.extend(page);
    }
}

/// Makes up what is asked: mostly sensible, now and then stale or of somebody else.
struct History {
    dice: Dice,
    now: Timestamp,
    /// Every session that was ever asked for.
    sessions: Vec<SessionId>,
    /// The present id of each user: a new one after a deletion, as in life.
    ids: [UserId; USERS as usize],
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            now: START,
            sessions: Vec::new(),
            ids: std::array::from_fn(|n| user_id(n as u64)),
        }
    }

    async fn next_ask(&mut self, reference: &MemoryStore) -> Ask {
        // Time never stands still, so that "the newest first" has one meaning.
        let seconds = if self.dice.one_in(20) { self.dice.below(3 * 24 * 3600) } else { self.dice.below(60) };
        self.now = Timestamp::from_millis(self.now.as_millis() + 1) + Seconds(seconds as u32);
        let (who, now) = (self.dice.below(USERS), self.now);
        let kept = reference.user(&UserKey::Id(self.ids[who as usize])).await.unwrap();
        let is_made = kept.is_some();
        let owner = kept.unwrap_or_else(|| User { id: self.ids[who as usize], ..user(who) });
        match self.dice.below(112) {
            0..7 => Ask::CreateUser(Box::new(self.new_user(who, is_made))),
            7..25 => Ask::Create(Box::new(self.beginning(&owner))),
            25..30 => Ask::Load(self.session_id()),
            30..31 => Ask::RenameDevice(self.rename_device(reference, &owner).await),
            31..32 => Ask::ForgetDevice(self.forget_device(reference, &owner).await),
            32..35 => Ask::List(owner.id, now, self.dice.below(6) as usize),
            35..37 => Ask::Device(user_id(self.dice.below(USERS)), self.device(reference).await),
            37..55 => Ask::Commit(self.refresh(reference, &owner).await),
            55..62 => Ask::Commit(self.revocation(reference, &owner).await),
            62..70 => Ask::RevokeSubject(self.subject_change(&owner)),
            70..72 => Ask::Enable(owner.id, event(EventKind::UserEnabled, owner.id, now)),
            72..75 => self.upgrade(&owner),
            75..79 => Ask::AddLink(self.link(&owner)),
            79..81 => Ask::Link(self.link(&owner).hash, self.purpose(), now),
            81..83 => Ask::VerifyEmail(self.link(&owner).hash, now),
            83..84 => Ask::ChangeEmail(self.link(&owner).hash, now),
            84..86 => Ask::Credentials(self.user_key()),
            86..87 => Ask::Users(is_made.then_some(owner.id), self.dice.below(5) as usize),
            87..90 => Ask::Record(event(EventKind::LoginFailed, owner.id, now)),
            90..92 => Ask::Events(self.filter(&owner)),
            92..93 => Ask::Feed(1 + self.dice.below(50) as usize),
            93..95 => Ask::AddKey(self.key(), self.dice.below(KEYS) as usize),
            95..96 => Ask::UpdateKey(self.key()),
            96..97 => Ask::RemoveKey(self.key().kid, self.dice.one_in(2).then_some(now)),
            97..100 => Ask::Sweep(self.sweep()),
            100..106 => Ask::Enqueue(vec![self.delivery(&owner), self.delivery(&owner)]),
            106..108 => Ask::TakeDue(now, self.dice.below(4) as usize),
            _ => Ask::Settle(self.delivery(&owner).id, 1 + self.dice.below(2) as u32, self.settlement()),
        }
    }

    /// Some have another's address or external id. A user id is drawn once, as in life.
    fn new_user(&mut self, who: u64, is_made: bool) -> NewUser {
        let mut new = user(who);
        new.id = user_id(1000 + self.dice.below(1 << 40));
        if !is_made {
            self.ids[who as usize] = new.id;
        }
        if self.dice.one_in(4) {
            new.email = None;
        }
        new.external_id = self.dice.one_in(3).then(|| format!("ext-{}", self.dice.below(USERS)));
        new.created_at = self.now;
        new_user(new, who)
    }

    /// In a room of its own now and then, often too small.
    fn beginning(&mut self, owner: &User) -> NewSession {
        let session = self.new_session(owner);
        let mut bound = |most: u64| 1 + self.dice.below(most) as u32;
        let (sessions_max, cookie_max, body_max) = (bound(6), bound(6), bound(3));
        let when_full = [WhenFull::EndOldest, WhenFull::EndMostIdle, WhenFull::Refuse];
        let when_full = self.dice.pick(&when_full).copied().unwrap_or(WhenFull::Refuse);
        let room = Room {
            sessions_max,
            cookie_max: self.dice.one_in(2).then_some(cookie_max),
            body_max: self.dice.one_in(2).then_some(body_max),
            when_full,
        };
        NewSession { room: self.dice.one_in(3).then_some(room), ..new_session(session) }
    }

    /// Mostly new and of the present epoch.
    fn new_session(&mut self, owner: &User) -> Session {
        let mut session = session_begun(owner, self.dice.next(), self.now);
        if self.dice.one_in(8) {
            session.epoch = Epoch(self.dice.below(4) as u32);
        }
        if self.dice.one_in(10) {
            session.id = self.session_id();
        }
        if self.dice.one_in(3) {
            session.lifetime.expires_at = self.now + Seconds(self.dice.below(20 * 24 * 3600) as u32);
        }
        self.sessions.push(session.id);
        session
    }

    /// A session that was asked for before, the newer the likelier, if there are any.
    fn session_id(&mut self) -> SessionId {
        let newest = self.sessions.len().saturating_sub(12);
        let recent = if self.dice.one_in(4) { &self.sessions[..] } else { &self.sessions[newest..] };
        self.dice.pick(recent).copied().unwrap_or(SessionId::from_bytes([0; 16]))
    }

    /// A session as it is, or as it would have been.
    async fn session(&mut self, reference: &MemoryStore, owner: &User) -> Session {
        let loaded = reference.load(self.session_id()).await.unwrap();
        loaded.map_or_else(|| session_begun(owner, 1, START), |loaded| loaded.session)
    }

    async fn device(&mut self, reference: &MemoryStore) -> DeviceHash {
        let loaded = reference.load(self.session_id()).await.unwrap();
        loaded.and_then(|loaded| loaded.session.device).unwrap_or(DeviceHash([0; 8]))
    }

    /// A device that is known, or a session by itself, or neither.
    async fn device_id(&mut self, reference: &MemoryStore, owner: &User) -> DeviceId {
        let known = reference.devices(owner.id).await.unwrap();
        match self.dice.pick(&known) {
            Some(device) if self.dice.one_in(2) => device.id,
            _ => DeviceId::of_session(self.session_id()),
        }
    }

    async fn rename_device(&mut self, reference: &MemoryStore, owner: &User) -> RenameDevice {
        let device_id = self.device_id(reference, owner).await;
        let name = format!("device {}", self.dice.below(10));
        let event = event(EventKind::DeviceRenamed, owner.id, self.now);
        RenameDevice { user_id: owner.id, device_id, name, event }
    }

    async fn forget_device(&mut self, reference: &MemoryStore, owner: &User) -> ForgetDevice {
        let device_id = self.device_id(reference, owner).await;
        let asking = self.dice.one_in(2).then(|| self.session_id());
        let event = event(EventKind::DeviceForgotten, owner.id, self.now);
        ForgetDevice { user_id: owner.id, device_id, asking, event }
    }

    async fn refresh(&mut self, reference: &MemoryStore, owner: &User) -> Change {
        let session = self.session(reference, owner).await;
        let healed = NewEvent {
            session_id: Some(session.id),
            ..event(EventKind::SessionHealed, session.user_id, self.now)
        };
        let event = self.dice.one_in(5).then_some(healed);
        Change { expected: self.version(&session), event, ..move_head(&session, self.now) }
    }

    async fn revocation(&mut self, reference: &MemoryStore, owner: &User) -> Change {
        let session = self.session(reference, owner).await;
        let reason = self.dice.pick(&RevokeReason::ALL).copied().unwrap_or(RevokeReason::Logout);
        Change { expected: self.version(&session), ..revoke(&session, reason, self.now) }
    }

    /// Mostly the present one.
    fn version(&mut self, session: &Session) -> Version {
        let stale = Version(self.dice.below(3));
        if self.dice.one_in(6) { stale } else { session.version }
    }

    fn subject_change(&mut self, owner: &User) -> SubjectChange {
        let change = match self.dice.below(25) {
            0..4 => disable(owner.id, self.now),
            4..12 => reset(owner.id, self.password(), self.link(owner).hash, self.now),
            12..16 => SubjectChange {
                reason: RevokeReason::PasswordChanged,
                update: Some(SubjectUpdate::Password(self.password())),
                event: event(EventKind::PasswordChanged, owner.id, self.now),
                ..end_all(owner.id, self.now)
            },
            16 => delete(owner.id, self.now),
            _ => end_all(owner.id, self.now),
        };
        let stale = Epoch(self.dice.below(3) as u32);
        let expected = match self.dice.below(4) {
            0 => Some(stale),
            1 => Some(owner.standing.not_before),
            _ => None,
        };
        let keep = self.dice.one_in(2).then(|| self.session_id());
        SubjectChange { expected, keep, ..change }
    }

    fn upgrade(&mut self, owner: &User) -> Ask {
        let told = event(EventKind::PasswordUpgraded, owner.id, self.now);
        Ask::Upgrade(owner.id, self.password(), self.password(), told)
    }

    /// One of so few that an old one is often the present one.
    fn password(&mut self) -> PasswordHash {
        password(self.dice.below(USERS))
    }

    fn purpose(&mut self) -> LinkPurpose {
        match self.dice.below(5) {
            0 | 1 => LinkPurpose::ResetPassword,
            2 | 3 => LinkPurpose::VerifyEmail,
            _ => LinkPurpose::ChangeEmail,
        }
    }

    /// A user has two links of each purpose, that take turns.
    fn link(&mut self, owner: &User) -> Link {
        let purpose = self.purpose();
        let n = u64::from_le_bytes(owner.id.as_bytes().first_chunk().copied().unwrap_or_default());
        let link = link(owner, purpose, n ^ (purpose as u64 * 2 + self.dice.below(2)));
        let to = if purpose == LinkPurpose::ChangeEmail {
            address_of(self.dice.below(USERS * 2))
        } else {
            link.to
        };
        Link { to, expires_at: self.now + Seconds(self.dice.below(24 * 3600) as u32), ..link }
    }

    /// One of so few that some are there already.
    fn delivery(&mut self, owner: &User) -> Delivery {
        let due_at = self.now + Seconds(self.dice.below(600) as u32);
        let user_id = self.dice.one_in(2).then_some(owner.id);
        Delivery { user_id, created_at: self.now, due_at, ..delivery(self.dice.below(12)) }
    }

    fn settlement(&mut self) -> Settlement {
        match self.dice.below(4) {
            0 => Settlement::Delivered,
            1 => Settlement::GivenUp,
            _ => Settlement::Retry { at: self.now + Seconds(self.dice.below(600) as u32) },
        }
    }

    fn user_key(&mut self) -> UserKey {
        let n = self.dice.below(USERS);
        match self.dice.below(3) {
            0 => UserKey::Id(user_id(n)),
            1 => UserKey::Email(format!("ada.{n}@example.org")),
            _ => UserKey::External(format!("ext-{n}")),
        }
    }

    fn filter(&mut self, owner: &User) -> EventFilter {
        let user_id = self.dice.one_in(2).then_some(owner.id);
        let session_id = self.dice.one_in(3).then(|| self.session_id());
        EventFilter { user_id, session_id, before: None, limit: 1 + self.dice.below(300) as usize }
    }

    fn key(&mut self) -> SigningKeyRecord {
        let n = self.dice.below(KEYS) as u32;
        SigningKeyRecord { retires_at: self.dice.one_in(2).then_some(self.now), ..signing_key(n) }
    }

    fn sweep(&mut self) -> SweepOrder {
        let mut ago = |days: u64| self.now - Seconds(self.dice.below(days * 24 * 3600) as u32);
        let (dead_before, events_before, feed_before) = (ago(5), ago(60), ago(30));
        let rows_max = 1 + self.dice.below(40) as usize;
        SweepOrder { now: self.now, dead_before, events_before, feed_before, rows_max }
    }
}
