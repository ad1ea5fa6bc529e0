//! What happened to the account.

use super::account::When;
use super::visit::{Visit, Visiting};
use crate::device_name;
use crate::http::events::read;
use crate::http::page;
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{Action, EventKind, Origin, RevokeReason, RiskNote, Rule};
use relatch_store::{Event, EventFilter, Loaded};
use relatch_token::SessionId;
use std::collections::BTreeMap;

pub(super) async fn show(Extension(visit): Visiting, list: page::Page) -> Answer<Response> {
    let Loaded { user, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let filter = EventFilter { user_id: Some(user.id), ..EventFilter::default() };
    let (events, next) = read(&visit.site, filter, &list).await?;
    let began = began_on(&visit, &events).await?;
    let older = next.map(|cursor| visit.link_with("history", &[("cursor", &cursor)]));
    let page = Page {
        page: &visit,
        here: "history",
        events: events.iter().map(|event| Line::of(event, &began, &visit)).collect(),
        is_first: list.cursor.is_none(),
        older,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// Where the sessions began that ended with a theft, as long as their rows are kept: the other of the two places.
async fn began_on(visit: &Visit, events: &[Event]) -> Answer<BTreeMap<SessionId, Origin>> {
    let mut began = BTreeMap::new();
    for event in events.iter().filter(|event| event.event.kind == EventKind::RefreshReuse) {
        let Some(id) = event.event.session_id.filter(|id| !began.contains_key(id)) else { continue };
        if let Some(loaded) = visit.app().store.load(id).await? {
            began.insert(id, loaded.session.origin);
        }
    }
    Ok(began)
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
    rules: Vec<&'static str>,
    began: Option<String>,
    is_alarm: bool,
}

impl Line {
    fn of(event: &Event, began: &BTreeMap<SessionId, Origin>, visit: &Visit) -> Self {
        let (texts, new) = (visit.texts, &event.event);
        let is_theft = new.kind == EventKind::RefreshReuse;
        let reason = new.reason.as_deref();
        let risk = reason.and_then(RiskNote::parse);
        let is_refused =
            risk.is_some_and(|note| !note.is_dry_run && note.assessment.action >= Action::Refuse);
        let revoked = || RevokeReason::ALL.into_iter().find(|known| Some(known.as_str()) == reason);
        Self {
            what: texts.event(new.kind),
            when: When::of(new.at),
            device: device_name::of(&new.origin),
            ip: new.origin.ip.map(|ip| ip.to_string()),
            why: match new.kind {
                EventKind::RefreshReuse => Some(texts.history.refresh_reuse_about),
                EventKind::SessionRevoked if risk.is_some() => Some(texts.revoked(RevokeReason::Risk)),
                EventKind::RiskNoticed if is_refused => Some(texts.history.risk_refused),
                EventKind::RiskNoticed => Some(texts.history.risk_served),
                EventKind::SessionRevoked => revoked().map(|reason| texts.revoked(reason)),
                EventKind::RefreshRefused => Some(texts.history.refresh_refused_about),
                _ => None,
            },
            rules: match (reason.and_then(Rule::from_word), &risk) {
                (Some(rule), _) => vec![texts.rule(rule)],
                (None, Some(note)) => {
                    note.assessment.signals.iter().map(|signal| texts.signal(signal)).collect()
                }
                (None, None) => Vec::new(),
            },
            began: new.session_id.filter(|_| is_theft).and_then(|id| began.get(&id)).and_then(place),
            is_alarm: is_theft || matches!(new.kind, EventKind::LoginFailed | EventKind::MfaFailed),
        }
    }
}

/// `Firefox, Linux · 192.0.2.7`, as far as known.
fn place(origin: &Origin) -> Option<String> {
    let parts: Vec<String> =
        device_name::of(origin).into_iter().chain(origin.ip.map(|ip| ip.to_string())).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}
