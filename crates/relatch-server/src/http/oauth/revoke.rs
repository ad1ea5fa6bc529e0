//! `POST /oauth/revoke`: a client says that it is done with a token (RFC 7009).

use super::client::{Asking, read_form};
use super::error::OauthError;
use crate::http::caller::Caller;
use crate::http::site::{Shared, Site};
use crate::sessions::{Door, EndOne};
use axum::Json;
use axum::extract::{Request, State};
use relatch_core::{RevokeReason, Transport};
use relatch_token::SealedToken;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What a revocation takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form that `Form` reads")]
pub struct RevokeForm {
    /// A refresh token, or an access token.
    token: String,
    /// Not needed.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// The client, where HTTP Basic doesn't name it.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The secret of a confidential client, where HTTP Basic doesn't hold it.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Revoke a token
///
/// Ends the token's session. Unknown tokens are answered alike (RFC 7009 §2.2).
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "OAuth 2.0", security((), ("client_secret" = [])),
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is worth nothing now.", body = Object),
        (status = 400, description = "`invalid_request`."),
        (status = 401, description = "`invalid_client`."),
    ),
)]
pub(in crate::http) async fn revoke(
    State(site): Shared,
    caller: Caller,
    request: Request,
) -> Result<Json<Value>, OauthError> {
    let (headers, form) = read_form(request).await?;
    let asking = Asking::of(&site, &headers, &form).await?;
    let text = form.get("token").ok_or_else(|| OauthError::invalid_request("send token"))?;
    match SealedToken::parse(text, site.app.sessions.ring()) {
        Ok(token) => {
            let door = Door { transport: Transport::Body, client_id: asking.client_id, device: None };
            let origin = caller.origin(None);
            site.app.sessions.log_out(&token, &door, RevokeReason::RevokedByClient, &origin).await?;
        }
        Err(_) => end_session_of_access_token(&site, &caller, &asking, text).await?,
    }
    Ok(Json(json!({})))
}

async fn end_session_of_access_token(
    site: &Site,
    caller: &Caller,
    asking: &Asking,
    text: &str,
) -> Result<(), OauthError> {
    let Ok(bearer) = site.app.sessions.authenticate(text).await? else { return Ok(()) };
    let session = bearer.loaded.session;
    if session.client_id == asking.client_id {
        let end = EndOne {
            session_id: session.id,
            owner: Some(session.user_id),
            reason: RevokeReason::RevokedByClient,
            origin: caller.origin(None),
            by: None,
        };
        site.app.sessions.end_one(&end).await?;
    }
    Ok(())
}
