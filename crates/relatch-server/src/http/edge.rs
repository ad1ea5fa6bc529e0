//! What happens around every request, whatever its route: its name, its bounds, its headers, its mishaps.

use super::client_address::{ClientAddress, Peer};
use super::origins::Origins;
use super::problem::Problem;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::{code, cors, metrics, security_headers};
use crate::config::{HttpLimitsConfig, Identity, Network, ServerConfig};
use crate::environment::{Entropy, Stopwatch};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use relatch_token::Seconds;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// What the edge knows of the server.
pub struct Edge {
    /// Whose pages may call with cookies.
    pub origins: Origins,
    trusted_proxies: Vec<Network>,
    docs_url: String,
    head_bytes_max: usize,
    request_timeout: Duration,
    limits: Limits,
    entropy: Arc<dyn Entropy>,
}

impl Edge {
    /// The edge of a server with that configuration and identity.
    pub fn new(config: &ServerConfig, identity: &Identity, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            origins: Origins::new(&identity.public_url, &config.allowed_origins),
            trusted_proxies: config.trusted_proxies.clone(),
            docs_url: identity.public_url.join("/docs"),
            head_bytes_max: config.limits.head_bytes,
            request_timeout: Duration::from_secs(config.limits.request_timeout_seconds.into()),
            limits: Limits::of(&config.limits),
            entropy,
        }
    }
}

/// What bounds the reading of a body.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body.
    pub body_bytes_max: usize,
    /// How long it may take to arrive.
    pub body_timeout: Duration,
}

impl Limits {
    fn of(config: &HttpLimitsConfig) -> Self {
        let body_timeout = Duration::from_secs(config.body_timeout_seconds.into());
        Self { body_bytes_max: config.body_bytes, body_timeout }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&HttpLimitsConfig::default())
    }
}

/// The middleware around all routes.
pub async fn around(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let id = RequestId::choose(request.headers(), &*edge.entropy);
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(NO_PEER);
    let client = ClientAddress::of(peer, request.headers(), &edge.trusted_proxies);
    let origin = cors::listed_origin(request.headers(), &edge.origins);
    let seen = metrics::Seen {
        method: metrics::method_name(request.method()),
        route: request.extensions().get::<MatchedPath>().cloned(),
    };
    // The route and never the path: a path may hold what doesn't belong in a log.
    let span =
        tracing::info_span!("request", id = id.as_str(), method = seen.method, route = seen.route_name());

    request.extensions_mut().insert(client);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(edge.limits);
    let answered = async {
        match refused_head(&request, edge.head_bytes_max) {
            Some(problem) => problem.into_response(),
            None if cors::is_preflight(request.method(), request.headers()) => {
                cors::preflight(origin.as_ref())
            }
            None => run(next.run(request), edge.request_timeout).await,
        }
    };
    let mut response = answered.instrument(span.clone()).await;

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.render(&mut response, &edge.docs_url, id.as_str());
    }
    let headers = response.headers_mut();
    cors::allow(origin, headers);
    security_headers::add(headers, client.is_tls);
    headers.insert(X_REQUEST_ID, id.to_header());
    span.in_scope(|| seen.note(response.status(), watch.elapsed()));
    response
}

/// Runs the route: a panic is our mistake and ends this request alone, and no request runs for ever.
async fn run(route: impl Future<Output = Response>, timeout: Duration) -> Response {
    match tokio::time::timeout(timeout, AssertUnwindSafe(route).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            metrics::count_panic();
            tracing::error!("a request made the server panic; please report the message above");
            Problem::new(&code::INTERNAL_ERROR).into_response()
        }
        Err(_) => {
            tracing::error!(seconds = timeout.as_secs(), "a request took too long and was given up");
            Problem::unavailable(RETRY_AFTER_TIMEOUT).into_response()
        }
    }
}

fn refused_head(request: &Request, head_bytes_max: usize) -> Option<Problem> {
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri > URI_BYTES_MAX {
        return Some(Problem::new(&code::URI_TOO_LONG));
    }
    // As the head stands on the wire of HTTP/1.1: `name: value\r\n`.
    let lines: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (uri + lines > head_bytes_max).then(|| {
        Problem::new(&code::HEAD_TOO_LARGE).detail(format!(
            "The head of the request is larger than {head_bytes_max} bytes. Send fewer or shorter headers and \
             cookies."
        ))
    })
}

/// What stands where no route fits.
pub async fn no_route() -> Problem {
    Problem::new(&code::NOT_FOUND)
}

/// What stands where a route has no such method.
pub async fn no_method() -> Problem {
    Problem::new(&code::METHOD_NOT_ALLOWED)
}

/// Half of the default limit of a head; RFC 9110 §4.1 asks for at least 8000.
const URI_BYTES_MAX: usize = 8 * 1024;
/// What took too long once probably will again at once.
const RETRY_AFTER_TIMEOUT: Seconds = Seconds(5);
/// Where the router is called without a socket, as tests do.
const NO_PEER: Peer =
    Peer { address: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), is_tls: false };
