//! One connection, from its first byte to its last.

use super::activity::{Activity, Observed, Wait, WorkingBody};
use super::{Bounds, Stopping};
use crate::http::client_address::Peer;
use axum::Router;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

/// How we speak HTTP/1.1 and HTTP/2, the latter by ALPN or by prior knowledge (RFC 9113 §3.3).
#[derive(Clone)]
pub(super) struct Protocol(Arc<Builder<TokioExecutor>>);

impl Protocol {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(bounds.head_bytes_max.max(HYPERS_LEAST_BUFFER))
            // `Activity` tells a slow head from an idle connection, which hyper's own timeout does not.
            .header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(bounds.head_bytes_max).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        Self(Arc::new(builder))
    }
}

/// Serves a connection until it ends, dawdles, or the server stops.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    protocol: &Protocol,
    bounds: Bounds,
    mut stopping: Stopping,
) {
    let activity = Activity::new();
    let service = {
        let (activity, stopping) = (Arc::clone(&activity), stopping.clone());
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let working = activity.begin(request.version() == Version::HTTP_2);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(stopping.clone());
            let answered = router.clone().call(request);
            async move { answered.await.map(|response| response.map(|body| WorkingBody::new(body, working))) }
        })
    };
    let io = TokioIo::new(Observed::new(stream, Arc::clone(&activity)));
    let connection = protocol.0.serve_connection(io, service);
    tokio::pin!(connection);

    let mut is_closing = false;
    let mut look_again = bounds.head_timeout;
    loop {
        tokio::select! {
            // The connection first: what has arrived is taken before we hear that we shall stop.
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error = &*error, "a connection broke");
                }
                return;
            }
            () = stopping.wait(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(look_again) => match activity.wait(bounds.head_timeout, bounds.idle_timeout) {
                Wait::Working => look_again = bounds.head_timeout,
                // A head may begin meanwhile, and is then cut off after twice its time at the latest.
                Wait::Left(left) => look_again = left.min(bounds.head_timeout),
                Wait::IdleOver if !is_closing => {
                    is_closing = true;
                    look_again = bounds.head_timeout;
                    connection.as_mut().graceful_shutdown();
                }
                Wait::IdleOver | Wait::Dawdles => return,
            }
        }
    }
}

/// hyper refuses to work with less.
const HYPERS_LEAST_BUFFER: usize = 8192;
/// As many requests of one connection at a time; more than a browser has use for.
const STREAMS_MAX: u32 = 128;
/// How a peer that vanished is found out.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
