//! An address is confirmed by a mailed link: opening it shows a page, and the form of the page uses it up. Programs
//! that look at links before their reader does confirm nothing.

use super::faults::Faults;
use super::posted::{Posted, faults};
use super::visit::{Visit, Visiting, go};
use crate::http::email::{VerifyEmailBody, prove};
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;

pub(super) async fn show(Extension(visit): Visiting) -> Response {
    visit.show(StatusCode::OK, &confirm(&visit, "", Faults::default()))
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let done = match form.read::<VerifyEmailBody>(&["token"]) {
        Ok(body) => prove(&visit.site, &body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => Ok(go(&visit.link_with("message", &[("of", "verified")]))),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &confirm(&visit, form.get("token"), faults)))
        }
    }
}

fn confirm<'a>(page: &'a Visit, token: &'a str, faults: Faults) -> Confirm<'a> {
    let texts = &page.texts.mail;
    Confirm { page, path: "verify", title: texts.verify_title, about: texts.verify_about, token, faults }
}

/// A page that a mailed link leads to, and whose form uses it up.
#[derive(Template)]
#[template(path = "pages/confirm.html")]
pub(super) struct Confirm<'a> {
    pub(super) page: &'a Visit,
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) token: &'a str,
    pub(super) faults: Faults,
}
