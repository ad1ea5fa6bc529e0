//! What happened to the account.

use super::account::When;
use super::device_name;
use super::visit::{Visit, Visiting};
use crate::http::events::read;
use crate::http::page;
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{EventKind, RevokeReason};
use relatch_store::{Event, EventFilter, Loaded};

pub(super) async fn show(Extension(visit): Visiting, list: page::Page) -> Answer<Response> {
    let Loaded { user, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let filter = EventFilter { user_id: Some(user.id), ..EventFilter::default() };
    let (events, next) = read(&visit.site, filter, &list).await?;
    let older = next.map(|cursor| visit.link_with("history", &[("cursor", &cursor)]));
    let page = Page {
        page: &visit,
        here: "history",
        events: events.iter().map(|event| Line::of(event, &visit)).collect(),
        is_first: list.cursor.is_none(),
        older,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "pages/history.html")]
struct Page<'a> {
    page: &'a Visit,
    here: &'static str,
    events: Vec<Line>,
    is_first: bool,
    older: Option<String>,
}

struct Line {
    what: &'static str,
    when: When,
    device: Option<String>,
    ip: Option<String>,
    why: Option<&'static str>,
    is_alarm: bool,
}

impl Line {
    fn of(event: &Event, visit: &Visit) -> Self {
        let (texts, new) = (visit.texts, &event.event);
        let is_theft = new.kind == EventKind::RefreshReuse;
        let reason = new.reason.as_deref();
        let revoked = || RevokeReason::ALL.into_iter().find(|known| Some(known.as_str()) == reason);
        Self {
            what: texts.event(new.kind),
            when: When::of(new.at),
            device: device_name::of(&new.origin),
            ip: new.origin.ip.map(|ip| ip.to_string()),
            why: match new.kind {
                EventKind::RefreshReuse => Some(texts.history.refresh_reuse_about),
                EventKind::SessionRevoked => revoked().map(|reason| texts.revoked(reason)),
                _ => None,
            },
            is_alarm: is_theft || new.kind == EventKind::LoginFailed,
        }
    }
}
