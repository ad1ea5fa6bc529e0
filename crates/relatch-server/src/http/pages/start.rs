//! What `relatch dev` greets with: a page that leads to everything, and one on which a session's tokens turn over.

use super::visit::{Visit, Visiting, around};
use crate::cli::{ADA, ADAS_PASSWORD};
use crate::http::site::Site;
use askama::Template;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use std::sync::Arc;

/// The routes, where `relatch dev` runs the server. Elsewhere there is nothing at `/`.
pub(super) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    if site.dev.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/", get(start))
        .route("/dev/live", get(live))
        .layer(from_fn_with_state(Arc::clone(site), around))
}

async fn start(Extension(visit): Visiting) -> Response {
    let page = Start { page: &visit, email: ADA, password: ADAS_PASSWORD };
    visit.show(StatusCode::OK, &page)
}

async fn live(Extension(visit): Visiting) -> Response {
    let has_clock = visit.site.dev.as_ref().is_some_and(|dev| dev.clock.is_some());
    let page = Live { page: &visit, email: ADA, password: ADAS_PASSWORD, has_clock };
    visit.show_with(StatusCode::OK, &page, "; connect-src 'self'")
}

#[derive(Template)]
#[template(path = "pages/start.html")]
struct Start<'a> {
    page: &'a Visit,
    email: &'static str,
    password: &'static str,
}

#[derive(Template)]
#[template(path = "pages/live.html")]
struct Live<'a> {
    page: &'a Visit,
    email: &'static str,
    password: &'static str,
    has_clock: bool,
}
