//! Users, sessions and events as they appear on the wire.

use crate::sessions::{Explanation, Line, OwnDevice, Sessions, Tokens};
use crate::wire_time::rfc3339;
use relatch_core::Session;
use relatch_store::{Event, User};
use relatch_token::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The name that stays.
    #[schema(example = "usr_AAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// The address; none for a user whom another system brought.
    email: Option<String>,
    /// Whether the address was proved.
    email_verified: bool,
    /// What to call them.
    name: Option<String>,
}

impl UserView {
    /// The person.
    pub fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_ref().map(|email| email.address.clone()),
            email_verified: user.email.as_ref().is_some_and(|email| email.verified_at.is_some()),
            name: user.name.clone(),
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its name.
    #[schema(example = "ses_AAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// Whether it is the one that asks; absent where no session asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<bool>,
    /// What the device is called.
    device_name: Option<String>,
    /// What the browser or app called itself.
    user_agent: Option<String>,
    /// The address it began from.
    ip: Option<String>,
    /// When it began.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was last heard of, to about half a minute.
    #[schema(format = "date-time")]
    last_seen_at: String,
    /// When it ends if nobody comes back.
    #[schema(format = "date-time")]
    idle_expires_at: String,
    /// When it ends whatever happens.
    #[schema(format = "date-time")]
    expires_at: String,
    /// How the person proved who they are (RFC 8176).
    amr: Vec<String>,
}

impl SessionView {
    /// The session, as `asking` sees it.
    pub fn of(session: &Session, asking: Option<SessionId>) -> Self {
        Self {
            id: session.id.to_string(),
            current: asking.map(|asking| asking == session.id),
            device_name: session.origin.device_name.clone(),
            user_agent: session.origin.user_agent.clone(),
            ip: session.origin.ip.map(|ip| ip.to_string()),
            created_at: rfc3339(session.created_at()),
            last_seen_at: rfc3339(Sessions::last_seen_at(session)),
            idle_expires_at: rfc3339(session.idle_expires_at()),
            expires_at: rfc3339(session.lifetime.expires_at),
            amr: session.authentication.amr.clone(),
        }
    }
}

/// A device that a person has logged in with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// Its name for this person; nothing leads from it to the device cookie.
    #[schema(example = "dev_AAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// What it is called.
    name: Option<String>,
    /// What the browser or app called itself at the last login.
    user_agent: Option<String>,
    /// The address from which its newest live session began.
    ip: Option<String>,
    /// The first login.
    #[schema(format = "date-time")]
    first_seen_at: String,
    /// When it was last heard of: to about half a minute where a session lives, else the last login or logout.
    #[schema(format = "date-time")]
    last_seen_at: String,
    /// How many live sessions there are on it.
    sessions: usize,
}

impl DeviceView {
    /// The device, as its owner sees it.
    pub fn of(device: &OwnDevice) -> Self {
        Self {
            id: device.id.to_string(),
            current: device.is_current,
            name: device.name.clone(),
            user_agent: device.user_agent.clone(),
            ip: device.ip.map(|ip| ip.to_string()),
            first_seen_at: rfc3339(device.first_seen_at),
            last_seen_at: rfc3339(device.last_seen_at),
            sessions: device.sessions.len(),
        }
    }
}

/// Something that happened to a session or an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its name; later events have greater numbers in it.
    #[schema(example = "evt_42")]
    id: String,
    /// What happened.
    #[schema(example = "login")]
    r#type: String,
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// To whom; absent in a person's own history.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_id: Option<String>,
    /// In which session.
    session_id: Option<String>,
    /// On which device.
    device_name: Option<String>,
    /// From which address.
    ip: Option<String>,
    /// By which browser or app.
    user_agent: Option<String>,
    /// Why.
    reason: Option<String>,
}

impl EventView {
    /// The event, in its person's own history.
    pub fn own(event: &Event) -> Self {
        let new = &event.event;
        Self {
            id: format!("evt_{}", event.cursor.0),
            r#type: new.kind.as_str().to_owned(),
            at: rfc3339(new.at),
            user_id: None,
            session_id: new.session_id.map(|id| id.to_string()),
            device_name: new.origin.device_name.clone(),
            ip: new.origin.ip.map(|ip| ip.to_string()),
            user_agent: new.origin.user_agent.clone(),
            reason: new.reason.clone(),
        }
    }

    /// The event, in everybody's history.
    pub fn anyones(event: &Event) -> Self {
        Self { user_id: Some(event.event.user_id.to_string()), ..Self::own(event) }
    }
}

/// What a login, a sign-up, a refresh and a change of password answer.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The access token: a JWT (RFC 9068).
    access_token: String,
    /// How to send it.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How many seconds it lives.
    expires_in: u32,
    /// The session.
    session_id: String,
    /// When the session ends whatever happens.
    #[schema(format = "date-time")]
    session_expires_at: String,
    /// The generation of the refresh token in this answer. Within a session it only grows, so an answer with
    /// a smaller one came out of order and can be dropped.
    generation: u64,
    /// In how many seconds to refresh; jittered.
    refresh_in: u32,
    /// Whose session it is.
    user: UserView,
    /// The refresh token, in the body transport alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
}

impl TokenAnswer {
    /// The answer; `is_body` where the refresh token travels in it.
    pub fn of(tokens: &Tokens, is_body: bool) -> Self {
        Self {
            access_token: tokens.access_token.expose().clone(),
            token_type: "Bearer",
            expires_in: tokens.expires_in.0,
            session_id: tokens.session.id.to_string(),
            session_expires_at: rfc3339(tokens.session.lifetime.expires_at),
            generation: tokens.generation.0,
            refresh_in: tokens.refresh_in.0,
            user: UserView::of(&tokens.user),
            refresh_token: is_body.then(|| tokens.refresh_token.expose().clone()),
        }
    }
}

/// The story of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    /// The session.
    session_id: String,
    /// Whose it is or was.
    user_id: String,
    /// Whether it may still be used.
    is_live: bool,
    /// How it stands now, as a sentence.
    state: String,
    /// What happened, the oldest first.
    timeline: Vec<LineView>,
    /// Whether the story begins earlier than the first line: only the newest thousand events are told.
    is_cut: bool,
}

/// One line of the story of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplanationLine)]
pub struct LineView {
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// The word for it: the `type` of an event, or `refreshed`, `expired`, `ended_with_all`.
    #[schema(example = "refresh_reuse")]
    r#type: String,
    /// From which address.
    ip: Option<String>,
    /// By which browser or app.
    user_agent: Option<String>,
    /// On which device.
    device_name: Option<String>,
    /// What happened, and what the rule said.
    text: String,
    /// What an operator can do.
    advice: Option<String>,
}

impl ExplanationView {
    /// The story.
    pub fn of(story: &Explanation) -> Self {
        Self {
            session_id: story.session_id.to_string(),
            user_id: story.user_id.to_string(),
            is_live: story.is_live,
            state: story.state.clone(),
            timeline: story.lines.iter().map(LineView::of).collect(),
            is_cut: story.is_cut,
        }
    }
}

impl LineView {
    fn of(line: &Line) -> Self {
        Self {
            at: rfc3339(line.at),
            r#type: line.kind.to_owned(),
            ip: line.origin.ip.map(|ip| ip.to_string()),
            user_agent: line.origin.user_agent.clone(),
            device_name: line.origin.device_name.clone(),
            text: line.says.clone(),
            advice: line.advice.clone(),
        }
    }
}
