//! `GET /dev/mail`: what `relatch dev` would have mailed, as a page for people and as JSON for programs.

use super::open;
use crate::http::problem::Answer;
use crate::http::site::Shared;
use crate::mail::Message;
use crate::wire_time::rfc3339;
use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use base64ct::{Base64, Encoding};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY};
use relatch_token::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The last messages, the newest first.
pub(super) async fn mail(State(site): Shared, headers: HeaderMap) -> Answer<Response> {
    let messages = open(&site)?.mailbox.messages();
    // Codes are as good as passwords, and which of the two it is depends on who asks.
    let common = [(CACHE_CONTROL, "no-store"), (VARY, "Accept")];
    Ok(if wants_page(&headers) {
        (common, page(messages)).into_response()
    } else {
        let messages = messages.into_iter().map(Mail::of).collect();
        (common, axum::Json(Mailbox { messages })).into_response()
    })
}

#[derive(Serialize)]
struct Mailbox {
    messages: Vec<Mail>,
}

#[derive(Serialize)]
struct Mail {
    at: String,
    to: String,
    subject: String,
    text: String,
}

impl Mail {
    fn of((at, message): (Timestamp, Message)) -> Self {
        let Message { to, subject, text, .. } = message;
        Self { at: rfc3339(at), to, subject, text: text.expose().clone() }
    }
}

#[derive(Template)]
#[template(path = "dev_mail.html")]
struct Page {
    style: &'static str,
    messages: Vec<ShownMail>,
}

struct ShownMail {
    at: String,
    to: String,
    subject: String,
    pieces: Vec<Piece>,
}

/// A stretch of a message's text.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    is_link: bool,
}

fn page(messages: Vec<(Timestamp, Message)>) -> Response {
    let shown = |message| {
        let Mail { at, to, subject, text } = Mail::of(message);
        ShownMail { at, to, subject, pieces: pieces(&text) }
    };
    let page = Page { style: STYLE, messages: messages.into_iter().map(shown).collect() };
    let html = page.render().unwrap_or_else(|error| format!("The page can't be rendered: {error}"));
    let style = Base64::encode_string(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    ([(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

/// Browsers name HTML; programs name JSON, or don't care.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = |media| {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|range| range.trim().starts_with(media))
    };
    accepts("text/html") && !accepts("application/json")
}

/// The text with its web addresses apart. An address ends where white space begins, as our messages write them.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let is_link = bare.starts_with("http://") || bare.starts_with("https://");
        let (text, rest) = if is_link { word.split_at(bare.len()) } else { ("", word) };
        if is_link {
            pieces.push(Piece { text: text.to_owned(), is_link });
        }
        match pieces.last_mut() {
            Some(last) if !last.is_link => last.text.push_str(rest),
            _ => pieces.push(Piece { text: rest.to_owned(), is_link: false }),
        }
    }
    pieces
}

const STYLE: &str = include_str!("../../../templates/dev_mail.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_are_links_and_nothing_else_is() {
        let piece = |text: &str, is_link| Piece { text: text.to_owned(), is_link };
        let text = "Open this:\n\nhttps://a.example/x?a=1&b#rll_c\n\nor javascript:alert(1) or http:/x";
        let expected = [
            piece("Open this:\n\n", false),
            piece("https://a.example/x?a=1&b#rll_c", true),
            piece("\n\nor javascript:alert(1) or http:/x", false),
        ];
        assert_eq!(pieces(text), expected);
        assert_eq!(pieces("").len(), 0);
    }

    #[test]
    fn messages_are_shown_and_never_run() {
        let message = Message {
            to: "\"><script>alert(1)</script>@x".into(),
            subject: "<img src=x onerror=alert(1)>".into(),
            text: relatch_token::Secret::new("https://x/\"onmouseover=\"alert(1) <b>".into()),
            html: None,
        };
        let pieces = pieces(message.text.expose());
        let Mail { at, to, subject, .. } = Mail::of((Timestamp::EPOCH, message));
        let html =
            Page { style: STYLE, messages: vec![ShownMail { at, to, subject, pieces }] }.render().unwrap();
        for raw in ["<script", "<img", "<b>", "\"onmouseover"] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
    }
}
