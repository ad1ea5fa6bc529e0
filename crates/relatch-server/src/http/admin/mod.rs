//! Server-to-server routes, for API keys.

pub mod events;
pub mod sessions;
pub mod users;
