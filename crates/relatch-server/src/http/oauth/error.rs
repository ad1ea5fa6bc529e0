//! Errors as RFC 6749 §5.2 spells them.

use crate::http::problem::Problem;
use crate::sessions::Doubt;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use relatch_token::Seconds;
use serde::Serialize;
use utoipa::ToSchema;

/// An error of the OAuth routes.
#[derive(Debug)]
pub struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    challenge: Option<&'static str>,
    retry_after: Option<Seconds>,
}

impl OauthError {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), challenge: None, retry_after: None }
    }

    /// The request can't be read.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// The client is not who it says. RFC 6749 §5.2: one that tried the `Authorization` header is told to.
    pub fn invalid_client(tried: Option<&'static str>) -> Self {
        let description =
            "the client is unknown, or its secret is wrong, missing, or sent for a public client";
        let challenge = tried;
        Self { challenge, ..Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description) }
    }

    /// The refresh token is worth nothing here.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    /// Another grant than we have.
    pub fn unsupported_grant_type() -> Self {
        let description = "send grant_type=refresh_token";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }

    /// More than the session was given.
    pub fn invalid_scope() -> Self {
        let description = "the session was not given this scope; leave `scope` out";
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    /// The API key may not ask.
    pub fn insufficient_scope() -> Self {
        let description = "use an API key with the scope `introspect`";
        let challenge = Some("Bearer error=\"insufficient_scope\", scope=\"introspect\"");
        Self { challenge, ..Self::new(StatusCode::FORBIDDEN, "insufficient_scope", description) }
    }

    /// Too often; the session goes on.
    pub fn too_many(wait: Seconds) -> Self {
        let description = "this session refreshes too often; wait as Retry-After says";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", description);
        Self { retry_after: Some(wait), ..error }
    }
}

impl From<Doubt> for OauthError {
    fn from(doubt: Doubt) -> Self {
        Problem::from(doubt).into()
    }
}

impl From<Problem> for OauthError {
    /// What the edge has to say about any request, in the words of these routes.
    fn from(problem: Problem) -> Self {
        let status = problem.code().status;
        let error = match status.is_server_error() {
            true => "temporarily_unavailable",
            false => "invalid_request",
        };
        Self { retry_after: problem.wait(), ..Self::new(status, error, problem.code().advice) }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = OauthErrorBody { error: self.error.to_owned(), error_description: self.description };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.0));
        }
        response
    }
}

/// An error of the OAuth routes (RFC 6749 §5.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OauthError)]
pub struct OauthErrorBody {
    /// The word that programs switch on.
    #[schema(example = "invalid_grant")]
    error: String,
    /// What is wrong, for a developer.
    error_description: String,
}
