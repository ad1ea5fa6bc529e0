//! What happens by itself: keys are tended, what is long dead is swept away, what is queued is delivered.

use crate::app::App;
use crate::environment::Stopwatch;
use crate::keys::TEND_EVERY;
use crate::mail::MailCarrier;
use crate::outbox::Worker;
use metrics::{counter, histogram};
use relatch_store::SweepOrder;
use relatch_token::Seconds;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens by itself. Dropping it ends it.
pub struct Background {
    chores: JoinSet<()>,
    deliveries: Deliveries,
}

/// Starts everything.
pub fn start(app: &App) -> Background {
    let mut chores = JoinSet::new();
    chores.spawn(tend_keys(app.clone()));
    chores.spawn(tend_factors(app.clone()));
    chores.spawn(sweep(app.clone()));
    chores.spawn(app.webhooks.clone().follow());
    chores.spawn(app.webhooks.clone().deliver());
    Background { chores, deliveries: deliver(app) }
}

impl Background {
    /// Ends what can be cut off anywhere, and waits for deliveries that are under way.
    pub async fn stop(self) {
        let Self { chores, deliveries } = self;
        drop(chores);
        deliveries.stop().await;
    }
}

/// The workers of the outbox. Dropping them leaves what they had taken to be taken again.
pub struct Deliveries {
    workers: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Starts the workers of the outbox.
pub fn deliver(app: &App) -> Deliveries {
    let (stop, stopping) = watch::channel(false);
    let mut workers = JoinSet::new();
    if app.mailer.is_there() {
        let carrier = Arc::new(MailCarrier(Arc::clone(&app.mailer)));
        workers.spawn(Worker::new(app.outbox.clone(), carrier, stopping).run());
    }
    Deliveries { workers, stop }
}

impl Deliveries {
    /// Takes nothing more, and waits a little for what is under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(DELIVERIES_GRACE, ended).await.is_err() {
            tracing::info!("stopped amid a delivery; it is made again after the next start");
        }
    }
}

async fn tend_keys(app: App) {
    loop {
        tokio::time::sleep(Duration::from_secs(TEND_EVERY.0.into())).await;
        if let Err(error) = app.keys.tend(&*app.store, app.now()).await {
            tracing::error!(%error, "the signing keys could not be tended");
        }
    }
}

/// Seals second factors under the current master key. A new one comes with a restart, so at once; and again later
/// for what another node still sealed under the old one.
async fn tend_factors(app: App) {
    loop {
        if let Err(doubt) = app.accounts.tend_factors().await {
            tracing::warn!(%doubt, "sealing second factors anew was put off");
        }
        tokio::time::sleep(TEND_FACTORS_EVERY).await;
    }
}

/// Goes round the whole store in small batches with pauses between, so that refreshes hardly notice.
async fn sweep(app: App) {
    let config = &app.config.store.sweep;
    loop {
        tokio::time::sleep(Duration::from_secs(config.interval_seconds.into())).await;
        loop {
            let watch = Stopwatch::start();
            let now = app.now();
            let order = SweepOrder {
                now,
                dead_before: now - Seconds(config.keep_dead_seconds),
                events_before: now - EVENTS_KEPT,
                feed_before: now - Seconds(app.config.tokens.access_seconds) - FEED_MARGIN,
                rows_max: config.batch_rows,
            };
            match app.store.sweep(order).await {
                Ok(swept) => {
                    counter!("relatch_swept_total", "what" => "sessions").increment(swept.sessions);
                    counter!("relatch_swept_total", "what" => "events").increment(swept.events);
                    counter!("relatch_swept_total", "what" => "feed").increment(swept.feed);
                    counter!("relatch_swept_total", "what" => "links").increment(swept.links);
                    counter!("relatch_swept_total", "what" => "devices").increment(swept.devices);
                    histogram!("relatch_sweep_batch_seconds").record(watch.elapsed());
                    if swept.is_round_done {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the sweep was put off");
                    break;
                }
            }
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }
}

/// A mail server answers sooner; one that doesn't gets the message again.
const DELIVERIES_GRACE: Duration = Duration::from_secs(10);
/// People look back over a quarter; what is older helps nobody and only grows.
const EVENTS_KEPT: Seconds = Seconds(90 * 86_400);
/// A look at every factor.
const TEND_FACTORS_EVERY: Duration = Duration::from_secs(3600);
/// Verifiers may lag, and their clocks be off, by as much.
const FEED_MARGIN: Seconds = Seconds(3600);
/// Leaves the store to others for most of the time.
const BETWEEN_BATCHES: Duration = Duration::from_millis(20);
