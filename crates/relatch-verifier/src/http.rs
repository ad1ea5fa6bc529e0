//! Bearer tokens in requests, refusals in answers (RFC 6750, RFC 9457).

use crate::{Flaw, VerifyError};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;

/// What a problem's `type` starts with: a name, since a resource server hosts no page that explains it.
const ERROR_TYPE: &str = "urn:relatch:error:";

/// The bearer token of a request: from the `Authorization` header alone, never from a URL or a body.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, VerifyError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(VerifyError::MissingToken)?;
    if values.next().is_some() {
        return Err(Flaw::SeveralTokens.into());
    }
    // RFC 9110 §11.1: the scheme in any case, then spaces, then the credentials.
    let value = value.to_str().map_err(|_| Flaw::NotASignedJwt)?;
    match value.split_once(' ').unwrap_or((value, "")) {
        (scheme, token) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(VerifyError::MissingToken),
    }
}

impl VerifyError {
    /// The answer: a status, a challenge, and a problem document. A sane `request_id` is repeated in it.
    pub fn answer<B: From<String>>(self, request_id: Option<&HeaderValue>) -> Response<B> {
        let problem = Problem {
            r#type: format!("{ERROR_TYPE}{}", self.code()),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.to_string(),
            code: self.code(),
            request_id: request_id.and_then(sane_request_id),
            retry_after: self.retry_after().map(|span| span.0),
        };
        let mut response = Response::new(B::from(problem.to_json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // A scope that an operator misspelled with a line break loses its challenge, not the whole answer.
        if let Some(challenge) = self.challenge().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(span) = self.retry_after() {
            headers.insert(RETRY_AFTER, span.0.into());
        }
        response
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl Problem<'_> {
    fn to_json(&self) -> String {
        // Strings and numbers alone: there is nothing in it that could fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A request id of another system is repeated only if it is short and harmless.
fn sane_request_id(value: &HeaderValue) -> Option<&str> {
    let is_sane = |text: &&str| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    value.to_str().ok().filter(is_sane)
}
