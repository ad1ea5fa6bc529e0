//! `[telemetry]`: logs and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Logs and metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How log lines look: `json`, one object a line, or `readable`, for people.
    pub log_format: LogFormat,
    /// Which log lines are written, as `level` or `module=level`, separated by commas.
    pub log_filter: String,
    /// A second address for `GET /metrics`, such as `127.0.0.1:9090`, which then answers nowhere else.
    /// Absent: it answers beside everything else.
    #[schemars(with = "Option<String>")]
    pub metrics_listen: Option<SocketAddr>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log_format: LogFormat::Json, log_filter: "info".into(), metrics_listen: None }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Readable,
}
