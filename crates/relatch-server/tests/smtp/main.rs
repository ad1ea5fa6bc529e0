//! Mail against a real SMTP server (aiosmtpd): how it is talked to, and that the queue loses nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the rooms of a test share their people")]

mod queue;
mod sink;
mod talk;
