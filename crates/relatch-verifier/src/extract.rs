//! The claims as an argument of an axum handler.

use crate::http::bearer_token;
use crate::{Claims, Verifier, VerifyError};
use ::http::HeaderValue;
use ::http::request::Parts;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::ops::Deref;

/// The claims of the request's token, or the answer that refuses it.
///
/// The router's state is a [`Verifier`], or something that one can be had from by [`FromRef`]. Custom claims
/// come as a type of the handler's: `RequireAuth<Plan>`. Scopes and `max_age` are demanded where the route is
/// declared, with [`Verifier::layer`].
///
/// ```no_run
/// use relatch_verifier::RequireAuth;
///
/// async fn hello(user: RequireAuth) -> String {
///     format!("hello {}", user.sub)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RequireAuth<T = IgnoredAny>(pub Claims<T>);

impl<T> Deref for RequireAuth<T> {
    type Target = Claims<T>;

    fn deref(&self) -> &Claims<T> {
        &self.0
    }
}

impl<S, T> FromRequestParts<S> for RequireAuth<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    Verifier: FromRef<S>,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        let verifier = Verifier::from_ref(state);
        let claims = match bearer_token(&parts.headers) {
            Ok(token) => verifier.verify_as(token).await,
            Err(error) => Err(error),
        };
        claims
            .map(Self)
            .map_err(|error| AuthRejection { error, request_id: parts.headers.get("x-request-id").cloned() })
    }
}

/// The refusal of a request, ready to be answered.
#[derive(Debug)]
pub struct AuthRejection {
    /// Why.
    pub error: VerifyError,
    request_id: Option<HeaderValue>,
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        self.error.answer::<Body>(self.request_id.as_ref())
    }
}

impl IntoResponse for VerifyError {
    fn into_response(self) -> Response {
        self.answer::<Body>(None)
    }
}
