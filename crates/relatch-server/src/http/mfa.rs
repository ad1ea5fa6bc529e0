//! `POST /auth/mfa`: the second step of a login, a code beside the ticket of the first.

use super::body::{Fault, FieldValue, Json, body};
use super::caller::Caller;
use super::code;
use super::login::Entered;
use super::logout::end_sessions_of_cookies;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use super::views::TokenAnswer;
use crate::accounts::{AnswerChallenge, ChallengeRefusal};
use crate::factors::Method;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{RevokeReason, Transport};
use relatch_token::Secret;
use serde_json::Value;
use utoipa::ToSchema;

body! {
    /// A code, and the ticket of the login that it belongs to.
    pub struct MfaBody {
        /// The `mfa_token` of the login: good for five minutes, beside the device cookie of then.
        #[schema(value_type = String)]
        mfa_token: Secret<String>,
        /// One of the login's `methods`.
        #[schema(value_type = MethodName)]
        method: Method,
        /// The code: six digits of an app, or a recovery code.
        #[schema(value_type = String, example = "123456")]
        code: Secret<String>,
    }
}

/// How to prove more than a password.
#[derive(Clone, Copy, Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MfaMethod)]
pub enum MethodName {
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

impl FieldValue for Method {
    fn read(value: Value) -> Result<Self, Fault> {
        match String::read(value)?.as_str() {
            "totp" => Ok(Self::Totp),
            "recovery_code" => Ok(Self::RecoveryCode),
            _ => Err(Fault::new("wrong_value", "Send \"totp\" or \"recovery_code\".")),
        }
    }
}

/// Finish a login by a second factor
///
/// After `401 mfa_required`. Transport, device name and `remember` are those of the login. A code works once.
#[utoipa::path(
    post, path = "/auth/mfa", tag = "Sessions", security(()),
    request_body = MfaBody,
    responses(
        (status = 200, description = "A new session, with `amr` [\"pwd\", \"otp\"] and `acr` \"2\".", body = TokenAnswer),
        (status = 401, description = "`invalid_code`, or `invalid_mfa_token`: log in again."),
        (status = 403, description = "`csrf_check_failed`."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn mfa(State(site): Shared, caller: Caller, Json(body): Json<MfaBody>) -> Answer<Response> {
    let entered = finish(&site, &caller, body).await?;
    Ok(entered.hand_out(StatusCode::OK, &site))
}

/// Opens the session for which a login waits. Where cookies shall be set, a page of ours has to ask.
pub(super) async fn finish(site: &Site, caller: &Caller, body: MfaBody) -> Answer<Entered> {
    let accounts = &site.app.accounts;
    let Some(ticket) = accounts.open_ticket(&body.mfa_token) else {
        return Err(Problem::new(&code::INVALID_MFA_TOKEN));
    };
    let transport = ticket.transport;
    if transport == Transport::Cookie {
        caller.prove_page()?;
    }
    let device = caller.device(transport, site);
    let visitor = caller.visitor(transport, device.as_ref(), ticket.remember, ticket.device_name.clone());
    let answer =
        AnswerChallenge { ticket, method: body.method, code: body.code, visitor, address: caller.ip };
    match accounts.answer_challenge(answer).await? {
        Ok(tokens) => {
            if transport == Transport::Cookie {
                let _ = end_sessions_of_cookies(site, caller, RevokeReason::Replaced).await;
            }
            Ok(Entered { tokens, device: device.map(|device| device.cookie) })
        }
        Err(ChallengeRefusal::InvalidTicket) => Err(Problem::new(&code::INVALID_MFA_TOKEN)),
        Err(ChallengeRefusal::WrongCode) => Err(Problem::new(&code::INVALID_CODE)),
        Err(ChallengeRefusal::TooManySessions) => Err(Problem::new(&code::TOO_MANY_SESSIONS)),
        Err(ChallengeRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
    }
}
