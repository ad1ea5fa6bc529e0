//! The hosted pages: sign-up, login and account for people whose app has none of its own.
//!
//! Plain HTML forms that work without scripts. Each page is a door to the same rooms as the API's routes; showing one
//! looks at the cookies and moves nothing.

mod account;
mod challenge;
mod delete;
mod email;
mod ended;
mod factors;
mod faults;
mod forgot;
mod history;
mod language;
mod login;
mod look;
mod message;
mod password;
mod posted;
mod return_to;
mod signup;
mod start;
mod texts;
mod verify;
mod visit;

pub use look::Look;

use super::code;
use super::problem::Problem;
use super::site::Site;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use std::sync::Arc;

/// The routes of the pages, where there are any.
pub(super) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    if site.app.pages.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/auth/pages", get(account::lead))
        .route("/auth/pages/login", get(login::show).post(login::send))
        .route("/auth/pages/challenge", get(challenge::show).post(challenge::send))
        .route("/auth/pages/signup", get(signup::show).post(signup::send))
        .route("/auth/pages/ended", get(ended::show))
        .route("/auth/pages/forgot", get(forgot::show).post(forgot::send))
        .route("/auth/pages/reset", get(forgot::show_reset).post(forgot::send_reset))
        .route("/auth/pages/verify", get(verify::show).post(verify::send))
        .route("/auth/pages/message", get(message::show))
        .route("/auth/pages/account", get(account::show))
        .route("/auth/pages/logout", get(account::lead).post(account::log_out))
        .route("/auth/pages/account/end", get(account::lead).post(account::end))
        .route("/auth/pages/account/rename", get(account::lead).post(account::rename))
        .route("/auth/pages/account/forget", get(account::lead).post(account::forget))
        .route("/auth/pages/account/end-all", get(account::lead).post(account::end_all))
        .route("/auth/pages/history", get(history::show))
        .route("/auth/pages/password", get(password::show).post(password::send))
        .route("/auth/pages/factors", get(factors::show))
        .route("/auth/pages/factors/add", get(factors::show_add).post(factors::add))
        .route("/auth/pages/factors/confirm", get(factors::lead).post(factors::confirm))
        .route("/auth/pages/factors/remove", get(factors::show_remove).post(factors::remove))
        .route("/auth/pages/factors/codes", get(factors::show_codes).post(factors::codes))
        .route("/auth/pages/email", get(email::show).post(email::send))
        .route("/auth/pages/change-email", get(email::show_confirm).post(email::send_confirm))
        .route("/auth/pages/delete", get(delete::show).post(delete::send))
        .route("/auth/pages/{*rest}", get(nothing).post(nothing))
        .layer(from_fn_with_state(Arc::clone(site), visit::around))
        .route("/auth/pages/assets/{file}", get(look::asset))
        .merge(start::routes(site))
}

async fn nothing() -> Problem {
    Problem::new(&code::NOT_FOUND)
}
