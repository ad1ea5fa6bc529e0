//! The contract over a real socket, one file per endpoint, with people as values.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the rooms of a test share their people")]

mod support;

mod account;
mod admin_sessions;
mod admin_users;
mod attack_drills;
mod bodies;
mod breached_passwords;
mod dev;
mod devices;
mod document;
mod edge;
mod events;
mod explain;
mod factors;
mod feed;
mod login;
mod logout;
mod me;
mod mfa;
mod oauth_discovery;
mod oauth_introspect;
mod oauth_revoke;
mod oauth_token;
mod operations;
mod pages;
mod pages_account;
mod pages_enter;
mod pages_factors;
mod password;
mod refresh;
mod risk;
mod session_bounds;
mod sessions;
mod signup;
mod webhooks;
