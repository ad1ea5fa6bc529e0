//! What only `relatch dev` has: its mailbox (`dev/mail.rs`), and a clock that can be moved.

mod mail;

use super::body::{Fault, FieldValue, Json, body};
use super::code;
use super::problem::{Answer, Problem};
use super::site::{DevDoor, Shared, Site};
use crate::wire_time::rfc3339;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use relatch_token::Seconds;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The routes of `dev`, where it is open.
pub(super) fn routes(dev: Option<&DevDoor>) -> Router<Arc<Site>> {
    let Some(dev) = dev else { return Router::new() };
    let router = Router::new().route("/dev/mail", get(mail::mail));
    if dev.clock.is_some() { router.route("/dev/clock", post(advance)) } else { router }
}

body! {
    /// How far the server's time moves.
    pub struct AdvanceBody {
        /// Forward by so many seconds.
        #[schema(value_type = u32)]
        advance_seconds: Advance,
    }
}

/// A span that the clock can be moved by.
#[derive(Debug)]
pub struct Advance(Seconds);

impl FieldValue for Advance {
    fn read(value: Value) -> Result<Self, Fault> {
        let seconds = value.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
        let wrong = || Fault::new("wrong_value", "Send a whole number of seconds, 0 or more.");
        seconds.map(|seconds| Self(Seconds(seconds))).ok_or_else(wrong)
    }
}

#[derive(Serialize)]
struct Shown {
    now: String,
}

/// Moves the server's time forward.
async fn advance(State(site): Shared, Json(body): Json<AdvanceBody>) -> Answer<axum::Json<Shown>> {
    let clock = open(&site)?.clock.as_ref().ok_or_else(|| Problem::new(&code::NOT_FOUND))?;
    Ok(axum::Json(Shown { now: rfc3339(clock.advance(body.advance_seconds.0)) }))
}

/// The door, where it is open.
fn open(site: &Site) -> Answer<&DevDoor> {
    site.dev.as_ref().ok_or_else(|| Problem::new(&code::NOT_FOUND))
}
