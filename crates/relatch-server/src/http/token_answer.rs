//! Handing out tokens: JSON, and the cookies of the cookie transport.

use super::cookies;
use super::views::TokenAnswer;
use crate::device::DeviceCookie;
use crate::sessions::Tokens;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use relatch_core::{Session, Transport};
use relatch_token::{Seconds, Timestamp};

/// The answer that hands out `tokens`; `device` is set where a browser's session begins.
pub fn hand_out(
    status: StatusCode,
    tokens: &Tokens,
    device: Option<&DeviceCookie>,
    now: Timestamp,
) -> Response {
    let is_body = tokens.session.transport == Transport::Body;
    let mut response = (status, axum::Json(TokenAnswer::of(tokens, is_body))).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !is_body {
        set_cookies(headers, tokens, device, now);
    }
    response
}

/// Sets the cookies of the cookie transport; `device` where a browser's session begins.
pub fn set_cookies(headers: &mut HeaderMap, tokens: &Tokens, device: Option<&DeviceCookie>, now: Timestamp) {
    let max_age = max_age(&tokens.session, now);
    headers.append(SET_COOKIE, cookies::refresh(&tokens.refresh_token, max_age));
    headers.append(SET_COOKIE, cookies::hint(tokens.session.id, tokens.generation, max_age));
    if let Some(device) = device {
        headers.append(SET_COOKIE, cookies::device(&device.value()));
    }
}

/// How long the cookies live: as long as the session would if nobody came back, or until the window closes.
fn max_age(session: &Session, now: Timestamp) -> Option<Seconds> {
    // Rounded up: an age of 0 would clear the cookie of a session that still lives.
    let left = session.idle_expires_at().millis_since(now).saturating_add(999) / 1000;
    session.remember.then(|| Seconds(u32::try_from(left.max(0)).unwrap_or(u32::MAX)))
}
