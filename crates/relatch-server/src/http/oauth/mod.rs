//! The OAuth 2.0 routes (RFC 6749, 7009, 7662, 8414): another door to the same sessions.

mod client;
pub mod discovery;
mod error;
pub mod introspect;
pub mod revoke;
pub mod token;

pub use error::{OauthError, OauthErrorBody};
