//! Who a bearer token or an API key speaks for (RFC 6750).

use super::code;
use super::problem::Problem;
use super::site::Site;
use crate::api_keys::{ApiKeyVerdict, ApiScope};
use crate::sessions::{self, BearerProblem};
use axum::extract::FromRequestParts;
use http::HeaderValue;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use relatch_store::ApiKey;
use relatch_token::Secret;
use std::marker::PhantomData;
use std::sync::Arc;

/// A live session, proved by an access token; its row has just been read.
#[derive(Debug)]
pub struct Bearer(pub sessions::Bearer);

impl FromRequestParts<Arc<Site>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let token = presented(parts)?;
        match site.app.sessions.authenticate(token.expose()).await? {
            Ok(bearer) => Ok(Self(bearer)),
            Err(problem) => Err(Problem::new(match problem {
                BearerProblem::Expired => &code::TOKEN_EXPIRED,
                BearerProblem::Revoked => &code::TOKEN_REVOKED,
                BearerProblem::Invalid => &code::INVALID_TOKEN,
            })
            .challenge(INVALID_TOKEN)),
        }
    }
}

/// Another system, proved by an API key that has the scope.
#[derive(Debug)]
pub struct KeyFor<S> {
    /// The key.
    pub key: ApiKey,
    scope: PhantomData<S>,
}

impl<S> KeyFor<S> {
    /// How the audit names what was done with it.
    pub fn by(&self) -> String {
        format!("by {}", self.key.id)
    }
}

/// A scope, as a type.
pub trait Scope: Send {
    /// The scope.
    const SCOPE: ApiScope;
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Scope for $name {
            const SCOPE: ApiScope = ApiScope::$name;
        }
    )*};
}

scopes! {
    /// Open, list and end sessions.
    Sessions,
    /// List and disable users.
    Users,
    /// Read the audit.
    Events,
    /// Follow the revocation feed.
    Verify,
}

impl<S: Scope> FromRequestParts<Arc<Site>> for KeyFor<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let token = presented(parts)?;
        match site.app.api_keys.check(token.expose(), S::SCOPE).await? {
            ApiKeyVerdict::Granted(key) => Ok(Self { key, scope: PhantomData }),
            ApiKeyVerdict::LacksScope => Err(lacks_scope(S::SCOPE)),
            ApiKeyVerdict::Unknown => Err(Problem::new(&code::INVALID_TOKEN)
                .detail("This is no API key of this server, or it was revoked: `relatch api-keys list`.")
                .challenge(INVALID_TOKEN)),
        }
    }
}

fn lacks_scope(scope: ApiScope) -> Problem {
    let scope = scope.as_str();
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    let problem = Problem::new(&code::INSUFFICIENT_SCOPE).detail(format!(
        "Use an API key with the scope `{scope}`: `relatch api-keys create --name … --scopes {scope}`."
    ));
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}

/// The token of the `Authorization` header (RFC 6750 §2.1; the scheme counts in any case, RFC 9110 §11.1).
pub fn presented(parts: &Parts) -> Result<Secret<String>, Problem> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::invalid_request("Send one `Authorization` header.").challenge(INVALID_REQUEST));
    }
    // Another scheme proves nothing here, and RFC 6750 §3.1 wants no error code then.
    let missing = || Problem::new(&code::MISSING_TOKEN).challenge("Bearer");
    let (_, token) = value
        .and_then(|value| value.as_bytes().split_at_checked(BEARER.len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER))
        .ok_or_else(missing)?;
    match str::from_utf8(token).map(str::trim) {
        Ok("") => Err(missing()),
        Ok(token) => Ok(Secret::new(token.to_owned())),
        Err(_) => Err(Problem::new(&code::INVALID_TOKEN).challenge(INVALID_TOKEN)),
    }
}

const BEARER: &[u8] = b"Bearer ";
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";
const INVALID_REQUEST: &str = "Bearer error=\"invalid_request\"";
