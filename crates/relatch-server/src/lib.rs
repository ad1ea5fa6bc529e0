//! The session server: HTTP edge, configuration, command line, and the binary relatch.

pub mod config;
pub mod email;
pub mod environment;
pub mod http;
pub mod keys;
pub mod password;
pub mod serve;
