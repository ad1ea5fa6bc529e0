//! The HTTP interface: what happens around every request, and the routes.

pub mod body;
pub mod client_address;
pub mod code;
pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod edge;
pub mod form;
pub mod json;
pub mod metrics;
pub mod origins;
pub mod problem;
pub mod request_id;
pub mod security_headers;
