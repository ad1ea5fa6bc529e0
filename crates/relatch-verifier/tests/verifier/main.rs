//! The verifier against a fake issuer on a real socket, with a clock moved by hand.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod http;
mod issuer;
mod jwt;
mod keys;
mod memory;
