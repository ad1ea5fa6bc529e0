//! `GET /auth/me`: who am I, and in which session?

use super::bearer::Bearer;
use super::views::{SessionView, UserView};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The person and the session that ask.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeAnswer {
    user: UserView,
    session: SessionView,
}

/// Who am I
#[utoipa::path(
    get, path = "/auth/me", tag = "Sessions", security(("access_token" = [])),
    responses((status = 200, description = "The person and the session.", body = MeAnswer)),
)]
pub(super) async fn me(Bearer(bearer): Bearer) -> Json<MeAnswer> {
    let session = &bearer.loaded.session;
    Json(MeAnswer {
        user: UserView::of(&bearer.loaded.user),
        session: SessionView::of(session, Some(session.id)),
    })
}
