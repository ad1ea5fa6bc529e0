//! Errors as RFC 9457 problems.

use super::code::{self, Code};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use relatch_token::Seconds;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

/// A refusal or failure that is about to be answered.
///
/// As a response it has no body yet: [`Problem::render`] writes it where the request is known.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: &'static Code,
    detail: String,
    retry_after: Option<Seconds>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name.
    #[schema(example = "email")]
    pub field: String,
    /// The word that programs switch on: `missing`, `wrong_type`, `wrong_value`, or the name of a rule.
    #[schema(example = "missing")]
    pub code: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Problem {
    /// A problem whose detail is the code's own advice.
    pub fn new(code: &'static Code) -> Self {
        Self(Box::new(Parts {
            code,
            detail: code.advice.to_owned(),
            retry_after: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// With a sentence of its own. It may be logged and shown, so it never holds a secret.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// With the time to wait before trying again.
    pub fn retry_after(mut self, wait: Seconds) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// With a challenge that says how to authenticate (RFC 9110 §11.6.1).
    pub fn challenge(self, challenge: &'static str) -> Self {
        self.header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// With one more header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// With one more member (RFC 9457 §3.2).
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// `400 invalid_request`, saying what can't be read.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(&code::INVALID_REQUEST).detail(detail)
    }

    /// `422 validation_failed`, listing every field that is not acceptable.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(&code::VALIDATION_FAILED);
        problem.0.errors = errors;
        problem
    }

    /// `503`: nothing was decided, and the caller may try again in `wait`.
    pub fn unavailable(wait: Seconds) -> Self {
        Self::new(&code::UNAVAILABLE).retry_after(wait)
    }

    /// The code.
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// What is wrong with single fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// How long to wait before trying again.
    pub fn wait(&self) -> Option<Seconds> {
        self.0.retry_after
    }

    /// Writes the answer to the request `request_id`; `docs_url` is the page on which codes are explained.
    pub(super) fn render(self, response: &mut Response, docs_url: &str, request_id: &str) {
        let Parts { code, detail, retry_after, errors, members, headers: more } = *self.0;
        let body = ProblemBody {
            r#type: format!("{docs_url}#{}", code.slug),
            title: code.title.to_owned(),
            status: code.status.as_u16(),
            detail,
            code: code.slug.to_owned(),
            request_id: request_id.to_owned(),
            retry_after: retry_after.map(|wait| wait.0),
            errors,
            members,
        };
        *response.body_mut() = Body::from(serde_json::to_vec(&body).unwrap_or_default());
        *response.status_mut() = code.status;
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.0));
        }
        for (name, value) in more {
            headers.append(name, value);
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// An error of `/auth`, `/account` or `/admin` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[schema(format = "uri-reference", example = "https://id.example.com/docs#token_reused")]
    r#type: String,
    /// What it is, in a few words.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time and what to do next.
    detail: String,
    /// The stable word that programs switch on.
    #[schema(example = "token_reused")]
    code: String,
    /// Names the request in the server's logs.
    request_id: String,
    /// After how many seconds to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u32>,
    /// Every field that is not acceptable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Members of single codes.
    #[serde(flatten)]
    #[schema(ignore)]
    members: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn rendered(problem: Problem) -> (Response<()>, Value) {
        let mut response = problem.clone().into_response();
        problem.render(&mut response, "https://id.example/docs", "req_1");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_problem_says_where_it_is_explained_and_when_to_try_again() {
        let (head, body) = rendered(Problem::unavailable(Seconds(3))).await;
        assert_eq!(head.status(), 503);
        assert_eq!(head.headers()["retry-after"], "3");
        assert_eq!(head.headers()["cache-control"], "no-store");
        assert_eq!(head.headers()["content-type"], "application/problem+json");
        assert_eq!(body["type"], "https://id.example/docs#unavailable");
        assert_eq!((&body["code"], &body["request_id"]), (&"unavailable".into(), &"req_1".into()));
        assert_eq!(body["retry_after"], 3);
        assert!(body.get("errors").is_none());
    }

    #[tokio::test]
    async fn errors_challenges_and_members_appear_where_given() {
        let error = FieldError { field: "email".into(), code: "missing".into(), detail: "Send it.".into() };
        let problem = Problem::validation(vec![error])
            .challenge("Bearer")
            .member("methods", serde_json::json!(["totp"]));
        let (head, body) = rendered(problem).await;
        assert_eq!(head.headers()["www-authenticate"], "Bearer");
        assert_eq!(body["errors"][0]["field"], "email");
        assert_eq!(body["methods"][0], "totp");
        assert!(body.get("retry_after").is_none() && head.headers().get("retry-after").is_none());
    }
}
