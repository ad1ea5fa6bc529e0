//! Log in.

use super::challenge;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::visit::{Visit, Visiting, Who, go};
use crate::http::login::{Entered, Entering, LoginBody, enter};
use crate::http::problem::Answer;
use crate::http::token_answer::set_cookies;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_store::User;
use serde_json::{Map, Value};

/// The form; or, to somebody who is logged in, that they are. They go on by themselves: an app that sends people
/// here although they are logged in would otherwise send them round for ever.
pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.who().await? {
        Who::Unclear => visit.reload(),
        Who::Somebody(loaded) => already(&visit, &loaded.user),
        Who::Ended(..) | Who::Nobody => {
            let notice = match visit.asked("notice") {
                Some("reset") => Some(visit.texts.mail.reset_done),
                Some("again") => Some(visit.texts.factors.login_again),
                _ => None,
            };
            let form =
                Form { page: &visit, email: "", is_remembered: true, notice, faults: Faults::default() };
            visit.show(StatusCode::OK, &form)
        }
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let is_remembered = form.is_ticked("remember");
    let remember = Map::from_iter([("remember".to_owned(), Value::from(is_remembered))]);
    let entered = match form.read_with::<LoginBody>(&["email", "password"], remember) {
        Ok(body) => enter(&visit.site, &visit.caller, body).await,
        Err(problem) => Err(problem),
    };
    let problem = match entered {
        Ok(Entering::In(entered)) => return Ok(welcome(&visit, &entered)),
        Ok(Entering::Challenged(challenge)) => return Ok(challenge::ask(&visit, &challenge)),
        Err(problem) => problem,
    };
    let faults = faults(&problem, &visit)?;
    let form = Form { page: &visit, email: form.get("email"), is_remembered, notice: None, faults };
    Ok(visit.refuse(&problem, &form))
}

/// Hands out the cookies and leads on.
pub(super) fn welcome(visit: &Visit, entered: &Entered) -> Response {
    let mut response = go(&visit.next());
    let Entered { tokens, device } = entered;
    set_cookies(response.headers_mut(), tokens, device.as_ref(), visit.site.now());
    response
}

/// Says that somebody is logged in already.
pub(super) fn already(visit: &Visit, user: &User) -> Response {
    let address = user.email.as_ref().map(|email| email.address.as_str());
    let who = address.or(user.name.as_deref()).unwrap_or("?");
    let text = visit.texts.enter.already;
    let (before, after) = text.split_once("{who}").unwrap_or((text, ""));
    visit.show(StatusCode::OK, &Already { page: visit, before, who, after })
}

#[derive(Template)]
#[template(path = "pages/login.html")]
struct Form<'a> {
    page: &'a Visit,
    email: &'a str,
    is_remembered: bool,
    notice: Option<&'static str>,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "pages/already.html")]
struct Already<'a> {
    page: &'a Visit,
    before: &'static str,
    who: &'a str,
    after: &'static str,
}
