//! The table of routes.

use super::docs_page::DocsPage;
use super::edge::{Edge, around, no_method, no_route};
use super::feed::{self, Feed};
use super::oauth::{discovery, introspect, revoke, token};
use super::site::{DevDoor, Site};
use super::{
    admin, dev, devices, email, events, factors, jwks, login, logout, me, mfa, openapi, operations, pages,
    password, refresh, session_list, signup,
};
use crate::app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route of a server. With `metrics` they are answered here too.
pub fn router(app: App, dev: Option<DevDoor>, metrics: Option<PrometheusHandle>) -> Router {
    super::metrics::describe();
    let (routes, document) = table().split_for_parts();
    let document = openapi::finish(document, &app.identity.public_url);
    let edge = Edge::new(&app.config.server, &app.identity, Arc::clone(&app.surroundings.entropy));
    let site = Arc::new(Site {
        edge: Arc::new(edge),
        feed: Feed::default(),
        metrics,
        docs_page: DocsPage::of(&document),
        document: openapi::to_json(&document),
        dev,
        app,
    });
    tokio::spawn(feed::look_for_news(Arc::downgrade(&site)));
    routes
        .merge(dev::routes(&site))
        .merge(pages::routes(&site))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&site.edge), around))
        .with_state(site)
}

/// The metrics alone, for an address of their own.
pub fn metrics_router(metrics: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(async move || operations::render(&metrics)))
}

pub(super) fn table() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(signup::signup))
        .routes(routes!(login::login))
        .routes(routes!(mfa::mfa))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(logout::logout_all))
        .routes(routes!(me::me))
        .routes(routes!(session_list::list))
        .routes(routes!(session_list::end))
        .routes(routes!(devices::list))
        .routes(routes!(devices::rename, devices::forget))
        .routes(routes!(events::events))
        .routes(routes!(password::change))
        .routes(routes!(password::forgot))
        .routes(routes!(password::reset))
        .routes(routes!(email::verify))
        .routes(routes!(factors::list))
        .routes(routes!(factors::begin_totp))
        .routes(routes!(factors::confirm_totp))
        .routes(routes!(factors::remove))
        .routes(routes!(factors::recovery_codes))
        .routes(routes!(token::token))
        .routes(routes!(revoke::revoke))
        .routes(routes!(introspect::introspect))
        .routes(routes!(discovery::oauth))
        .routes(routes!(discovery::openid))
        .routes(routes!(jwks::jwks))
        .routes(routes!(admin::sessions::open, admin::sessions::list))
        .routes(routes!(admin::sessions::end))
        .routes(routes!(admin::sessions::explain))
        .routes(routes!(admin::users::list))
        .routes(routes!(admin::users::logout_all))
        .routes(routes!(admin::users::disable))
        .routes(routes!(admin::users::remove_factors))
        .routes(routes!(admin::events::events))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .routes(routes!(operations::openapi))
        .routes(routes!(operations::docs))
        .routes(routes!(feed::follow))
}
