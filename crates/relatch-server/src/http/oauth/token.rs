//! `POST /oauth/token`: the refresh grant (RFC 6749 §6).

use super::client::{Asking, read_form};
use super::error::OauthError;
use crate::http::caller::{AttemptId, Caller};
use crate::http::site::{Shared, Site};
use crate::sessions::{Door, RefreshRefusal, RefreshRequest, Tokens};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA};
use relatch_core::Transport;
use relatch_token::{ClientId, SealedToken};
use serde::Serialize;
use utoipa::ToSchema;

/// What a refresh grant takes. Other parameters are ignored (RFC 6749 §3.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form that `Form` reads")]
pub struct TokenForm {
    /// `refresh_token`.
    #[schema(example = "refresh_token")]
    grant_type: String,
    /// The refresh token.
    refresh_token: String,
    /// At most what the session was given; it doesn't change.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// The client, where HTTP Basic doesn't name it.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The secret of a confidential client, where HTTP Basic doesn't hold it.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// What a refresh grant answers (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub struct OauthTokenAnswer {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    expires_in: u32,
    /// The next refresh token.
    refresh_token: String,
    /// What the session was given; absent for a first-party session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// Exchange a refresh token, as OAuth has it
///
/// The same rotation as `/auth/refresh`, body transport. `Idempotency-Key` works here too.
#[utoipa::path(
    post, path = "/oauth/token", tag = "OAuth 2.0", security((), ("client_secret" = [])),
    params(("idempotency-key" = Option<String>, Header, max_length = 255, description = "Names this attempt.")),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The next pair of tokens.", body = OauthTokenAnswer),
        (status = 400, description = "`invalid_request`, `invalid_grant`, `invalid_scope` or \
            `unsupported_grant_type`."),
        (status = 401, description = "`invalid_client`."),
        (status = 429, description = "`temporarily_unavailable`: too many refreshes; wait as `Retry-After` says."),
    ),
)]
pub(in crate::http) async fn token(
    State(site): Shared,
    caller: Caller,
    attempt: Result<AttemptId, crate::http::problem::Problem>,
    request: Request,
) -> Result<Response, OauthError> {
    let attempt_id = attempt?.0;
    let (headers, form) = read_form(request).await?;
    let asking = Asking::of(&site, &headers, &form).await?;
    match form.get("grant_type") {
        Some("refresh_token") => {}
        Some(_) => return Err(OauthError::unsupported_grant_type()),
        None => return Err(OauthError::invalid_request("send grant_type=refresh_token")),
    }
    let text = form.get("refresh_token").ok_or_else(|| OauthError::invalid_request("send refresh_token"))?;
    let token =
        SealedToken::parse(text, site.app.sessions.ring()).map_err(|_| refused(RefreshRefusal::Invalid))?;
    if let Some(wanted) = form.get("scope") {
        check_scope(&site, &token, asking.client_id.as_ref(), wanted).await?;
    }
    let door = Door { transport: Transport::Body, client_id: asking.client_id, device: None };
    let request = RefreshRequest { token, door, attempt_id, origin: caller.origin(None) };
    match site.app.sessions.refresh(&request).await? {
        Ok(tokens) => Ok(answer(&tokens)),
        Err(refusal) => Err(refused(refusal)),
    }
}

/// Refuses a wider scope (RFC 6749 §6) before anything is rotated.
async fn check_scope(
    site: &Site,
    token: &SealedToken,
    client_id: Option<&ClientId>,
    wanted: &str,
) -> Result<(), OauthError> {
    // A token that isn't the next of this client's session is for the refresh to refuse.
    let Some(inspection) = site.app.sessions.inspect(token).await? else { return Ok(()) };
    let session = inspection.loaded.session;
    if session.client_id.as_ref() != client_id {
        return Ok(());
    }
    let granted = session.scope.as_deref().unwrap_or("");
    let is_granted = |one: &str| granted.split(' ').any(|given| given == one);
    if wanted.split(' ').filter(|one| !one.is_empty()).all(is_granted) {
        Ok(())
    } else {
        Err(OauthError::invalid_scope())
    }
}

fn answer(tokens: &Tokens) -> Response {
    let body = OauthTokenAnswer {
        access_token: tokens.access_token.expose().clone(),
        token_type: "Bearer",
        expires_in: tokens.expires_in.0,
        refresh_token: tokens.refresh_token.expose().clone(),
        scope: tokens.session.scope.clone(),
    };
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(body)).into_response()
}

fn refused(refusal: RefreshRefusal) -> OauthError {
    OauthError::invalid_grant(match refusal {
        RefreshRefusal::TooMany { retry_after } => return OauthError::too_many(retry_after),
        RefreshRefusal::Expired(_) => "the session has expired; log in again",
        RefreshRefusal::Revoked(_) => "the session was ended; log in again",
        RefreshRefusal::Reused(_) => "a superseded refresh token was used, so the session was ended",
        RefreshRefusal::Invalid
        | RefreshRefusal::WrongDoor(_)
        | RefreshRefusal::WrongDevice
        | RefreshRefusal::WrongPlace(_)
        | RefreshRefusal::TooRisky => "the refresh token is not valid, or not for this client",
    })
}
