//! `GET /auth/sessions` and `DELETE /auth/sessions/{id}`: the devices on which somebody is logged in.

use super::bearer::Bearer;
use super::caller::Caller;
use super::code;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::views::SessionView;
use crate::sessions::EndOne;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use relatch_core::RevokeReason;
use relatch_token::UserId;
use serde::Serialize;
use utoipa::ToSchema;

/// Live sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsAnswer {
    /// The sessions, the newest first.
    pub sessions: Vec<SessionView>,
}

/// List my sessions
#[utoipa::path(
    get, path = "/auth/sessions", tag = "Sessions", security(("access_token" = [])),
    responses((status = 200, description = "Every live session, the newest first.", body = SessionsAnswer)),
)]
pub(super) async fn list(State(site): Shared, Bearer(bearer): Bearer) -> Answer<Json<SessionsAnswer>> {
    let current = bearer.loaded.session.id;
    let sessions = site.app.sessions.list(bearer.loaded.user.id).await?;
    let sessions = sessions.iter().map(|session| SessionView::of(session, Some(current))).collect();
    Ok(Json(SessionsAnswer { sessions }))
}

/// End one of my sessions
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "Sessions", security(("access_token" = [])),
    params(("id" = String, Path, description = "The session's `id`.")),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "There is no such live session of yours."),
    ),
)]
pub(super) async fn end(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    end_own(&site, &caller, bearer.loaded.user.id, &id).await.map(|()| StatusCode::NO_CONTENT)
}

/// Ends a session that its owner names.
pub(super) async fn end_own(site: &Site, caller: &Caller, owner: UserId, id: &str) -> Answer<()> {
    let end = EndOne {
        session_id: id.parse().map_err(|_| Problem::new(&code::NOT_FOUND))?,
        owner: Some(owner),
        reason: RevokeReason::EndedByUser,
        origin: caller.origin(None),
        by: None,
    };
    if site.app.sessions.end_one(&end).await? { Ok(()) } else { Err(Problem::new(&code::NOT_FOUND)) }
}
