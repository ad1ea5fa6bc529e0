//! What operators and their machines ask: alive, ready, counted, described.

use super::code;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use crate::outbox;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use metrics_exporter_prometheus::PrometheusHandle;
use relatch_store::ChannelKind;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthAnswer {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Alive?
#[utoipa::path(
    get, path = "/healthz", tag = "Operations", security(()),
    responses((status = 200, description = "The process is alive.", body = HealthAnswer)),
)]
pub(super) async fn healthz() -> Json<HealthAnswer> {
    Json(HealthAnswer { status: "ok" })
}

/// Whether the server can serve, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadyAnswer {
    /// `ready`, or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok`, or what is wrong with the store.
    #[schema(example = "ok")]
    store: String,
    /// `ok`, or what is wrong with the signing keys.
    #[schema(example = "ok")]
    keys: String,
    /// `ok`, or how long mail has been waiting. It makes nobody less ready.
    #[schema(example = "ok")]
    mail: String,
}

/// Ready?
#[utoipa::path(
    get, path = "/readyz", tag = "Operations", security(()),
    responses(
        (status = 200, description = "Store and keys are in order.", body = ReadyAnswer),
        (status = 503, description = "Something is not, and the answer says what.", body = ReadyAnswer),
    ),
)]
pub(super) async fn readyz(State(site): Shared) -> Response {
    let (store, keys) = (store_trouble(&site).await, keys_trouble(&site));
    let mail = match &store {
        None => mail_trouble(&site).await,
        Some(_) => Some("unknown while the store can't be reached".to_owned()),
    };
    let is_ready = store.is_none() && keys.is_none();
    let ok = |trouble: Option<String>| trouble.unwrap_or_else(|| "ok".to_owned());
    let status = if is_ready { "ready" } else { "not_ready" };
    let answer = Json(ReadyAnswer { status, store: ok(store), keys: ok(keys), mail: ok(mail) });
    match is_ready {
        true => ([(CACHE_CONTROL, "no-store")], answer).into_response(),
        false => {
            let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, answer).into_response()
        }
    }
}

async fn store_trouble(site: &Site) -> Option<String> {
    match tokio::time::timeout(PING_TIMEOUT, site.app.store.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            // What a store says may name files and hosts, which are nobody's business out here.
            tracing::warn!(%error, "the store is not ready");
            Some("the store can't be reached; the log says why".to_owned())
        }
        Err(_) => Some(format!("the store did not answer within {} s", PING_TIMEOUT.as_secs())),
    }
}

async fn mail_trouble(site: &Site) -> Option<String> {
    let waiting = tokio::time::timeout(PING_TIMEOUT, site.app.store.waiting(ChannelKind::Mail)).await;
    outbox::trouble(waiting.ok()?.ok()?, site.now())
}

fn keys_trouble(site: &Site) -> Option<String> {
    let is_current = |view: &crate::keys::KeyView| view.state == crate::keys::KeyState::Current;
    let has_key = site.app.keys.view(site.now()).iter().any(is_current);
    (!has_key).then(|| "no signing key is in force; run `relatch keys list`".to_owned())
}

/// Metrics
#[utoipa::path(
    get, path = "/metrics", tag = "Operations", security(()),
    responses(
        (status = 200, description = "In the text format of Prometheus.", body = String, content_type = "text/plain"),
        (status = 404, description = "They are answered on an address of their own (`telemetry.metrics_listen`)."),
    ),
)]
pub(super) async fn metrics(State(site): Shared) -> Answer<Response> {
    site.metrics.as_ref().map(render).ok_or_else(|| Problem::new(&code::NOT_FOUND))
}

/// The metrics as an answer.
pub(super) fn render(metrics: &PrometheusHandle) -> Response {
    metrics.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "Operations", security(()),
    responses((status = 200, description = "This document (OpenAPI 3.1).", body = Object)),
)]
pub(super) async fn openapi(State(site): Shared) -> Response {
    ([(CONTENT_TYPE, "application/json")], site.document.clone()).into_response()
}

/// This document, for people
#[utoipa::path(
    get, path = "/docs", tag = "Operations", security(()),
    responses((status = 200, description = "A page.", body = String, content_type = "text/html")),
)]
pub(super) async fn docs(State(site): Shared) -> Response {
    site.docs_page.respond()
}

/// A store that takes longer is of no use to a request either.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
