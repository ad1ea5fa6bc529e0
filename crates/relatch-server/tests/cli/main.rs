//! The binary `relatch` from outside: what operators type, what it prints, and what it does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the rooms of a test share their people")]
#![expect(clippy::disallowed_methods, reason = "a process outside is waited for in real time")]

mod backup;
mod config;
mod dev;
mod keys;
mod mail;
mod people;
mod programs;
mod serve;
mod start_up;
mod support;
mod webhooks;
