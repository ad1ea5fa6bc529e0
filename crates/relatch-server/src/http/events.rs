//! `GET /auth/events`: what happened to my account.

use super::bearer::Bearer;
use super::page::Page;
use super::problem::Answer;
use super::site::{Shared, Site};
use super::views::EventView;
use axum::Json;
use axum::extract::State;
use relatch_store::{Cursor, Event, EventFilter};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsAnswer {
    /// The events, the newest first.
    pub events: Vec<EventView>,
    /// The `cursor` of the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// My security history
///
/// `type` is one of `signed_up`, `login`, `login_failed`, `session_opened`, `logout`, `logout_all`,
/// `session_revoked`, `refresh_reuse`, `session_healed`, `session_in_doubt`, `password_changed`,
/// `password_reset_requested`, `password_reset`, `password_upgraded`, `email_verified`, `user_disabled`,
/// `user_enabled`, `email_change_requested`, `email_changed`, `user_deleted`, `refresh_refused`, `risk_noticed`.
#[utoipa::path(
    get, path = "/auth/events", tag = "Sessions", security(("access_token" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "50 if not given."),
    ),
    responses((status = 200, description = "Events, the newest first.", body = EventsAnswer)),
)]
pub(super) async fn events(
    State(site): Shared,
    Bearer(bearer): Bearer,
    page: Page,
) -> Answer<Json<EventsAnswer>> {
    let filter = EventFilter { user_id: Some(bearer.loaded.user.id), ..EventFilter::default() };
    let (events, next_cursor) = read(&site, filter, &page).await?;
    let events = events.iter().map(EventView::own).collect();
    Ok(Json(EventsAnswer { events, next_cursor }))
}

/// A page of what `filter` finds, and the cursor of the next.
pub(super) async fn read(
    site: &Site,
    filter: EventFilter,
    page: &Page,
) -> Answer<(Vec<Event>, Option<String>)> {
    let before = page.after(|text| text.parse().ok().map(Cursor))?;
    let events = site.app.store.events(EventFilter { before, limit: page.limit, ..filter }).await?;
    // A full page may be the last one; the next is then empty.
    let is_full = events.len() == page.limit;
    let next = events.last().filter(|_| is_full).map(|event| event.cursor.0.to_string());
    Ok((events, next))
}
