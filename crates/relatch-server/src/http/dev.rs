//! What only `relatch dev` has: its mailbox (`dev/mail.rs`), and a clock that can be moved.

mod mail;

use super::body::{Fault, FieldValue, Json, body};
use super::code;
use super::problem::{Answer, Problem};
use super::site::{DevDoor, Shared, Site};
use crate::config::host_of;
use crate::wire_time::rfc3339;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::HOST;
use http::uri::Authority;
use relatch_token::Seconds;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The routes of `dev`, where it is open.
pub(super) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    let Some(dev) = &site.dev else { return Router::new() };
    let router = Router::new().route("/dev/mail", get(mail::mail));
    let router = if dev.clock.is_some() { router.route("/dev/clock", post(advance)) } else { router };
    router.layer(from_fn_with_state(Arc::clone(site), by_our_name))
}

/// Shuts the doors to pages of elsewhere whose host was made to lead to this machine (DNS rebinding).
async fn by_our_name(State(site): Shared, request: Request, next: Next) -> Response {
    let own = site.app.identity.public_url.host();
    let asked = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let name = host_of(asked.or(request.uri().authority().map(Authority::as_str)).unwrap_or_default());
    if name == own || ["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return next.run(request).await;
    }
    Problem::new(&code::NOT_FOUND).into_response()
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
