//! `POST /auth/logout` and `POST /auth/logout-all`: sessions end on their owner's word.

use super::bearer::Bearer;
use super::body::{MaybeJson, body};
use super::caller::{Caller, Presented};
use super::cookies;
use super::problem::Answer;
use super::refresh::{RefreshBody, parse};
use super::site::{Shared, Site};
use crate::device::DeviceCookie;
use crate::sessions::{Door, EndAll};
use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use relatch_core::{EventKind, RevokeReason, Transport};
use relatch_store::{Loaded, SubjectEnd};
use relatch_token::DeviceHash;
use serde::Serialize;
use utoipa::ToSchema;

/// Log out
///
/// Any genuine token of the session will do, a superseded one too. The answer is always the same, so that
/// there is nothing to learn from it.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Sessions", security((), ("refresh_cookie" = [])),
    request_body = Option<RefreshBody>,
    responses(
        (status = 204, description = "The session has ended, or had before."),
        (status = 403, description = "`csrf_check_failed`: nothing has changed."),
    ),
)]
pub(super) async fn logout(
    State(site): Shared,
    caller: Caller,
    MaybeJson(body): MaybeJson<RefreshBody>,
) -> Answer<Response> {
    match caller.presented(body.refresh_token)? {
        Presented::Body(text) => {
            if let Some(token) = parse(&site, &text) {
                let door = Door { transport: Transport::Body, client_id: None, device: None };
                let origin = caller.origin(None);
                site.app.sessions.log_out(&token, &door, RevokeReason::Logout, &origin).await?;
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Presented::Cookies => {
            end_sessions_of_cookies(&site, &caller, RevokeReason::Logout).await?;
            let cleared = cookies::cleared().map(|cookie| (SET_COOKIE, cookie));
            Ok((StatusCode::NO_CONTENT, AppendHeaders(cleared)).into_response())
        }
    }
}

/// Ends what the refresh cookies of a caller open, each beside whichever device cookie binds it. A refresh
/// cookie without its device cookie ends nothing.
pub(super) async fn end_sessions_of_cookies(
    site: &Site,
    caller: &Caller,
    reason: RevokeReason,
) -> Answer<()> {
    let devices: Vec<DeviceHash> = caller
        .cookies
        .device
        .iter()
        .filter_map(|value| DeviceCookie::parse(value.expose()))
        .map(|device| device.hash())
        .take(COOKIES_TRIED_MAX)
        .collect();
    let tokens = caller.cookies.refresh.iter().filter_map(|text| parse(site, text));
    let origin = caller.origin(None);
    for token in tokens.take(COOKIES_TRIED_MAX) {
        for device in &devices {
            let door = Door { transport: Transport::Cookie, client_id: None, device: Some(*device) };
            if site.app.sessions.log_out(&token, &door, reason, &origin).await? {
                break;
            }
        }
    }
    Ok(())
}

body! {
    /// How far the logout goes.
    pub struct LogoutAllBody {
        /// Whether the session that asks goes on; if not given, it ends too.
        keep_current: Option<bool>,
    }
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevokedAnswer {
    /// How many live sessions ended.
    pub revoked: u64,
}

/// Log out everywhere
#[utoipa::path(
    post, path = "/auth/logout-all", tag = "Sessions", security(("access_token" = [])),
    request_body = Option<LogoutAllBody>,
    responses((status = 200, description = "The sessions have ended.", body = RevokedAnswer)),
)]
pub(super) async fn logout_all(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    MaybeJson(body): MaybeJson<LogoutAllBody>,
) -> Answer<Json<RevokedAnswer>> {
    let keeps_current = body.keep_current.unwrap_or(false);
    Ok(Json(RevokedAnswer { revoked: end_all(&site, &caller, bearer.loaded, keeps_current).await? }))
}

/// Ends all sessions of the person whose session asks, and says how many those were.
pub(super) async fn end_all(
    site: &Site,
    caller: &Caller,
    asking: Loaded,
    keeps_current: bool,
) -> Answer<u64> {
    let Loaded { session, user } = asking;
    let end = EndAll {
        user,
        is_conditional: false,
        keep: keeps_current.then_some(session.id),
        reason: RevokeReason::LogoutAll,
        update: None,
        kind: EventKind::LogoutAll,
        from: Some(session.id),
        origin: caller.origin(session.origin.device_name),
        by: None,
    };
    Ok(match site.app.sessions.end_all(end).await? {
        SubjectEnd::Done { revoked, .. } => revoked,
        // The user is gone, and every session with them.
        SubjectEnd::Conflict => 0,
    })
}

/// One of ours and a few planted ones; more are somebody's attempt to make us read rows.
const COOKIES_TRIED_MAX: usize = 4;
