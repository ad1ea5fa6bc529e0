//! `/auth/devices`: the devices that somebody has logged in with, to be named and forgotten.

use super::bearer::Bearer;
use super::body::{Json, body};
use super::caller::Caller;
use super::code;
use super::cookies;
use super::fields::GivenName;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::views::DeviceView;
use crate::sessions::{DeviceOwner, OwnDevice};
use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use relatch_core::Session;
use serde::Serialize;
use utoipa::ToSchema;

/// Devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct DevicesAnswer {
    /// The devices, the last seen first.
    pub devices: Vec<DeviceView>,
}

/// List my devices
///
/// A browser is one device, recognised by its device cookie, whether or not a session lives on it. A session
/// of the body transport is a device by itself, as long as it lives.
#[utoipa::path(
    get, path = "/auth/devices", tag = "Devices", security(("access_token" = [])),
    responses((status = 200, description = "The devices, the last seen first.", body = DevicesAnswer)),
)]
pub(super) async fn list(State(site): Shared, Bearer(bearer): Bearer) -> Answer<axum::Json<DevicesAnswer>> {
    let session = &bearer.loaded.session;
    let devices = site.app.sessions.devices(session.user_id, session).await?;
    Ok(axum::Json(DevicesAnswer { devices: devices.iter().map(DeviceView::of).collect() }))
}

body! {
    /// What to call a device.
    pub struct RenameDeviceBody {
        /// The name, which later logins leave alone.
        #[schema(value_type = String, min_length = 1, max_length = 64, example = "Ada's laptop")]
        name: GivenName,
    }
}

/// Name one of my devices
#[utoipa::path(
    patch, path = "/auth/devices/{id}", tag = "Devices", security(("access_token" = [])),
    params(("id" = String, Path, description = "The device's `id`.")),
    request_body = RenameDeviceBody,
    responses(
        (status = 200, description = "The device, under its new name.", body = DeviceView),
        (status = 404, description = "There is no such device of yours."),
    ),
)]
pub(super) async fn rename(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<RenameDeviceBody>,
) -> Answer<axum::Json<DeviceView>> {
    let device = rename_own(&site, &caller, bearer.loaded.session, &id, body).await?;
    Ok(axum::Json(DeviceView::of(&device)))
}

/// Forget one of my devices
///
/// Ends every session of yours on it. It counts as new afterwards: its next login is one from a device that
/// was never seen. Forgetting the device that asks logs it out.
#[utoipa::path(
    delete, path = "/auth/devices/{id}", tag = "Devices", security(("access_token" = [])),
    params(("id" = String, Path, description = "The device's `id`.")),
    responses(
        (status = 204, description = "Its sessions have ended, and it is forgotten."),
        (status = 404, description = "There is no such device of yours."),
    ),
)]
pub(super) async fn forget(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Response> {
    let device = forget_own(&site, &caller, bearer.loaded.session, &id).await?;
    if device.is_current && !caller.cookies.refresh.is_empty() && caller.prove_page().is_ok() {
        let cleared = cookies::cleared().map(|cookie| (SET_COOKIE, cookie));
        return Ok((StatusCode::NO_CONTENT, AppendHeaders(cleared)).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Names a device that its owner points at.
pub(super) async fn rename_own(
    site: &Site,
    caller: &Caller,
    session: Session,
    id: &str,
    body: RenameDeviceBody,
) -> Answer<OwnDevice> {
    let nothing = || Problem::new(&code::NOT_FOUND);
    let id = id.parse().map_err(|_| nothing())?;
    let owner = DeviceOwner { session, origin: caller.origin(None) };
    site.app.sessions.rename_device(&owner, id, body.name.0).await?.ok_or_else(nothing)
}

/// Forgets a device that its owner points at.
pub(super) async fn forget_own(
    site: &Site,
    caller: &Caller,
    session: Session,
    id: &str,
) -> Answer<OwnDevice> {
    let nothing = || Problem::new(&code::NOT_FOUND);
    let id = id.parse().map_err(|_| nothing())?;
    let owner = DeviceOwner { session, origin: caller.origin(None) };
    site.app.sessions.forget_device(&owner, id).await?.ok_or_else(nothing)
}
