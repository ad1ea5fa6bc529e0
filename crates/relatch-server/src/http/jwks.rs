//! `GET /.well-known/jwks.json`: the public keys of access tokens (RFC 7517).

use super::site::Shared;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The public keys
///
/// Keys of one type only, the current one first.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "OAuth 2.0", security(()),
    responses((status = 200, description = "A JWK set.", body = Object)),
)]
pub(super) async fn jwks(State(site): Shared) -> Response {
    // Never longer than verifiers may keep it, by which the schedule of rotations is judged.
    let seconds = site.app.config.keys.signing.verifier_cache_seconds.min(CACHE_SECONDS_MAX);
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CACHE_CONTROL, format!("public, max-age={seconds}")),
    ];
    (headers, site.app.keys.jwks(site.now())).into_response()
}

/// A revoked key shall leave caches soon.
const CACHE_SECONDS_MAX: u32 = 300;
