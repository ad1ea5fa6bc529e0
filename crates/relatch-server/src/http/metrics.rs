//! What the edge counts: requests by route, method and status, and how long they took.

use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use std::time::Duration;

/// A request, as far as its metrics go: by its route's template, so that no path makes a series of its own.
pub(super) struct Seen {
    pub(super) method: &'static str,
    pub(super) route: Option<MatchedPath>,
}

impl Seen {
    pub(super) fn route_name(&self) -> &str {
        self.route.as_ref().map_or("(none)", MatchedPath::as_str)
    }

    /// Counts the request and logs it: what went well for those who ask, a fault of ours for everybody.
    pub(super) fn note(&self, status: StatusCode, took: Duration) {
        let (route, code) = (self.route_name().to_owned(), status.as_str().to_owned());
        metrics::counter!(REQUESTS, "route" => route.clone(), "method" => self.method, "status" => code)
            .increment(1);
        metrics::histogram!(REQUEST_SECONDS, "route" => route, "method" => self.method).record(took);
        let (status, millis) = (status.as_u16(), took.as_millis() as u64);
        match status {
            ..400 => tracing::debug!(status, millis, "answered"),
            400..500 => tracing::info!(status, millis, "refused"),
            _ => tracing::warn!(status, millis, "could not answer"),
        }
    }
}

/// The method as a label; methods that we don't know share one.
pub(super) fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

pub(super) fn count_panic() {
    metrics::counter!(PANICS).increment(1);
}

/// Tells the recorder what the edge's metrics mean. Call it once, after the recorder was installed.
pub fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests answered.");
    metrics::describe_histogram!(REQUEST_SECONDS, metrics::Unit::Seconds, "Time to answer a request.");
    metrics::describe_counter!(PANICS, "Requests that made the server panic.");
}

const REQUESTS: &str = "relatch_http_requests_total";
const REQUEST_SECONDS: &str = "relatch_http_request_seconds";
const PANICS: &str = "relatch_http_panics_total";
