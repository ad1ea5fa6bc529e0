//! `POST /oauth/introspect`: is this token alive, and whose is it (RFC 7662)?

use super::client::{Asking, read_form};
use super::error::OauthError;
use crate::api_keys::{ApiKeyVerdict, ApiScope};
use crate::http::bearer;
use crate::http::site::{Shared, Site};
use crate::sessions::Inspection;
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use relatch_token::SealedToken;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What an introspection takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form that `Form` reads")]
pub struct IntrospectForm {
    /// A refresh token, or an access token.
    token: String,
    /// Not needed.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
}

/// Ask about a token
///
/// For confidential clients, and for API keys with the scope `introspect`. Dead, superseded and unknown tokens
/// are answered `{"active":false}` and nothing else.
#[utoipa::path(
    post, path = "/oauth/introspect", tag = "OAuth 2.0",
    security(("client_secret" = []), ("api_key" = [])),
    request_body(content = IntrospectForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What the token says, where it is alive.", body = Object),
        (status = 400, description = "`invalid_request`."),
        (status = 401, description = "`invalid_client`."),
        (status = 403, description = "`insufficient_scope`."),
    ),
)]
pub(in crate::http) async fn introspect(
    State(site): Shared,
    request: Request,
) -> Result<Response, OauthError> {
    let (parts, body) = request.into_parts();
    let key = parts.headers.get(AUTHORIZATION).is_some_and(is_bearer).then(|| bearer::presented(&parts));
    let may_ask = match key {
        Some(key) => key_may_ask(&site, key?.expose()).await?,
        None => false,
    };
    let (headers, form) = read_form(Request::from_parts(parts, body)).await?;
    if !may_ask {
        check_client(&site, &headers, &form).await?;
    }
    let text = form.get("token").ok_or_else(|| OauthError::invalid_request("send token"))?;
    let told = match SealedToken::parse(text, site.app.sessions.ring()) {
        Ok(sealed) => site.app.sessions.inspect(&sealed).await?.map(|found| of_refresh_token(&site, &found)),
        Err(_) => match site.app.sessions.authenticate(text).await? {
            Ok(bearer) => serde_json::to_value(&bearer.claims).ok().map(of_access_token),
            Err(_) => None,
        },
    };
    let told = told.unwrap_or_else(|| json!({"active": false}));
    Ok(([(CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

fn is_bearer(value: &http::HeaderValue) -> bool {
    value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

async fn key_may_ask(site: &Site, key: &str) -> Result<bool, OauthError> {
    match site.app.api_keys.check(key, ApiScope::Introspect).await? {
        ApiKeyVerdict::Granted(_) => Ok(true),
        ApiKeyVerdict::LacksScope => Err(OauthError::insufficient_scope()),
        ApiKeyVerdict::Unknown => Err(OauthError::invalid_client(Some("Bearer error=\"invalid_token\""))),
    }
}

async fn check_client(
    site: &Site,
    headers: &HeaderMap,
    form: &crate::http::form::Form,
) -> Result<(), OauthError> {
    let asking = Asking::of(site, headers, form).await?;
    if asking.is_confidential {
        Ok(())
    } else {
        Err(OauthError::invalid_client(Some("Basic realm=\"relatch\"")))
    }
}

fn of_access_token(mut claims: Value) -> Value {
    if let Some(members) = claims.as_object_mut() {
        members.insert("active".to_owned(), true.into());
        members.insert("token_type".to_owned(), "Bearer".into());
    }
    claims
}

fn of_refresh_token(site: &Site, found: &Inspection) -> Value {
    let session = &found.loaded.session;
    let mut told = json!({
        "active": true,
        "iss": site.app.identity.issuer.as_str(),
        "sub": session.user_id.to_string(),
        "sid": session.id.to_string(),
        "iat": found.token.issued_at.as_seconds(),
        "exp": session.idle_expires_at().as_seconds(),
        "client_id": match &session.client_id {
            Some(id) => id.to_string(),
            None => site.app.config.tokens.first_party_client_id.clone(),
        },
    });
    if let (Some(scope), Some(members)) = (&session.scope, told.as_object_mut()) {
        members.insert("scope".to_owned(), scope.as_str().into());
    }
    told
}
