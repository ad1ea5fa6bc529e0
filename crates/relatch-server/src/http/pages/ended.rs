//! Why the session ended, and what to do now.

use super::account::When;
use super::login::already;
use super::texts::Texts;
use super::visit::{Visit, Visiting, Who};
use crate::http::problem::Answer;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{Ended, EventKind, RevokeReason, Rule};
use relatch_store::EventFilter;
use relatch_token::SessionId;

/// The reason is that of the session's own row, where a cookie still tells which session it was; otherwise the one
/// that the address names, of a closed list.
pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    let named = visit.asked("reason").and_then(Reason::named);
    let (reason, session) = match visit.who().await? {
        Who::Unclear => return Ok(visit.reload()),
        Who::Somebody(loaded) => return Ok(already(&visit, &loaded.user)),
        Who::Ended(id, ended) => (Reason::Ended(ended), Some(id)),
        Who::Nobody => (named.unwrap_or(Reason::Unknown), None),
    };
    let proof = match session.filter(|_| reason.is_theft()) {
        Some(id) => proof_of(&visit, id).await?,
        None => None,
    };
    Ok(visit.show(StatusCode::OK, &Page::of(&visit, reason, proof)))
}

/// When the copy gave itself away, and by which rule. From where is told in the history alone, to who has logged
/// in: this page is shown to whoever holds the dead cookies, and that may be the thief.
async fn proof_of(visit: &Visit, session: SessionId) -> Answer<Option<Proof>> {
    let filter =
        EventFilter { session_id: Some(session), limit: EventFilter::LIMIT_MAX, ..EventFilter::default() };
    let events = visit.app().store.events(filter).await?;
    let reuse = events.into_iter().find(|event| event.event.kind == EventKind::RefreshReuse);
    Ok(reuse.and_then(|event| {
        let rule = event.event.reason.as_deref().and_then(Rule::from_word)?;
        Some(Proof { when: When::of(event.event.at), rule: visit.texts.rule(rule) })
    }))
}

/// What gave a copy away.
struct Proof {
    when: When,
    rule: &'static str,
}

/// Why a session ended, as far as anybody knows.
enum Reason {
    Ended(Ended),
    Revoked(RevokeReason),
    /// Its time was over; which time, the program that sends people here was not told.
    Expired,
    Unknown,
}

impl Reason {
    /// The words of the API: those of `reason` beside `session_revoked`, and the codes of a refused refresh.
    fn named(word: &str) -> Option<Self> {
        match word {
            "idle" | "session_expired" => Some(Self::Expired),
            "too_old" => Some(Self::Ended(Ended::TooOld)),
            _ => RevokeReason::ALL.into_iter().find(|reason| reason.as_str() == word).map(Self::Revoked),
        }
    }

    fn is_theft(&self) -> bool {
        let reason = match self {
            Self::Ended(Ended::Revoked(revocation)) => revocation.reason,
            Self::Revoked(reason) => *reason,
            _ => return false,
        };
        reason == RevokeReason::TokenReused
    }

    fn in_words(&self, texts: &Texts) -> &'static str {
        match self {
            Self::Ended(ended) => texts.ended(*ended),
            Self::Revoked(reason) => texts.revoked(*reason),
            Self::Expired => texts.ended.idle,
            Self::Unknown => texts.ended.unknown,
        }
    }
}

#[derive(Template)]
#[template(path = "pages/ended.html")]
struct Page<'a> {
    page: &'a Visit,
    text: &'static str,
    is_theft: bool,
    proof: Option<Proof>,
}

impl<'a> Page<'a> {
    fn of(page: &'a Visit, reason: Reason, proof: Option<Proof>) -> Self {
        Self { page, text: reason.in_words(page.texts), is_theft: reason.is_theft(), proof }
    }
}
