//! The story of a session, from login to end: each line a sentence, with what the operator can do.

use super::{Doubt, Sessions};
use crate::device_name;
use crate::wire_time::rfc3339;
use relatch_core::{
    Action, Assessment, Ended, EventKind, Origin, RevokeReason, RiskNote, Rule, Session, Standing, State,
};
use relatch_store::{Cursor, EventFilter, Loaded, NewEvent};
use relatch_token::{SessionId, Timestamp, UserId};

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Which.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Whether it may still be used.
    pub is_live: bool,
    /// How it stands now, as a sentence.
    pub state: String,
    /// What happened, the oldest first.
    pub lines: Vec<Line>,
    /// Whether the story begins before the first line: only the newest [`EVENTS_MAX`] events are told.
    pub is_cut: bool,
}

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// The word for it; an event's kind, or `refreshed`, `expired`, `ended_with_all`.
    pub kind: &'static str,
    /// From where, as far as known.
    pub origin: Origin,
    /// What happened, from where, and what the rule said.
    pub says: String,
    /// What the operator can do.
    pub advice: Option<String>,
}

impl Sessions {
    /// Tells the story of a session; `None` where neither its row nor an event of it is left.
    pub async fn explain(&self, id: SessionId) -> Result<Option<Explanation>, Doubt> {
        let loaded = self.store.load(id).await?;
        let mut events: Vec<NewEvent> = Vec::new();
        let mut before: Option<Cursor> = None;
        let is_cut = loop {
            let filter =
                EventFilter { session_id: Some(id), before, limit: EventFilter::LIMIT_MAX, user_id: None };
            let page = self.store.events(filter).await?;
            let is_full = page.len() == EventFilter::LIMIT_MAX;
            before = page.last().map(|event| event.cursor);
            events.extend(page.into_iter().map(|event| event.event));
            if !is_full || events.len() >= EVENTS_MAX {
                break is_full;
            }
        };
        events.reverse();
        Ok(tell(id, loaded, &events, is_cut, self.now()))
    }
}

/// The story that a row and its events make.
fn tell(
    id: SessionId,
    loaded: Option<Loaded>,
    events: &[NewEvent],
    is_cut: bool,
    now: Timestamp,
) -> Option<Explanation> {
    let user_id = loaded.as_ref().map(|it| it.user.id).or(events.first().map(|event| event.user_id))?;
    let mut lines: Vec<Line> = events.iter().map(|event| line_of(event, loaded.as_ref())).collect();
    let (is_live, state) = match &loaded {
        None => {
            (false, "It ended, and its row has left the store since: only its events are left.".to_owned())
        }
        Some(Loaded { session, user }) => {
            lines.extend(lines_of_row(session, &user.standing, events, now));
            match session.check(&user.standing, now) {
                Ok(()) => (true, "It is live.".to_owned()),
                Err(ended) => (false, format!("It has ended: {}.", in_words(ended))),
            }
        }
    };
    lines.sort_by_key(|line| line.at);
    Some(Explanation { session_id: id, user_id, is_live, state, lines, is_cut })
}

/// What the row knows and no event tells: the last refresh, and an end that wrote nothing to it.
fn lines_of_row(session: &Session, standing: &Standing, events: &[NewEvent], now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    let line = |at, kind, says: String, advice: Option<&str>| Line {
        at,
        kind,
        origin: Origin::default(),
        says,
        advice: advice.map(str::to_owned),
    };
    if session.head.generation.0 > 0 {
        let says = format!(
            "The last refresh that moved the session on: generation {} became the newest token that was accepted.",
            session.head.generation.0
        );
        lines.push(line(session.head.at, "refreshed", says, None));
    }
    match session.check(standing, now) {
        Ok(()) => {}
        Err(Ended::Idle) => {
            let says = "Nobody had come back within the idle time, and the session expired.".to_owned();
            lines.push(line(session.idle_expires_at(), "expired", says, Some(IDLE_ADVICE)));
        }
        Err(Ended::TooOld) => {
            let says = "The session reached the greatest age that it may have, and expired.".to_owned();
            lines.push(line(session.lifetime.expires_at, "expired", says, Some(TOO_OLD_ADVICE)));
        }
        Err(Ended::Revoked(revocation)) => {
            let is_told = session.state != State::Live && events.iter().any(|event| ends(event.kind));
            if !is_told {
                let all = if session.state == State::Live { " with all sessions of its user" } else { "" };
                let says = format!("The session ended{all}: {}.", reason_in_words(revocation.reason));
                lines.push(line(revocation.at, "ended_with_all", says, None));
            }
        }
    }
    lines
}

fn line_of(event: &NewEvent, loaded: Option<&Loaded>) -> Line {
    let place = place_of(&event.origin);
    let why = event.reason.as_deref();
    let rule = why.and_then(Rule::from_word);
    let by = why.filter(|word| word.starts_with("by ")).unwrap_or("by an operator");
    let mut advice = None;
    let says = match event.kind {
        EventKind::Login => format!("The session began with a login{place}."),
        EventKind::SignedUp => format!("The session began with a sign-up{place}."),
        EventKind::SessionOpened => format!("Another system opened the session ({by})."),
        EventKind::PasswordChanged => format!("The password was changed{place}."),
        EventKind::Logout => format!("The person logged out{place}."),
        EventKind::LogoutAll => format!("The person logged out everywhere{place}."),
        EventKind::SessionRevoked => match (why.and_then(reason_of_word), why.and_then(RiskNote::parse)) {
            (Some(reason), _) => format!("The session was ended{place}: {}.", reason_in_words(reason)),
            (None, Some(note)) => {
                advice = Some(RISK_ADVICE.to_owned());
                format!(
                    "The rules of risk ended the session at a refresh{place}, score {}: {}.",
                    note.assessment.score,
                    note.says()
                )
            }
            (None, None) => format!("The session was ended {by}{place}."),
        },
        EventKind::RiskNoticed => {
            advice = Some(RISK_ADVICE.to_owned());
            why.and_then(RiskNote::parse).map_or_else(
                || format!("Something unusual was noticed{place}."),
                |note| risk_in_words(&note, &place),
            )
        }
        EventKind::RefreshReuse => {
            advice = Some(theft_advice(event.user_id));
            let clause = rule.map_or("a superseded token was presented", Rule::says);
            let began = loaded.map(|it| place_of(&it.session.origin)).filter(|began| !began.is_empty());
            let other = began.map(|began| format!(" The session had begun{began}.")).unwrap_or_default();
            format!(
                "A superseded token was presented{place}: {clause}. The session was ended for both holders.{other}"
            )
        }
        EventKind::RefreshRefused => {
            advice = rule.and_then(advice_of).map(str::to_owned);
            let clause = rule.map_or("another rule of a newer version", Rule::says);
            format!("A refresh{place} was refused, and changed nothing: {clause}.")
        }
        EventKind::SessionHealed => {
            advice = Some(HEALED_ADVICE.to_owned());
            let lost = why.unwrap_or("some generations");
            format!(
                "A token{place} was ahead of the store by {lost}, which had lost its last writes; it was accepted."
            )
        }
        EventKind::SessionInDoubt => {
            advice = Some(IN_DOUBT_ADVICE.to_owned());
            let lost = why.unwrap_or("many generations");
            format!(
                "A token{place} was ahead of the store by {lost}, more than lost writes explain; nothing was decided."
            )
        }
        other => {
            let note = why.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("`{}`{note}{place}.", other.as_str())
        }
    };
    Line { at: event.at, kind: event.kind.as_str(), origin: event.origin.clone(), says, advice }
}

fn risk_in_words(note: &RiskNote, place: &str) -> String {
    let Assessment { score, action, .. } = note.assessment;
    let followed = match (note.is_dry_run, action) {
        (true, _) => format!("The dry run would have said `{}`; nothing was done.", action.as_str()),
        (false, Action::Refuse) => "It was refused.".to_owned(),
        (false, Action::Revoke) => "It was refused, and all sessions of the user were ended.".to_owned(),
        (false, _) => "It was served.".to_owned(),
    };
    format!("A {}{place} was unusual, score {score}: {}. {followed}", note.moment.as_str(), note.says())
}

/// ` from 192.0.2.7 by Firefox, Linux`; nothing where nothing is known.
fn place_of(origin: &Origin) -> String {
    let ip = origin.ip.map(|ip| format!(" from {ip}")).unwrap_or_default();
    let by = device_name::of(origin).map(|name| format!(" by {name}")).unwrap_or_default();
    ip + &by
}

fn in_words(ended: Ended) -> String {
    match ended {
        Ended::Revoked(revocation) => {
            format!("{} at {}", reason_in_words(revocation.reason), rfc3339(revocation.at))
        }
        Ended::Idle => Rule::Idle.says().to_owned(),
        Ended::TooOld => Rule::TooOld.says().to_owned(),
    }
}

/// Why a session was ended, as a clause for developers and operators.
pub(crate) const fn reason_in_words(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::Logout => "the person logged out on this device",
        RevokeReason::LogoutAll => "the person logged out everywhere",
        RevokeReason::EndedByUser => "the person ended it from another device",
        RevokeReason::TokenReused => "a superseded refresh token was presented, so two parties held copies",
        RevokeReason::PasswordChanged => "the password was changed",
        RevokeReason::PasswordReset => "the password was reset by mail",
        RevokeReason::EndedByOperator => "an operator or another system ended it",
        RevokeReason::UserDisabled => "the user was disabled",
        RevokeReason::RevokedByClient => "an OAuth client revoked its token",
        RevokeReason::Replaced => "the person logged in again in the same browser",
        RevokeReason::UserDeleted => "the account was deleted",
        RevokeReason::Risk => "it was used so unusually that the rules of risk ended it",
        RevokeReason::Evicted => "the person logged in on more devices than one person may",
    }
}

fn reason_of_word(word: &str) -> Option<RevokeReason> {
    RevokeReason::ALL.into_iter().find(|reason| reason.as_str() == word)
}

const fn ends(kind: EventKind) -> bool {
    matches!(kind, EventKind::Logout | EventKind::SessionRevoked | EventKind::RefreshReuse)
}

fn theft_advice(user: UserId) -> String {
    format!(
        "Ask the person whether both places are theirs. If not, the login was copied: have the password changed, \
         and run `relatch users logout {user}`. If it happens to many people, their client exchanges one token \
         twice: let tabs and processes share the newest token and the Idempotency-Key."
    )
}

const fn advice_of(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::WrongDevice => Some(
            "Either the browser lost its cookies, and the person logs in again, or somebody has the refresh cookie \
             alone: compare the address with those above, and end the session where it is foreign.",
        ),
        Rule::WrongTransport | Rule::WrongClient => Some(
            "A program sends the token to the wrong door; correct the program, or look how it came by the token.",
        ),
        Rule::Ended => {
            Some("Nothing, where the place is the person's own: their client did not know of the end yet.")
        }
        Rule::Idle => Some(IDLE_ADVICE),
        Rule::TooOld => Some(TOO_OLD_ADVICE),
        Rule::TooMany => Some(
            "A client refreshes at every request: let it wait for `refresh_in`, and share one refresh among its parts.",
        ),
        Rule::WrongUserAgent | Rule::WrongAddress => Some(
            "`[binding]` refuses this. Where it meets the person themselves, set it to `signal`; where the place is \
             foreign, end the session.",
        ),
        Rule::Risk => Some(RISK_ADVICE),
        Rule::Reuse(_) => None,
    }
}

const RISK_ADVICE: &str = "Compare the place with those above. Where it is foreign, end the session and have the \
    password changed; where it is the person's own, nothing. `[risk]` sets what counts, and what follows.";
const IDLE_ADVICE: &str = "Nothing; `sessions.idle_seconds` sets how long people may stay away.";
const TOO_OLD_ADVICE: &str = "Nothing; `sessions.absolute_seconds` sets how long a login lasts.";
const HEALED_ADVICE: &str =
    "Look why the store lost writes: a crash with `store.rotation_durability = \"relaxed\"`, or a failover.";
const IN_DOUBT_ADVICE: &str =
    "Look whether an old backup was restored; end the session if you can't tell: `relatch sessions end`.";

/// Far more than the story of one session has; a bound all the same.
const EVENTS_MAX: usize = 1000;
