//! The session server: HTTP edge, configuration, command line, and the binary relatch.

pub mod accounts;
pub mod api_keys;
pub mod app;
pub mod background;
pub mod cli;
pub mod clients;
pub mod config;
pub mod device;
mod device_name;
pub mod email;
pub mod environment;
pub mod factors;
pub mod http;
pub mod keys;
pub mod limits;
pub mod mail;
pub mod outbox;
pub mod password;
pub mod serve;
pub mod sessions;
pub mod telemetry;
pub mod tokens;
pub mod webhooks;
pub mod wire_time;
