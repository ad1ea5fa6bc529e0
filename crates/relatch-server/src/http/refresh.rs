//! `POST /auth/refresh`: a refresh token for the next pair of tokens.

use super::body::{MaybeJson, body};
use super::caller::{AttemptId, Caller, Presented};
use super::code::{self, Code};
use super::cookies;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::token_answer::hand_out;
use super::views::TokenAnswer;
use crate::device::DeviceCookie;
use crate::sessions::{Door, RefreshRefusal, RefreshRequest, reason_in_words};
use crate::wire_time::rfc3339;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use relatch_core::Transport;
use relatch_token::{SealedToken, Secret, SessionId};

body! {
    /// A refresh token, in the body transport; nothing, in the cookie transport.
    pub struct RefreshBody {
        /// The refresh token, where it doesn't come in a cookie.
        #[schema(value_type = Option<String>)]
        refresh_token: Option<Secret<String>>,
    }
}

/// Exchange a refresh token
///
/// Every answer carries the next refresh token. Send the same `Idempotency-Key` with every retry of one
/// attempt: a lost answer is then given again. A superseded token ends the session.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Sessions", security((), ("refresh_cookie" = [])),
    params(("idempotency-key" = Option<String>, Header, max_length = 255, description = "Names this attempt.")),
    request_body = Option<RefreshBody>,
    responses(
        (status = 200, description = "The next pair of tokens.", body = TokenAnswer),
        (status = 401, description = "`missing_token`, `invalid_token`, `session_expired`, `session_revoked`, \
            `token_reused` or `device_mismatch`: log in again."),
        (status = 403, description = "`csrf_check_failed`, or `step_up_required`."),
        (status = 429, description = "`too_many_refreshes`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn refresh(
    State(site): Shared,
    caller: Caller,
    AttemptId(attempt_id): AttemptId,
    MaybeJson(body): MaybeJson<RefreshBody>,
) -> Answer<Response> {
    match caller.presented(body.refresh_token)? {
        Presented::Body(text) => {
            let token = parse(&site, &text).ok_or_else(|| Problem::new(&code::INVALID_TOKEN))?;
            let door = Door { transport: Transport::Body, client_id: None, device: None };
            exchange(&site, &caller, token, door, attempt_id).await
        }
        Presented::Cookies => {
            let answer = match from_cookies(&site, &caller).await {
                Ok((token, door)) => exchange(&site, &caller, token, door, attempt_id).await,
                Err(problem) => Err(problem),
            };
            answer.map_err(clear_where_refused)
        }
    }
}

async fn exchange(
    site: &Site,
    caller: &Caller,
    token: SealedToken,
    door: Door,
    attempt_id: Option<String>,
) -> Answer<Response> {
    let request = RefreshRequest { token, door, attempt_id, origin: caller.origin(None) };
    match site.app.sessions.refresh(&request).await? {
        Ok(tokens) => Ok(hand_out(StatusCode::OK, &tokens, None, site.now())),
        Err(refusal) => Err(refused(refusal, request.token.session_id())),
    }
}

/// The refresh cookie that counts, and the door it came through.
pub(super) async fn from_cookies(site: &Site, caller: &Caller) -> Answer<(SealedToken, Door)> {
    if caller.cookies.refresh.is_empty() {
        return Err(Problem::new(&code::MISSING_TOKEN));
    }
    if caller.cookies.device.len() > 1 {
        return Err(Problem::new(&code::DUPLICATE_COOKIE));
    }
    let device = caller.cookies.only_device().and_then(|value| DeviceCookie::parse(value.expose()));
    let door =
        Door { transport: Transport::Cookie, client_id: None, device: device.map(|device| device.hash()) };
    if let [only] = caller.cookies.refresh.as_slice() {
        let token = parse(site, only).ok_or_else(|| Problem::new(&code::INVALID_TOKEN))?;
        return Ok((token, door));
    }
    let candidates = caller.cookies.refresh.iter().filter_map(|text| parse(site, text)).collect();
    match site.app.sessions.newest_bound(candidates, &door).await? {
        Some(token) => Ok((token, door)),
        None => Err(Problem::new(&code::DUPLICATE_COOKIE)),
    }
}

pub(super) fn parse(site: &Site, text: &Secret<String>) -> Option<SealedToken> {
    SealedToken::parse(text.expose(), site.app.sessions.ring()).ok()
}

/// The problem that tells the holder of a genuine token which rule refused it. It names no address and no
/// device: the holder may be the thief.
fn refused(refusal: RefreshRefusal, session_id: SessionId) -> Problem {
    let code: &'static Code = match refusal {
        RefreshRefusal::Invalid | RefreshRefusal::WrongDoor(_) => &code::INVALID_TOKEN,
        RefreshRefusal::WrongDevice | RefreshRefusal::WrongPlace(_) | RefreshRefusal::TooRisky => {
            &code::DEVICE_MISMATCH
        }
        RefreshRefusal::Expired(_) => &code::SESSION_EXPIRED,
        RefreshRefusal::Revoked(_) => &code::SESSION_REVOKED,
        RefreshRefusal::Reused(_) => &code::TOKEN_REUSED,
        RefreshRefusal::TooMany { .. } => &code::TOO_MANY_REFRESHES,
    };
    let Some(rule) = refusal.rule() else { return Problem::new(code) };
    let clause = match refusal {
        RefreshRefusal::Revoked(revocation) => {
            format!("{}, at {}", reason_in_words(revocation.reason), rfc3339(revocation.at))
        }
        _ => rule.says().to_owned(),
    };
    let detail = format!(
        "Refused by the rule `{}`: {clause}. {} (`relatch sessions explain {session_id}` tells operators the \
         whole story.)",
        rule.as_str(),
        code.advice
    );
    let problem = Problem::new(code).detail(detail).member("rule", rule.as_str().into());
    match refusal {
        RefreshRefusal::Revoked(revocation) => problem.member("reason", revocation.reason.as_str().into()),
        RefreshRefusal::Expired(_) => problem.member("reason", rule.as_str().into()),
        RefreshRefusal::TooMany { retry_after } => problem.retry_after(retry_after),
        _ => problem,
    }
}

/// A 401 says that the cookie is worth nothing any more. Any other answer leaves the cookies alone.
fn clear_where_refused(problem: Problem) -> Problem {
    if problem.code().status != StatusCode::UNAUTHORIZED {
        return problem;
    }
    cookies::cleared().into_iter().fold(problem, |problem, cookie| problem.header(SET_COOKIE, cookie))
}
