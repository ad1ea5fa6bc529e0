//! Which pages of other origins may read our answers (the Fetch standard's CORS protocol).

use super::origins::Origins;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// The origin that asked, where it is listed.
pub fn listed_origin(headers: &HeaderMap, origins: &Origins) -> Option<HeaderValue> {
    headers.get(ORIGIN).filter(|origin| origins.contains(origin.as_bytes())).cloned()
}

/// Whether this is a browser's question in advance (the Fetch standard, "CORS-preflight request").
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight. For an origin that isn't listed it allows nothing.
pub fn preflight(origin: Option<&HeaderValue>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if origin.is_some() {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
    }
    response
}

/// Lets the listed origin read an answer; tells caches that others may not.
pub fn allow(origin: Option<HeaderValue>, answer: &mut HeaderMap) {
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

const METHODS: &str = "GET, POST, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, x-request-id";
const EXPOSED: &str = "date, retry-after, www-authenticate, x-request-id";
/// Browsers cap it at two hours; a page that is no longer listed is refused by its missing headers at once.
const MAX_AGE_SECONDS: &str = "7200";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(origin: &str) -> (HeaderMap, HeaderMap) {
        let origins = Origins::of_test("https://id.example.com", &["https://app.example.com"]);
        let request = HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
        let listed = listed_origin(&request, &origins);
        let (before, mut after) = (preflight(listed.as_ref()).headers().clone(), HeaderMap::new());
        allow(listed, &mut after);
        (before, after)
    }

    #[test]
    fn a_listed_origin_may_send_credentials_and_read_the_exposed_headers() {
        let (before, after) = asked_by("https://app.example.com");
        assert_eq!(before["access-control-allow-methods"], "GET, POST, PATCH, DELETE");
        assert_eq!(after["access-control-allow-origin"], "https://app.example.com");
        assert_eq!(after["access-control-allow-credentials"], "true");
        assert_eq!(
            after["access-control-expose-headers"],
            "date, retry-after, www-authenticate, x-request-id"
        );
    }

    #[test]
    fn any_other_origin_gets_nothing_and_caches_know_that_it_matters() {
        for origin in ["https://evil.test", "null", "https://APP.example.com", "https://app.example.com/"] {
            let (before, after) = asked_by(origin);
            assert!(before.is_empty(), "{origin}");
            assert_eq!(after.len(), 1, "{origin}");
            assert_eq!(after["vary"], "origin");
        }
    }
}
