//! A forgotten password: a link is mailed, and sets a new one.

use super::faults::Faults;
use super::posted::{Posted, faults};
use super::signup::password_hint;
use super::visit::{Visit, Visiting, go};
use crate::http::password::{ForgotPasswordBody, ResetPasswordBody, reset_by_link};
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;

pub(super) async fn show(Extension(visit): Visiting) -> Response {
    visit.show(StatusCode::OK, &Forgot { page: &visit, email: "", faults: Faults::default() })
}

/// The answer is the same whether or not the address has an account.
pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    match form.read::<ForgotPasswordBody>(&["email"]) {
        Ok(body) => {
            let caller = &visit.caller;
            visit.app().accounts.forgot_password(&body.email, caller.ip, caller.origin(None));
            Ok(go(&visit.link_with("message", &[("of", "reset")])))
        }
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &Forgot { page: &visit, email: form.get("email"), faults }))
        }
    }
}

/// The code stands behind the `#` of the link and so never comes here by itself: a script puts it into the form and
/// takes it out of the address, or the person does.
pub(super) async fn show_reset(Extension(visit): Visiting) -> Response {
    visit.show(StatusCode::OK, &Reset::of(&visit, "", Faults::default()))
}

pub(super) async fn send_reset(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let done = match form.read::<ResetPasswordBody>(&["token", "new_password"]) {
        Ok(body) => reset_by_link(&visit.site, &visit.caller, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => Ok(go(&visit.link_with("login", &[("notice", "reset")]))),
        Err(problem) => {
            // The code stays in the form: it is good for another try, and the person may have typed it.
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &Reset::of(&visit, form.get("token"), faults)))
        }
    }
}

#[derive(Template)]
#[template(path = "pages/forgot.html")]
struct Forgot<'a> {
    page: &'a Visit,
    email: &'a str,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "pages/reset.html")]
struct Reset<'a> {
    page: &'a Visit,
    token: &'a str,
    password_hint: String,
    faults: Faults,
}

impl<'a> Reset<'a> {
    fn of(page: &'a Visit, token: &'a str, faults: Faults) -> Self {
        Self { page, token, password_hint: password_hint(page), faults }
    }
}
