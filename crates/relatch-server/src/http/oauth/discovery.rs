//! The documents by which clients find everything else (RFC 8414, OpenID Connect Discovery §3).

use crate::config::SigningAlgorithm;
use crate::http::site::{Shared, Site};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use serde_json::json;

/// What OAuth clients need to know
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "OAuth 2.0", security(()),
    responses((status = 200, description = "Metadata (RFC 8414).", body = Object)),
)]
pub(in crate::http) async fn oauth(State(site): Shared) -> Response {
    document(&site)
}

/// What OpenID clients need to know
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "OAuth 2.0", security(()),
    responses((status = 200, description = "Metadata (OpenID Connect Discovery).", body = Object)),
)]
pub(in crate::http) async fn openid(State(site): Shared) -> Response {
    document(&site)
}

/// One document for both, since strict readers of either kind miss what the other demands.
fn document(site: &Site) -> Response {
    let identity = &site.app.identity;
    let url = |path: &str| identity.public_url.join(path);
    let algorithm = match site.app.config.keys.signing.algorithm {
        SigningAlgorithm::Es256 => "ES256",
        SigningAlgorithm::EdDsa => "EdDSA",
        SigningAlgorithm::Rs256 => "RS256",
    };
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    let confidential_methods = &methods[..2];
    let metadata = json!({
        "issuer": identity.issuer.as_str(),
        "token_endpoint": url("/oauth/token"),
        "revocation_endpoint": url("/oauth/revoke"),
        "introspection_endpoint": url("/oauth/introspect"),
        "jwks_uri": url("/.well-known/jwks.json"),
        "service_documentation": url("/docs"),
        // No authorization endpoint yet, so no way to ask for a response; the member itself is required.
        "response_types_supported": [],
        "grant_types_supported": ["refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential_methods,
    });
    ([(CACHE_CONTROL, "public, max-age=300")], Json(metadata)).into_response()
}
