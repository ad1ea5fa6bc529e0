//! `relatch serve`: the server, until it is told to stop.

use super::only_server::OnlyServer;
use super::workshop::{load_config, surroundings};
use super::{Common, OpenStore};
use crate::app::App;
use crate::config::{Config, Layer};
use crate::http::{self, DevDoor};
use crate::sessions::Surroundings;
use crate::{background, serve, telemetry};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn run(common: &Common, open_store: &OpenStore) -> anyhow::Result<()> {
    let config = load_config(common, Layer::new(), common.layer()?)?.config;
    telemetry::start_logging(&config.telemetry)?;
    start(config, surroundings()?, None, open_store, async |bound, _| {
        tracing::info!(%bound, "listening");
        Ok(())
    })
}

/// Runs a server until it is told to stop. `ready` is told the address and the rooms just before it serves.
pub(crate) fn start(
    config: Config,
    surroundings: Surroundings,
    dev: Option<DevDoor>,
    open_store: &OpenStore,
    ready: impl AsyncFnOnce(SocketAddr, &App) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tls = serve::Tls::open(&config.server.tls)?.map(Arc::new);
    let bounds = serve::Bounds::of(&config.server.limits);
    // Said before a database is made that nobody could serve.
    config.keys.master_key_source()?;
    runtime.block_on(async {
        // Held to the end, and taken before anything is written.
        let _only = OnlyServer::claim(&config.store).await?;
        let opened = open_store(&config.store)?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let listener = TcpListener::bind(config.server.listen).await.with_context(|| {
            format!("can't listen on {}; is another server running there?", config.server.listen)
        })?;
        let bound = listener.local_addr()?;
        let metrics_listen = config.telemetry.metrics_listen;
        let mailbox = dev.as_ref().map(|dev| Arc::clone(&dev.mailbox));
        let app = App::assemble(config, bound, opened, surroundings, mailbox).await?;
        app.accounts.check_files()?;
        if !app.accounts.can_mail() {
            tracing::info!("no mail leaves: nobody can reset a password by mail; set `mail.smtp.host`");
        }
        let background = background::start(&app);
        let router = match metrics_listen {
            None => http::router(app.clone(), dev, Some(metrics)),
            Some(address) => {
                let beside = TcpListener::bind(address)
                    .await
                    .with_context(|| format!("can't listen on {address} (`telemetry.metrics_listen`)"))?;
                tokio::spawn(serve::serve(
                    beside,
                    None,
                    http::metrics_router(metrics),
                    bounds,
                    stop_signal()?,
                ));
                http::router(app.clone(), dev, None)
            }
        };
        ready(bound, &app).await?;
        if let Some(tls) = &tls {
            reload_on_hangup(Arc::clone(tls))?;
        }
        let cut_off = serve::serve(listener, tls, router, bounds, stop_signal()?).await;
        app.accounts.stop().await;
        background.stop().await;
        tracing::info!(cut_off, "stopped");
        Ok(())
    })
}

/// Ready when the process is asked to end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Reads the certificate again when told to (SIGHUP), as those who renew it do.
fn reload_on_hangup(tls: Arc<serve::Tls>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match tls.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(%error, "the certificate was not changed"),
            }
        }
    });
    Ok(())
}
