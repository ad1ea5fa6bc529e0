//! The account: the devices that somebody has logged in with, to be named, logged out and forgotten.

use super::posted::Posted;
use super::texts::fill;
use super::visit::{Visit, Visiting, go};
use crate::device_name;
use crate::http::code;
use crate::http::cookies;
use crate::http::devices::{RenameDeviceBody, forget_own, rename_own};
use crate::http::logout::{self, end_sessions_of_cookies};
use crate::http::problem::Answer;
use crate::http::session_list::end_own;
use crate::sessions::OwnDevice;
use crate::wire_time::rfc3339;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use relatch_core::{Origin, RevokeReason};
use relatch_store::{Loaded, User};
use relatch_token::{DeviceId, SessionId, Timestamp};

/// Where nothing is to be seen, the account is.
pub(super) async fn lead(Extension(visit): Visiting) -> Response {
    go(&visit.link("account"))
}

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    let Loaded { session: current, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let own = visit.app().sessions.devices(user.id, &current).await?;
    let now = visit.site.now();
    let mut devices: Vec<Device> = own.iter().map(|device| Device::of(device, now, &visit)).collect();
    devices.sort_by_key(|device| !device.is_current);
    let texts = &visit.texts.account;
    let notice = match visit.asked("notice") {
        Some("device") => Some(texts.done_device),
        Some("renamed") => Some(texts.done_renamed),
        Some("forgotten") => Some(texts.done_forgotten),
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
    let on_device = visit.app().sessions.devices(user.id, &session).await?;
    let same = on_device.iter().find(|device| device.sessions.iter().any(|other| other.to_string() == id));
    end_own(&visit.site, &visit.caller, user.id, id).await?;
    for other in same.map_or(&[][..], |device| &device.sessions) {
        let other = other.to_string();
        // One that has ended meanwhile has ended.
        if other != id && other != session.id.to_string() {
            let _ = end_own(&visit.site, &visit.caller, user.id, &other).await;
        }
    }
    Ok(go(&visit.link_with("account", &[("notice", "device")])))
}

/// Names a device.
pub(super) async fn rename(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let body = match form.read::<RenameDeviceBody>(&["name"]) {
        Ok(body) => body,
        // The field asks for no less itself: who sends it all the same gets the account as it is.
        Err(problem) if *problem.code() == code::VALIDATION_FAILED => return Ok(go(&visit.link("account"))),
        Err(problem) => return Err(problem),
    };
    rename_own(&visit.site, &visit.caller, session, form.get("device"), body).await?;
    Ok(go(&visit.link_with("account", &[("notice", "renamed")])))
}

/// Forgets a device, and logs it out.
pub(super) async fn forget(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let device = forget_own(&visit.site, &visit.caller, session, form.get("device")).await?;
    Ok(if device.is_current {
        goodbye(&visit, "logout")
    } else {
        go(&visit.link_with("account", &[("notice", "forgotten")]))
    })
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

/// A device that somebody has logged in with.
struct Device {
    id: DeviceId,
    /// The newest session on it, where one lives.
    session_id: Option<SessionId>,
    name: String,
    is_current: bool,
    last_seen: String,
    since: When,
    ip: Option<String>,
    log_out: String,
    rename: String,
    forget: String,
}

impl Device {
    fn of(device: &OwnDevice, now: Timestamp, visit: &Visit) -> Self {
        let texts = visit.texts;
        let (device_name, user_agent) = (device.name.clone(), device.user_agent.clone());
        let name = device_name::of(&Origin { ip: None, device_name, user_agent });
        let name = name.unwrap_or_else(|| texts.common.unknown_device.to_owned());
        let ago = texts.ago(device.last_seen_at, now);
        Self {
            id: device.id,
            session_id: device.sessions.first().copied(),
            is_current: device.is_current,
            last_seen: fill(texts.account.last_seen, "when", &ago),
            since: When::of(device.first_seen_at),
            ip: device.ip.map(|ip| ip.to_string()),
            log_out: fill(texts.account.log_out_device, "device", &name),
            rename: fill(texts.account.rename_device, "device", &name),
            forget: fill(texts.account.forget_device, "device", &name),
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
