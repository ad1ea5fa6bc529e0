//! The second step of a login: a code of the app, or a recovery code.
//!
//! The ticket of the first step stands in the form alone: in no address, no cookie and no history.

use super::faults::Faults;
use super::login::welcome;
use super::posted::{Posted, faults};
use super::visit::{Visit, Visiting, go};
use crate::accounts::Challenge;
use crate::http::code;
use crate::http::mfa::{MfaBody, finish};
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

/// Asks for a code, in answer to a right password.
pub(super) fn ask(visit: &Visit, challenge: &Challenge) -> Response {
    let has_recovery_codes = challenge.methods.words().contains(&"recovery_code");
    let ticket = challenge.ticket.expose();
    let form = Form { page: visit, ticket, has_recovery_codes, faults: Faults::default() };
    visit.show(StatusCode::OK, &form)
}

/// Without the form there is no ticket: the login begins anew.
pub(super) async fn show(Extension(visit): Visiting) -> Response {
    go(&visit.link("login"))
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let is_recovery = form.is_ticked("recovery_code");
    let (field, method) = if is_recovery { ("recovery_code", "recovery_code") } else { ("code", "totp") };
    let mut members = Map::from_iter([("method".to_owned(), Value::from(method))]);
    if form.is_ticked(field) {
        members.insert("code".to_owned(), Value::from(form.get(field)));
    }
    let finished = match form.read_with::<MfaBody>(&["mfa_token"], members) {
        Ok(body) => finish(&visit.site, &visit.caller, body).await,
        Err(problem) => Err(problem),
    };
    let problem = match finished {
        Ok(entered) => return Ok(welcome(&visit, &entered)),
        Err(problem) if *problem.code() == code::INVALID_MFA_TOKEN => {
            return Ok(go(&visit.link_with("login", &[("notice", "again")])));
        }
        Err(problem) => problem,
    };
    let faults = faults(&problem, &visit)?.renamed("code", field);
    let form = Form { page: &visit, ticket: form.get("mfa_token"), has_recovery_codes: true, faults };
    Ok(visit.refuse(&problem, &form))
}

#[derive(Template)]
#[template(path = "pages/challenge.html")]
struct Form<'a> {
    page: &'a Visit,
    ticket: &'a str,
    has_recovery_codes: bool,
    faults: Faults,
}
