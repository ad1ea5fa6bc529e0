//! Change the password.

use super::factors::asks_code;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::signup::password_hint;
use super::visit::{Visit, Visiting, go};
use crate::http::password::{ChangePasswordBody, change_by};
use crate::http::problem::Answer;
use crate::http::token_answer::set_cookies;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_store::User;

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.person().await? {
        Ok(loaded) => {
            let asks_code = asks_code(&visit, &loaded.user).await?;
            visit.show(StatusCode::OK, &Form::of(&visit, &loaded.user, asks_code, Faults::default()))
        }
        Err(response) => response,
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let loaded = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let changed = match form.read::<ChangePasswordBody>(&["current_password", "new_password", "code"]) {
        Ok(body) => change_by(&visit.site, &visit.caller, loaded.session, body).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(tokens) => {
            let mut response = go(&visit.link_with("account", &[("notice", "password")]));
            set_cookies(response.headers_mut(), &tokens, None, visit.site.now());
            Ok(response)
        }
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            let asks_code = asks_code(&visit, &loaded.user).await?;
            Ok(visit.refuse(&problem, &Form::of(&visit, &loaded.user, asks_code, faults)))
        }
    }
}

#[derive(Template)]
#[template(path = "pages/password.html")]
struct Form<'a> {
    page: &'a Visit,
    here: &'static str,
    /// For password managers, which ask whose password this is.
    username: &'a str,
    asks_code: bool,
    password_hint: String,
    faults: Faults,
}

impl<'a> Form<'a> {
    fn of(page: &'a Visit, user: &'a User, asks_code: bool, faults: Faults) -> Self {
        let username = user.email.as_ref().map_or("", |email| email.address.as_str());
        Self { page, here: "password", username, asks_code, password_hint: password_hint(page), faults }
    }
}
