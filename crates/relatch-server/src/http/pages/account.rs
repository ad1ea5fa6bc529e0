//! The account: the devices on which somebody is logged in, and the ways to log them out.

use super::posted::Posted;
use super::texts::fill;
use super::visit::{Visit, Visiting, go};
use crate::device_name;
use crate::http::cookies;
use crate::http::logout::{self, end_sessions_of_cookies};
use crate::http::problem::Answer;
use crate::http::session_list::end_own;
use crate::sessions::Sessions;
use crate::wire_time::rfc3339;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use relatch_core::{RevokeReason, Session};
use relatch_store::{Loaded, User};
use relatch_token::{SessionId, Timestamp};

/// Where nothing is to be seen, the account is.
pub(super) async fn lead(Extension(visit): Visiting) -> Response {
    go(&visit.link("account"))
}

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    let Loaded { session: current, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let sessions = visit.app().sessions.list(user.id).await?;
    let now = visit.site.now();
    let mut devices: Vec<Device> =
        sessions.iter().map(|session| Device::of(session, current.id, now, &visit)).collect();
    devices.sort_by_key(|device| !device.is_current);
    let texts = &visit.texts.account;
    let notice = match visit.asked("notice") {
        Some("device") => Some(texts.done_device),
        Some("others") => Some(texts.done_others),
        Some("password") => Some(texts.done_password),
        _ => None,
    };
    Ok(visit.show(StatusCode::OK, &Page { page: &visit, here: "account", user: &user, devices, notice }))
}

/// Logs this device out, whatever the cookies are worth.
pub(super) async fn log_out(Extension(visit): Visiting, _: Posted) -> Answer<Response> {
    end_sessions_of_cookies(&visit.site, &visit.caller, RevokeReason::Logout).await?;
    Ok(goodbye(&visit, "logout"))
}

/// Logs another device out.
pub(super) async fn end(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let id = form.get("session");
    if id == session.id.to_string() {
        end_sessions_of_cookies(&visit.site, &visit.caller, RevokeReason::Logout).await?;
        return Ok(goodbye(&visit, "logout"));
    }
    end_own(&visit.site, &visit.caller, user.id, id).await?;
    Ok(go(&visit.link_with("account", &[("notice", "device")])))
}

/// Logs out everywhere, or everywhere else.
pub(super) async fn end_all(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let loaded = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let keeps_current = form.get("keep") == "this";
    logout::end_all(&visit.site, &visit.caller, loaded, keeps_current).await?;
    Ok(if keeps_current {
        go(&visit.link_with("account", &[("notice", "others")]))
    } else {
        goodbye(&visit, "logout_all")
    })
}

/// Clears what opened the session, and says that it is over.
pub(super) fn goodbye(visit: &Visit, reason: &str) -> Response {
    let mut response = go(&visit.link_with("ended", &[("reason", reason)]));
    for cookie in cookies::cleared() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[derive(Template)]
#[template(path = "pages/account.html")]
struct Page<'a> {
    page: &'a Visit,
    here: &'static str,
    user: &'a User,
    devices: Vec<Device>,
    notice: Option<&'static str>,
}

/// A device on which somebody is logged in.
struct Device {
    session_id: SessionId,
    name: String,
    is_current: bool,
    last_seen: String,
    since: When,
    ip: Option<String>,
    log_out: String,
}

impl Device {
    fn of(session: &Session, current: SessionId, now: Timestamp, visit: &Visit) -> Self {
        let texts = visit.texts;
        let name = device_name::of(&session.origin).unwrap_or_else(|| texts.common.unknown_device.to_owned());
        let ago = texts.ago(Sessions::last_seen_at(session), now);
        Self {
            session_id: session.id,
            is_current: session.id == current,
            last_seen: fill(texts.account.last_seen, "when", &ago),
            since: When::of(session.created_at()),
            ip: session.origin.ip.map(|ip| ip.to_string()),
            log_out: fill(texts.account.log_out_device, "device", &name),
            name,
        }
    }
}

/// A moment: for programs, and for people whose browser runs no script that says it in their own way.
pub(super) struct When {
    pub(super) exact: String,
    pub(super) day: String,
    pub(super) minute: String,
}

impl When {
    pub(super) fn of(at: Timestamp) -> Self {
        let exact = rfc3339(at);
        // `2027-01-15T08:00:00Z`.
        let day = exact.get(..10).unwrap_or(&exact).to_owned();
        let minute = exact.get(11..16).map_or_else(|| exact.clone(), |time| format!("{day} {time} UTC"));
        Self { exact, day, minute }
    }
}
