//! Everything that a store answers about what it holds, to compare stores and moments.

use crate::conformance::feed_of;
use crate::{
    ApiKey, ChannelKind, Cursor, Device, Event, EventFilter, FeedEntry, Loaded, OauthClient, PasswordHash,
    SecondFactors, SigningKeyRecord, Store, User, UserKey, Waiting,
};
use relatch_token::SessionId;

/// All that can be read of a store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dump {
    users: Vec<(User, Option<PasswordHash>, SecondFactors)>,
    devices: Vec<Vec<Device>>,
    sessions: Vec<Option<Loaded>>,
    events: Vec<Event>,
    feed: Vec<FeedEntry>,
    signing_keys: Vec<SigningKeyRecord>,
    api_keys: Vec<ApiKey>,
    clients: Vec<OauthClient>,
    waiting: [Waiting; 2],
    followers: Vec<(String, Cursor)>,
}

impl Dump {
    /// Reads everything; sessions are asked for by id.
    pub(super) async fn of(store: &dyn Store, ids: &[SessionId]) -> Self {
        let mut sessions = Vec::with_capacity(ids.len());
        for id in ids {
            sessions.push(store.load(*id).await.unwrap());
        }
        let (mut users, mut devices) = (Vec::new(), Vec::new());
        for user in store.users(None, usize::MAX).await.unwrap() {
            devices.push(store.devices(user.id).await.unwrap());
            let (user, password) = store.credentials(&UserKey::Id(user.id)).await.unwrap().unwrap();
            let factors = store.second_factors(user.id).await.unwrap();
            users.push((user, password, factors));
        }
        Self {
            users,
            devices,
            sessions,
            events: events(store).await,
            feed: feed_of(store).await,
            signing_keys: store.signing_keys().await.unwrap(),
            api_keys: store.api_keys().await.unwrap(),
            clients: store.clients().await.unwrap(),
            waiting: [
                store.waiting(ChannelKind::Mail).await.unwrap(),
                store.waiting(ChannelKind::Webhook).await.unwrap(),
            ],
            followers: store.followers().await.unwrap(),
        }
    }

    /// The same without places, which two stores may number differently.
    pub(super) fn without_places(mut self) -> Self {
        self.events.iter_mut().for_each(|event| event.cursor = Cursor(0));
        self.feed.iter_mut().for_each(|entry| entry.cursor = Cursor(0));
        self.followers.iter_mut().for_each(|(_, mark)| *mark = Cursor(0));
        self
    }
}

/// The whole audit, newest first, page by page.
pub(super) async fn events(store: &dyn Store) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let before = all.last().map(|event| event.cursor);
        let filter = EventFilter { before, limit: EventFilter::LIMIT_MAX, ..EventFilter::default() };
        let page = store.events(filter).await.unwrap();
        let Some(newest) = page.first() else { return all };
        assert!(before.is_none_or(|before| newest.cursor < before), "a page that isn't before {before:?}");
        all.extend(page);
    }
}
