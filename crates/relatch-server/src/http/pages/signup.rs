//! Sign up.

use super::faults::Faults;
use super::login::{already, welcome};
use super::posted::{Posted, faults};
use super::texts::fill;
use super::visit::{Visit, Visiting, Who, go};
use crate::http::problem::Answer;
use crate::http::signup::{SignupBody, begin};
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.who().await? {
        Who::Unclear => visit.reload(),
        Who::Somebody(loaded) => already(&visit, &loaded.user),
        Who::Ended(..) | Who::Nobody => {
            visit.show(StatusCode::OK, &Form::of(&visit, "", "", Faults::default()))
        }
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let begun = match form.read::<SignupBody>(&["email", "password", "name"]) {
        Ok(body) => begin(&visit.site, &visit.caller, body).await,
        Err(problem) => Err(problem),
    };
    match begun {
        Ok(Some(entered)) => Ok(welcome(&visit, &entered)),
        Ok(None) => Ok(go(&visit.link_with("message", &[("of", "signup")]))),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &Form::of(&visit, form.get("email"), form.get("name"), faults)))
        }
    }
}

#[derive(Template)]
#[template(path = "pages/signup.html")]
struct Form<'a> {
    page: &'a Visit,
    is_open: bool,
    email: &'a str,
    person_name: &'a str,
    password_hint: String,
    faults: Faults,
}

impl<'a> Form<'a> {
    fn of(page: &'a Visit, email: &'a str, person_name: &'a str, faults: Faults) -> Self {
        let is_open = page.app().config.signup.enabled;
        Self { page, is_open, email, person_name, password_hint: password_hint(page), faults }
    }
}

/// What makes a good password.
pub(super) fn password_hint(visit: &Visit) -> String {
    let chars_min = visit.app().config.passwords.length_min;
    fill(visit.texts.enter.password_hint, "n", &chars_min.to_string())
}
