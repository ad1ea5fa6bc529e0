//! `/admin/users`: list people, log them out everywhere, disable them, remove their second factors.

use crate::http::bearer::{KeyFor, Users};
use crate::http::code;
use crate::http::logout::RevokedAnswer;
use crate::http::page::Page;
use crate::http::problem::{Answer, Problem};
use crate::http::site::Shared;
use crate::http::views::UserView;
use crate::wire_time::rfc3339;
use axum::Json;
use axum::extract::{Path, State};
use relatch_store::{User, UserKey};
use serde::Serialize;
use utoipa::ToSchema;

/// A person, as an operator sees them.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdminUser {
    #[serde(flatten)]
    user: UserView,
    /// The name that another system knows them by.
    external_user_id: Option<String>,
    /// When the account was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// Since when the user is disabled.
    #[schema(format = "date-time")]
    disabled_at: Option<String>,
}

impl AdminUser {
    fn of(user: &User) -> Self {
        Self {
            user: UserView::of(user),
            external_user_id: user.external_id.clone(),
            created_at: rfc3339(user.created_at),
            disabled_at: user.standing.disabled_at.map(rfc3339),
        }
    }
}

/// A page of people.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsersAnswer {
    /// The people, in the order in which they signed up.
    users: Vec<AdminUser>,
    /// The `cursor` of the next page; none on the last.
    next_cursor: Option<String>,
}

/// List users
#[utoipa::path(
    get, path = "/admin/users", tag = "Server to server", security(("api_key" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "50 if not given."),
    ),
    responses((status = 200, description = "People, in the order in which they signed up.", body = UsersAnswer)),
)]
pub(in crate::http) async fn list(
    State(site): Shared,
    _: KeyFor<Users>,
    page: Page,
) -> Answer<Json<UsersAnswer>> {
    let after = page.after(|text| text.parse().ok())?;
    let users = site.app.store.users(after, page.limit).await?;
    let is_full = users.len() == page.limit;
    let next_cursor = users.last().filter(|_| is_full).map(|user| user.id.to_string());
    Ok(Json(UsersAnswer { users: users.iter().map(AdminUser::of).collect(), next_cursor }))
}

/// Log a user out everywhere
#[utoipa::path(
    post, path = "/admin/users/{id}/logout-all", tag = "Server to server", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's `id`.")),
    responses(
        (status = 200, description = "Every session of theirs has ended.", body = RevokedAnswer),
        (status = 404, description = "There is no such user."),
    ),
)]
pub(in crate::http) async fn logout_all(
    State(site): Shared,
    key: KeyFor<Users>,
    Path(id): Path<String>,
) -> Answer<Json<RevokedAnswer>> {
    answer(site.app.accounts.log_out_everywhere(&user_key(&id)?, &key.by()).await?)
}

/// Disable a user
///
/// Every session of theirs ends, and they can't log in until they are enabled again.
#[utoipa::path(
    post, path = "/admin/users/{id}/disable", tag = "Server to server", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's `id`.")),
    responses(
        (status = 200, description = "The user is disabled.", body = RevokedAnswer),
        (status = 404, description = "There is no such user."),
    ),
)]
pub(in crate::http) async fn disable(
    State(site): Shared,
    key: KeyFor<Users>,
    Path(id): Path<String>,
) -> Answer<Json<RevokedAnswer>> {
    answer(site.app.accounts.disable(&user_key(&id)?, &key.by()).await?)
}

/// How many second factors were removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedFactorsAnswer {
    /// How many of them had been confirmed.
    removed: u32,
}

/// Remove a user's second factors
///
/// For somebody who has lost phone and recovery codes, once you know that it is them: a login asks for the password
/// alone then. Recovery codes go too; sessions go on; the user is told by mail.
#[utoipa::path(
    delete, path = "/admin/users/{id}/factors", tag = "Server to server", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's `id`.")),
    responses(
        (status = 200, description = "There are none any more.", body = RemovedFactorsAnswer),
        (status = 404, description = "There is no such user."),
    ),
)]
pub(in crate::http) async fn remove_factors(
    State(site): Shared,
    key: KeyFor<Users>,
    Path(id): Path<String>,
) -> Answer<Json<RemovedFactorsAnswer>> {
    let removed = site.app.accounts.remove_factors(&user_key(&id)?, &key.by()).await?;
    let removed = removed.ok_or_else(|| Problem::new(&code::NOT_FOUND))?;
    Ok(Json(RemovedFactorsAnswer { removed }))
}

fn user_key(id: &str) -> Answer<UserKey> {
    id.parse().map(UserKey::Id).map_err(|_| Problem::new(&code::NOT_FOUND))
}

fn answer(revoked: Option<u64>) -> Answer<Json<RevokedAnswer>> {
    revoked.map(|revoked| Json(RevokedAnswer { revoked })).ok_or_else(|| Problem::new(&code::NOT_FOUND))
}
