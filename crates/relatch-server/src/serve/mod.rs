//! The accept loop: connections within bounds, cut off when they dawdle, answered before the server stops.

mod activity;
mod connection;
mod tls;

pub use tls::{Tls, TlsError};

use crate::config::HttpLimitsConfig;
use crate::http::client_address::Peer;
use axum::Router;
use connection::Protocol;
use futures::FutureExt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Told to requests that last: an endless answer ends itself when the server stops.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Ready when the server stops.
    pub async fn wait(&mut self) {
        // A sender that is gone has stopped too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// What bounds the server's connections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections at a time; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// The largest request head that is read at all. The router refuses smaller ones with an explanation.
    pub head_bytes_max: usize,
    /// How long a client may take for a request head, and for the TLS handshake before it.
    pub head_timeout: Duration,
    /// How long a connection may stay idle between requests.
    pub idle_timeout: Duration,
    /// How long requests that were taken may run on after the server was told to stop.
    pub grace: Duration,
}

impl Bounds {
    /// The bounds of a configuration.
    pub fn of(config: &HttpLimitsConfig) -> Self {
        Self {
            connections_max: config.connections_max,
            head_bytes_max: config.head_bytes * HEAD_ROOM,
            head_timeout: Duration::from_secs(config.header_timeout_seconds.into()),
            idle_timeout: IDLE_TIMEOUT,
            grace: Duration::from_secs(config.shutdown_grace_seconds.into()),
        }
    }
}

/// Serves `router` until `stop` is ready, then answers what was taken. Says how many connections were cut off
/// because the grace was over.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> usize {
    let (stop_sender, stopping) = watch::channel(false);
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let stopping = Stopping(stopping);
    let acceptor = Acceptor { tls, protocol: Protocol::new(&bounds), router, bounds, stopping };
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            taken = take(&listener, &places) => acceptor.start(&mut connections, taken),
        }
    }
    // Who got as far as the queue before we stopped is answered too.
    while let Some(taken) = take(&listener, &places).now_or_never() {
        acceptor.start(&mut connections, taken);
    }
    drop(listener);
    stop_sender.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    // A timeout leaves the rest to be dropped, which closes them.
    let _ = tokio::time::timeout(bounds.grace, finished).await;
    connections.len()
}

type Taken = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// Waits for a free place, then for a connection.
async fn take(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Taken> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            // Out of file descriptors, most likely: asking again at once would only burn the processor.
            tracing::warn!(%error, "could not accept a connection; raise the limit of open files");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return Err(error);
        }
    };
    Ok((stream, address, place))
}

struct Acceptor {
    tls: Option<Arc<Tls>>,
    protocol: Protocol,
    router: Router,
    bounds: Bounds,
    stopping: Stopping,
}

impl Acceptor {
    fn start(&self, connections: &mut JoinSet<()>, taken: io::Result<Taken>) {
        let Ok((stream, address, place)) = taken else { return };
        let (router, protocol, bounds) = (self.router.clone(), self.protocol.clone(), self.bounds);
        let (tls, stopping) = (self.tls.clone(), self.stopping.clone());
        connections.spawn(async move {
            let _place = place;
            // An answer is written in one piece; waiting for more only delays it (RFC 896).
            let _ = stream.set_nodelay(true);
            let peer = Peer { address, is_tls: tls.is_some() };
            match tls {
                None => connection::run(stream, peer, router, &protocol, bounds, stopping).await,
                Some(tls) => match tokio::time::timeout(bounds.head_timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        connection::run(stream, peer, router, &protocol, bounds, stopping).await
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
        });
    }
}

/// A head up to this many times the configured limit is still read, so that the router can explain the limit.
const HEAD_ROOM: usize = 2;
/// Longer than the 60 seconds for which common proxies keep a connection, so that they close it and not we,
/// just as they send a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
