//! `GET /feed/revocations`: what verifiers follow. A snapshot, then what happens, as server-sent events.

use super::bearer::{KeyFor, Verify};
use super::problem::{Answer, FieldError, Problem};
use super::site::{Shared, Site};
use crate::serve::Stopping;
use crate::wire_time::rfc3339;
use axum::extract::{Extension, Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use relatch_store::{Cursor, FeedEntry, FeedSubject, Store, StoreError};
use relatch_token::Seconds;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::ToSchema;

/// Tells the followers that there is something new.
pub struct Feed {
    heads: watch::Sender<Cursor>,
    places: Arc<Semaphore>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { heads: watch::Sender::new(Cursor::default()), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

/// Looks for news while somebody follows, whoever wrote them: this process, a command line, another node.
/// Ends with the site.
pub(super) async fn look_for_news(site: Weak<Site>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(site) = site.upgrade() else { return };
        if site.feed.heads.receiver_count() == 0 {
            continue;
        }
        if let Ok(head) = site.app.store.feed_head().await {
            site.feed.heads.send_if_modified(|known| std::mem::replace(known, head) != head);
        }
    }
}

/// Where to go on.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    cursor: Option<String>,
}

/// Follow revocations
///
/// Server-sent events. Without a cursor, `snapshot` events come first, one after the other until one says
/// `"more": false`; the first of them replaces what was known. Then `entries` events come as revocations
/// happen, and a `heartbeat` whenever nothing did for a while: up to its `at`, nothing was missed. Every event
/// has an `id`; reconnect with it as `Last-Event-ID` or `?cursor=` to go on from there. A cursor that the
/// server has never given (an old backup was restored) is answered by a new snapshot.
#[utoipa::path(
    get, path = "/feed/revocations", tag = "Operations", security(("api_key" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `id` of the last event that was seen."),
        ("last-event-id" = Option<String>, Header, description = "The same, as browsers send it."),
    ),
    responses((
        status = 200, description = "An endless stream; the data of each event is a `FeedPart`.",
        body = FeedPart, content_type = "text/event-stream",
    )),
)]
pub(super) async fn follow(
    State(site): Shared,
    _: KeyFor<Verify>,
    stopping: Option<Extension<Stopping>>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Answer<Response> {
    let place = Arc::clone(&site.feed.places).try_acquire_owned();
    let place = place.map_err(|_| {
        tracing::warn!(FOLLOWERS_MAX, "a follower of the feed was turned away: too many");
        Problem::unavailable(Seconds(10)).detail("Too many verifiers follow the feed. Try again later.")
    })?;
    let head = site.app.store.feed_head().await?;
    let cursor = cursor(&headers, from)?.filter(|cursor| *cursor <= head);
    let follower = Follower {
        store: Arc::clone(&site.app.store),
        heads: site.feed.heads.subscribe(),
        stopping: stopping.map(|Extension(stopping)| stopping),
        is_snapshot: cursor.is_none(),
        cursor: cursor.unwrap_or_default(),
        clock: Arc::clone(&site.app.surroundings.clock),
        _place: place,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Sse::new(follower.events())).into_response())
}

/// `Last-Event-ID` wins: it is what the client saw last, where `cursor` is what it began with.
fn cursor(headers: &HeaderMap, from: From) -> Answer<Option<Cursor>> {
    let last = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?").to_owned());
    let wrong = || {
        Problem::validation(vec![FieldError {
            field: "cursor".to_owned(),
            code: "wrong_value".to_owned(),
            detail: "Send the `id` of an event of this feed.".to_owned(),
        }])
    };
    let Some(text) = last.or(from.cursor) else { return Ok(None) };
    text.parse().map(|number| Some(Cursor(number))).map_err(|_| wrong())
}

/// The data of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedPart {
    /// The server's time. Nothing from before it is missing when this part and those before it were read.
    #[schema(format = "date-time")]
    at: String,
    /// What was revoked, the oldest first.
    entries: Vec<FeedEntryView>,
    /// Whether the snapshot goes on in the next event.
    more: bool,
}

/// One revocation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = FeedEntry)]
pub enum FeedEntryView {
    /// Every access token of one session.
    Session {
        /// The tokens' `sid`.
        session_id: String,
        /// When.
        #[schema(format = "date-time")]
        at: String,
    },
    /// Every access token of a user that was issued up to `at`, but those of one session.
    User {
        /// The tokens' `sub`.
        user_id: String,
        /// The `sid` that goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        keep_session_id: Option<String>,
        /// When.
        #[schema(format = "date-time")]
        at: String,
    },
    /// Every access token that one key signed.
    Key {
        /// The tokens' `kid`.
        kid: String,
        /// When.
        #[schema(format = "date-time")]
        at: String,
    },
}

impl FeedEntryView {
    fn of(entry: &FeedEntry) -> Self {
        let at = rfc3339(entry.at);
        match &entry.subject {
            FeedSubject::Session(id) => Self::Session { session_id: id.to_string(), at },
            FeedSubject::User { user_id, keep } => Self::User {
                user_id: user_id.to_string(),
                keep_session_id: keep.map(|id| id.to_string()),
                at,
            },
            FeedSubject::Key(kid) => Self::Key { kid: kid.clone(), at },
        }
    }
}

/// One connection.
struct Follower {
    store: Arc<dyn Store>,
    heads: watch::Receiver<Cursor>,
    stopping: Option<Stopping>,
    /// Whether the snapshot is still being told.
    is_snapshot: bool,
    cursor: Cursor,
    clock: Arc<dyn crate::environment::Clock>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, StoreError>> {
        futures::stream::try_unfold((self, true), |(mut this, is_first)| async move {
            if !is_first && !this.is_snapshot && !this.wait().await {
                return Ok(None);
            }
            // An error ends the stream: the follower comes back with its cursor, and knows how stale it is.
            let event = this.next_part().await?;
            Ok(Some((event, (this, false))))
        })
    }

    /// Waits for news, or for the time of a heartbeat. `false` when the server stops.
    async fn wait(&mut self) -> bool {
        let stopped = async {
            match &mut self.stopping {
                Some(stopping) => stopping.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped => false,
            changed = self.heads.changed() => changed.is_ok(),
            () = tokio::time::sleep(HEARTBEAT_EVERY) => true,
        }
    }

    async fn next_part(&mut self) -> Result<Event, StoreError> {
        // Asked before the store is: what is written in between is told now or later, and never missed.
        let at = rfc3339(self.clock.now());
        let entries = self.store.changes_since(self.cursor, BATCH).await?;
        let more = self.is_snapshot && entries.len() == BATCH;
        let name = match (self.is_snapshot, entries.is_empty()) {
            (true, _) => "snapshot",
            (false, false) => "entries",
            (false, true) => "heartbeat",
        };
        self.is_snapshot = more;
        self.cursor = entries.last().map_or(self.cursor, |entry| entry.cursor);
        let part = FeedPart { at, entries: entries.iter().map(FeedEntryView::of).collect(), more };
        let json = serde_json::to_string(&part).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Event::default().event(name).id(self.cursor.0.to_string()).data(json))
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Each holds a connection; more verifiers than this share one through a proxy of their own.
const FOLLOWERS_MAX: usize = 1000;
/// Entries in one event.
const BATCH: usize = 500;
/// A verifier has to know of a logout within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How stale a verifier may think it is while nothing happens.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
