//! `POST /auth/signup`: an account, and its first session.

use super::body::{Json, TransportName, body};
use super::caller::Caller;
use super::code;
use super::fields::{DeviceName, PersonName, refused_password};
use super::login::Entered;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::views::TokenAnswer;
use crate::accounts::{SignUp, SignUpRefusal, SignedUp};
use crate::email::EmailAddress;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relatch_core::Transport;
use relatch_token::Secret;

body! {
    /// Who wants an account.
    pub struct SignupBody {
        /// The address.
        #[schema(value_type = String, format = "email", example = "ada@example.com")]
        email: EmailAddress,
        /// The password: at least 8 characters, and none of the commonest.
        #[schema(value_type = String, format = "password")]
        password: Secret<String>,
        /// What to call the person.
        #[schema(value_type = Option<String>, max_length = 200)]
        name: Option<PersonName>,
        /// How the refresh token shall travel; `cookie` if not given.
        #[schema(value_type = Option<TransportName>)]
        transport: Option<Transport>,
        /// What to call the device in lists.
        #[schema(value_type = Option<String>, max_length = 64)]
        device_name: Option<DeviceName>,
    }
}

/// Sign up
#[utoipa::path(
    post, path = "/auth/signup", tag = "Accounts", security(()),
    request_body = SignupBody,
    responses(
        (status = 201, description = "The account and its first session.", body = TokenAnswer),
        (status = 202, description = "The rest happens by mail (`signup.verify_email_first`)."),
        (status = 403, description = "`csrf_check_failed`, or `signup_disabled`."),
        (status = 409, description = "`email_taken`."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn signup(
    State(site): Shared,
    caller: Caller,
    Json(body): Json<SignupBody>,
) -> Answer<Response> {
    Ok(match begin(&site, &caller, body).await? {
        Some(entered) => entered.hand_out(StatusCode::CREATED, &site),
        None => StatusCode::ACCEPTED.into_response(),
    })
}

/// Signs somebody up; `None` where the rest happens by mail.
pub(super) async fn begin(site: &Site, caller: &Caller, body: SignupBody) -> Answer<Option<Entered>> {
    let transport = body.transport.unwrap_or(Transport::Cookie);
    if transport == Transport::Cookie {
        caller.prove_page()?;
    }
    let device = caller.device(transport, site);
    let sign_up = SignUp {
        email: body.email,
        password: body.password,
        name: body.name.map(|name| name.0),
        visitor: caller.visitor(transport, device.as_ref(), true, body.device_name.map(|name| name.0)),
        address: caller.ip,
    };
    match site.app.accounts.sign_up(sign_up).await? {
        Ok(SignedUp::Opened(tokens)) => {
            Ok(Some(Entered { tokens: *tokens, device: device.map(|device| device.cookie) }))
        }
        Ok(SignedUp::MailSent) => Ok(None),
        Err(SignUpRefusal::Disabled) => Err(Problem::new(&code::SIGNUP_DISABLED)),
        Err(SignUpRefusal::EmailTaken) => Err(Problem::new(&code::EMAIL_TAKEN)),
        Err(SignUpRefusal::Password(refusal)) => Err(refused_password("password", refusal)),
        Err(SignUpRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
    }
}
