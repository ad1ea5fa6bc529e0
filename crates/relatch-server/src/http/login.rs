//! `POST /auth/login`: an address and a password for a session.

use super::body::{Json, TransportName, body};
use super::caller::Caller;
use super::code;
use super::fields::DeviceName;
use super::logout::end_sessions_of_cookies;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::token_answer::hand_out;
use super::views::TokenAnswer;
use crate::accounts::{Challenge, LogIn, LoggedIn, LoginRefusal};
use crate::device::DeviceCookie;
use crate::email::EmailAddress;
use crate::sessions::Tokens;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{RevokeReason, Transport};
use relatch_token::Secret;

body! {
    /// Who wants to log in.
    pub struct LoginBody {
        /// The address.
        #[schema(value_type = String, format = "email", example = "ada@example.com")]
        email: EmailAddress,
        /// The password.
        #[schema(value_type = String, format = "password")]
        password: Secret<String>,
        /// How the refresh token shall travel; `cookie` if not given.
        #[schema(value_type = Option<TransportName>)]
        transport: Option<Transport>,
        /// What to call the device in lists.
        #[schema(value_type = Option<String>, max_length = 64)]
        device_name: Option<DeviceName>,
        /// Whether the cookies outlive the browser window; `true` if not given.
        remember: Option<bool>,
    }
}

/// Log in
///
/// Neither text nor status nor time tells whether the address has an account.
#[utoipa::path(
    post, path = "/auth/login", tag = "Sessions", security(()),
    request_body = LoginBody,
    responses(
        (status = 200, description = "A new session.", body = TokenAnswer),
        (status = 401, description = "`invalid_credentials`, or `mfa_required`."),
        (status = 403, description = "`csrf_check_failed`, or `email_not_verified`."),
        (status = 409, description = "`too_many_sessions` (`sessions.when_full = \"refuse\"`)."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn login(
    State(site): Shared,
    caller: Caller,
    Json(body): Json<LoginBody>,
) -> Answer<Response> {
    match enter(&site, &caller, body).await? {
        Entering::In(entered) => Ok(entered.hand_out(StatusCode::OK, &site)),
        Entering::Challenged(challenge) => Err(Problem::new(&code::MFA_REQUIRED)
            .member("mfa_token", challenge.ticket.expose().clone().into())
            .member("methods", challenge.methods.words().into())),
    }
}

/// How far a right password leads.
pub(super) enum Entering {
    /// All the way.
    In(Box<Entered>),
    /// To the question for a second factor. Nothing has begun, and no cookie is set.
    Challenged(Challenge),
}

/// Somebody who has just come in: their first tokens, and the device cookie that goes with them.
pub(super) struct Entered {
    /// The tokens.
    pub tokens: Tokens,
    /// The device cookie, in the cookie transport.
    pub device: Option<DeviceCookie>,
}

impl Entered {
    /// The answer to a program.
    pub(super) fn hand_out(&self, status: StatusCode, site: &Site) -> Response {
        hand_out(status, &self.tokens, self.device.as_ref(), site.now())
    }
}

/// Logs somebody in. Where cookies shall be set, a page of ours has to ask.
pub(super) async fn enter(site: &Site, caller: &Caller, body: LoginBody) -> Answer<Entering> {
    let transport = body.transport.unwrap_or(Transport::Cookie);
    if transport == Transport::Cookie {
        caller.prove_page()?;
    }
    let device = caller.device(transport, site);
    let device_name = body.device_name.map(|name| name.0);
    let visitor = caller.visitor(transport, device.as_ref(), body.remember.unwrap_or(true), device_name);
    let login = LogIn { email: body.email, password: body.password, visitor, address: caller.ip };
    match site.app.accounts.log_in(login).await? {
        Ok(LoggedIn::Challenged(challenge)) => Ok(Entering::Challenged(challenge)),
        Ok(LoggedIn::Opened(tokens)) => {
            // The browser has one refresh cookie: the session that it held until now would only linger.
            if transport == Transport::Cookie {
                let _ = end_sessions_of_cookies(site, caller, RevokeReason::Replaced).await;
            }
            let device = device.map(|device| device.cookie);
            Ok(Entering::In(Box::new(Entered { tokens: *tokens, device })))
        }
        Err(LoginRefusal::InvalidCredentials) => Err(Problem::new(&code::INVALID_CREDENTIALS)),
        Err(LoginRefusal::EmailNotVerified) => Err(Problem::new(&code::EMAIL_NOT_VERIFIED)),
        Err(LoginRefusal::TooManySessions) => Err(Problem::new(&code::TOO_MANY_SESSIONS)),
        Err(LoginRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
    }
}
