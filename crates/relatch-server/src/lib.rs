//! The session server: HTTP edge, configuration, command line, and the binary relatch.

pub mod environment;
