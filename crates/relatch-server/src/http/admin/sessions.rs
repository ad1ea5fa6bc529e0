//! `/admin/sessions`: sessions for people whom another system has authenticated.

use crate::accounts::{NewAccount, NewAccountRefusal};
use crate::device::DeviceCookie;
use crate::http::bearer::{KeyFor, Sessions};
use crate::http::body::{Fault, FieldValue, Json, TransportName, body};
use crate::http::caller::Caller;
use crate::http::code;
use crate::http::fields::DeviceName;
use crate::http::page::Page;
use crate::http::problem::{Answer, FieldError, Problem};
use crate::http::session_list::SessionsAnswer;
use crate::http::site::{Shared, Site};
use crate::http::token_answer::hand_out;
use crate::http::views::{ExplanationView, SessionView, TokenAnswer};
use crate::sessions::{EndOne, OpenRefusal, Opening};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use relatch_core::{EventKind, Origin, RevokeReason, Transport};
use relatch_store::{User, UserKey};
use relatch_token::{ClientId, REGISTERED_CLAIMS, UserId};
use serde_json::{Map, Value};

body! {
    /// A session for somebody whom another system has authenticated.
    pub struct OpenSessionBody {
        /// Who; this or `external_user_id`.
        #[schema(value_type = Option<String>)]
        user_id: Option<UserId>,
        /// Who, by the name that the other system knows them by. A user is made where none is known yet.
        #[schema(value_type = Option<String>, max_length = 255)]
        external_user_id: Option<ExternalId>,
        /// How the refresh token shall travel.
        #[schema(value_type = TransportName)]
        transport: Transport,
        /// Claims for its access tokens beside the registered ones.
        #[schema(value_type = Option<Object>)]
        claims: Option<CustomClaims>,
        /// How the person proved who they are (RFC 8176).
        #[schema(value_type = Option<Vec<String>>)]
        amr: Option<Methods>,
        /// What to call the device in lists.
        #[schema(value_type = Option<String>, max_length = 64)]
        device_name: Option<DeviceName>,
        /// The OAuth client that the session shall belong to; needs the body transport.
        #[schema(value_type = Option<String>)]
        client_id: Option<ClientId>,
        /// The scopes that it is given, separated by spaces, out of those of the client.
        scope: Option<String>,
    }
}

/// Open a session for a user
///
/// In the cookie transport the cookies are set on this answer, for the caller to hand on to its browser.
#[utoipa::path(
    post, path = "/admin/sessions", tag = "Server to server", security(("api_key" = [])),
    request_body = OpenSessionBody,
    responses(
        (status = 201, description = "The session.", body = TokenAnswer),
        (status = 404, description = "There is no user with that `user_id`."),
        (status = 409, description = "`user_disabled`, or `too_many_sessions`."),
    ),
)]
pub(in crate::http) async fn open(
    State(site): Shared,
    key: KeyFor<Sessions>,
    Json(body): Json<OpenSessionBody>,
) -> Answer<Response> {
    let scope = checked_scope(&site, &body).await?;
    let user = find_or_make(&site, &body, &key.by()).await?;
    let draw = || DeviceCookie::draw(&*site.app.surroundings.entropy);
    let device = (body.transport == Transport::Cookie).then(draw);
    let opening = Opening {
        user,
        transport: body.transport,
        device: device.as_ref().map(DeviceCookie::hash),
        client_id: body.client_id,
        scope,
        amr: body.amr.map_or_else(Vec::new, |methods| methods.0),
        // The caller's own address says nothing about the person's device.
        origin: Origin { device_name: body.device_name.map(|name| name.0), ..Origin::default() },
        remember: true,
        claims: body.claims.map_or_else(Map::new, |claims| claims.0),
        kind: EventKind::SessionOpened,
        reason: Some(key.by()),
    };
    match site.app.sessions.open(opening).await? {
        Ok(tokens) => Ok(hand_out(StatusCode::CREATED, &tokens, device.as_ref(), site.now())),
        Err(OpenRefusal::Stale) => Err(Problem::new(&code::USER_DISABLED)),
        Err(OpenRefusal::Full) => Err(Problem::new(&code::TOO_MANY_SESSIONS)),
    }
}

/// List a user's sessions
#[utoipa::path(
    get, path = "/admin/sessions", tag = "Server to server", security(("api_key" = [])),
    params(("user_id" = String, Query, description = "Whose.")),
    responses((status = 200, description = "Every live session, the newest first.", body = SessionsAnswer)),
)]
pub(in crate::http) async fn list(
    State(site): Shared,
    _: KeyFor<Sessions>,
    page: Page,
) -> Answer<axum::Json<SessionsAnswer>> {
    let missing = || refused("user_id", "missing", "Send `?user_id=`.");
    let user_id = page.other("user_id")?.ok_or_else(missing)?;
    let sessions = site.app.sessions.list(user_id).await?;
    let sessions = sessions.iter().map(|session| SessionView::of(session, None)).collect();
    Ok(axum::Json(SessionsAnswer { sessions }))
}

/// End a session
#[utoipa::path(
    delete, path = "/admin/sessions/{id}", tag = "Server to server", security(("api_key" = [])),
    params(("id" = String, Path, description = "The session's `id`.")),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "There is no such live session."),
    ),
)]
pub(in crate::http) async fn end(
    State(site): Shared,
    key: KeyFor<Sessions>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let session_id = id.parse().map_err(|_| Problem::new(&code::NOT_FOUND))?;
    let end = EndOne {
        session_id,
        owner: None,
        reason: RevokeReason::EndedByOperator,
        origin: caller.origin(None),
        by: Some(key.by()),
    };
    if site.app.sessions.end_one(&end).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(&code::NOT_FOUND))
    }
}

/// Explain a session
///
/// Its story from login to end: what happened, from where, what the rule said, and what an operator can do.
/// Told as long as its row or an event of it is kept, so of dead sessions too.
#[utoipa::path(
    get, path = "/admin/sessions/{id}/explain", tag = "Server to server", security(("api_key" = [])),
    params(("id" = String, Path, description = "The session's `id`.")),
    responses(
        (status = 200, description = "The story, the oldest line first.", body = ExplanationView),
        (status = 404, description = "Neither a row nor an event of such a session is left."),
    ),
)]
pub(in crate::http) async fn explain(
    State(site): Shared,
    _: KeyFor<Sessions>,
    Path(id): Path<String>,
) -> Answer<axum::Json<ExplanationView>> {
    let missing = || Problem::new(&code::NOT_FOUND);
    let session_id = id.parse().map_err(|_| missing())?;
    let story = site.app.sessions.explain(session_id).await?.ok_or_else(missing)?;
    Ok(axum::Json(ExplanationView::of(&story)))
}

async fn find_or_make(site: &Site, body: &OpenSessionBody, by: &str) -> Answer<User> {
    let key = match (body.user_id, &body.external_user_id) {
        (Some(id), None) => UserKey::Id(id),
        (None, Some(external)) => UserKey::External(external.0.clone()),
        _ => return Err(refused("user_id", "wrong_value", "Send either `user_id` or `external_user_id`.")),
    };
    if let Some(user) = site.app.store.user(&key).await? {
        return Ok(user);
    }
    let UserKey::External(external_id) = &key else { return Err(Problem::new(&code::NOT_FOUND)) };
    let new = NewAccount {
        email: None,
        is_verified: false,
        name: None,
        external_id: Some(external_id.clone()),
        password: None,
        imported_hash: None,
        by: by.to_owned(),
    };
    match site.app.accounts.create(new).await? {
        Ok(user) => Ok(user),
        // Somebody made it just now.
        Err(NewAccountRefusal::ExternalIdTaken) => {
            site.app.store.user(&key).await?.ok_or_else(|| Problem::new(&code::NOT_FOUND))
        }
        Err(_) => Err(Problem::new(&code::INTERNAL_ERROR)),
    }
}

/// The scope to give: some of the client's, each once.
async fn checked_scope(site: &Site, body: &OpenSessionBody) -> Answer<Option<String>> {
    let Some(client_id) = &body.client_id else {
        let detail = "Only the session of an OAuth client has a scope; send `client_id` too.";
        return match body.scope {
            Some(_) => Err(refused("scope", "wrong_value", detail)),
            None => Ok(None),
        };
    };
    let unknown = || refused("client_id", "wrong_value", "There is no such client: `relatch clients list`.");
    let client = site.app.clients.find(client_id).await?.ok_or_else(unknown)?;
    if body.transport == Transport::Cookie {
        return Err(refused("transport", "wrong_value", "The session of an OAuth client needs \"body\"."));
    }
    let mut granted: Vec<&str> = Vec::new();
    for one in body.scope.as_deref().unwrap_or("").split(' ').filter(|one| !one.is_empty()) {
        if !client.scopes.iter().any(|known| known == one) {
            return Err(refused("scope", "wrong_value", "The client doesn't have one of these scopes."));
        }
        if !granted.contains(&one) {
            granted.push(one);
        }
    }
    Ok((!granted.is_empty()).then(|| granted.join(" ")))
}

fn refused(field: &str, code: &str, detail: &str) -> Problem {
    let (field, code, detail) = (field.to_owned(), code.to_owned(), detail.to_owned());
    Problem::validation(vec![FieldError { field, code, detail }])
}

/// The name that another system knows a person by.
#[derive(Debug)]
pub struct ExternalId(String);

/// Claims that no registered one is among.
#[derive(Debug)]
pub struct CustomClaims(Map<String, Value>);

/// Authentication methods (RFC 8176).
#[derive(Debug)]
pub struct Methods(Vec<String>);

impl FieldValue for UserId {
    fn read(value: Value) -> Result<Self, Fault> {
        String::read(value)?
            .parse()
            .map_err(|_| Fault::new("wrong_value", "Send an `id` of a user (`usr_…`)."))
    }
}

impl FieldValue for ClientId {
    fn read(value: Value) -> Result<Self, Fault> {
        String::read(value)?.parse().map_err(|_| Fault::new("wrong_value", "Send the `id` of a client."))
    }
}

impl FieldValue for ExternalId {
    fn read(value: Value) -> Result<Self, Fault> {
        let text = String::read(value)?;
        match text.chars().count() {
            1..=EXTERNAL_ID_CHARS_MAX => Ok(Self(text)),
            _ => Err(Fault::new("wrong_length", format!("Send 1 to {EXTERNAL_ID_CHARS_MAX} characters."))),
        }
    }
}

impl FieldValue for CustomClaims {
    fn read(value: Value) -> Result<Self, Fault> {
        let claims: Map<String, Value> = Map::read(value)?;
        if let Some(name) = claims.keys().find(|name| REGISTERED_CLAIMS.contains(&name.as_str())) {
            return Err(Fault::new(
                "registered_claim",
                format!("`{name}` has a meaning of its own; rename it."),
            ));
        }
        let bytes = serde_json::to_string(&claims).map_or(usize::MAX, |text| text.len());
        if bytes > CLAIMS_BYTES_MAX {
            let detail = format!("Send at most {CLAIMS_BYTES_MAX} bytes: every request carries them.");
            return Err(Fault::new("too_long", detail));
        }
        Ok(Self(claims))
    }
}

impl FieldValue for Methods {
    fn read(value: Value) -> Result<Self, Fault> {
        let methods: Vec<String> = Vec::read(value)?;
        let is_word =
            |word: &String| (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic());
        if methods.len() > METHODS_MAX || !methods.iter().all(is_word) {
            let detail = format!("Send at most {METHODS_MAX} words such as \"pwd\" or \"otp\" (RFC 8176).");
            return Err(Fault::new("wrong_value", detail));
        }
        Ok(Self(methods))
    }
}

const EXTERNAL_ID_CHARS_MAX: usize = 255;
/// A token has to fit into a header beside everything else.
const CLAIMS_BYTES_MAX: usize = 2048;
const METHODS_MAX: usize = 8;
