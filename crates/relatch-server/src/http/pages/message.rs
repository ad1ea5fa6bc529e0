//! What to do next, where it happens elsewhere: a message was sent, an address is confirmed.

use super::visit::{Visit, Visiting};
use crate::http::code;
use crate::http::problem::{Answer, Problem};
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    let mail = &visit.texts.mail;
    let (title, text, leads_on) = match visit.asked("of") {
        Some("signup") => (mail.sent_title, mail.sent_signup, false),
        Some("reset") => (mail.sent_title, mail.sent_reset, false),
        Some("email") => (mail.sent_title, mail.sent_email, true),
        Some("email-changed") => (mail.verified_title, visit.texts.account.done_email, true),
        Some("verified") => (mail.verified_title, mail.verified, true),
        _ => return Err(Problem::new(&code::NOT_FOUND)),
    };
    Ok(visit.show(StatusCode::OK, &Message { page: &visit, title, text, leads_on }))
}

#[derive(Template)]
#[template(path = "pages/message.html")]
struct Message<'a> {
    page: &'a Visit,
    title: &'static str,
    text: &'static str,
    leads_on: bool,
}
