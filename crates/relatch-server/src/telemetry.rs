//! Logs and metrics: set up once, at the start of the process.

use crate::config::{LogFormat, TelemetryConfig};
use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts to log to standard error, so that standard output stays free for answers.
pub fn start_logging(config: &TelemetryConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .context("`telemetry.log_filter` must be like `info` or `relatch_server=debug,warn`")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Readable => lines.compact().with_target(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging can't be started: {error}"))
}

/// Starts to keep metrics; the handle renders them for `GET /metrics`.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let sizes = Matcher::Full("relatch_store_batch_operations".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS_BUCKETS)?
        .set_buckets_for_metric(sizes, &SIZE_BUCKETS)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

/// What the metrics mean that no room describes by itself.
fn describe() {
    metrics::describe_counter!("relatch_refreshes_total", "Refreshes, by the rule's verdict.");
    metrics::describe_counter!("relatch_signatures_total", "Access tokens signed.");
    metrics::describe_gauge!("relatch_signing_keys_published", "Keys in the published set.");
    metrics::describe_gauge!("relatch_signing_key_seconds_left", "How long the current key still signs.");
    metrics::describe_counter!("relatch_swept_total", "Dead rows removed, by what they were.");
    metrics::describe_histogram!("relatch_sweep_batch_seconds", "Time that a batch of the sweep took.");
}

/// From a read in memory to a request that is given up.
const SECONDS_BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// From a lone commit to a full batch.
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
