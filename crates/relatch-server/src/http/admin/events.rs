//! `GET /admin/events`: the audit.

use crate::http::bearer::{Events, KeyFor};
use crate::http::events::{EventsAnswer, read};
use crate::http::page::Page;
use crate::http::problem::Answer;
use crate::http::site::Shared;
use crate::http::views::EventView;
use axum::Json;
use axum::extract::State;
use relatch_store::EventFilter;

/// Read the audit
#[utoipa::path(
    get, path = "/admin/events", tag = "Server to server", security(("api_key" = [])),
    params(
        ("user_id" = Option<String>, Query, description = "Of this user only."),
        ("session_id" = Option<String>, Query, description = "Of this session only."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "50 if not given."),
    ),
    responses((status = 200, description = "Events, the newest first.", body = EventsAnswer)),
)]
pub(in crate::http) async fn events(
    State(site): Shared,
    _: KeyFor<Events>,
    page: Page,
) -> Answer<Json<EventsAnswer>> {
    let (user_id, session_id) = (page.other("user_id")?, page.other("session_id")?);
    let filter = EventFilter { user_id, session_id, ..EventFilter::default() };
    let (events, next_cursor) = read(&site, filter, &page).await?;
    Ok(Json(EventsAnswer { events: events.iter().map(EventView::anyones).collect(), next_cursor }))
}
