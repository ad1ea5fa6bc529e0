//! `POST /auth/password` and its siblings: passwords change, by who knows the old one or by a mailed link.

use super::bearer::Bearer;
use super::body::{Json, body};
use super::caller::Caller;
use super::code;
use super::fields::refused_password;
use super::problem::{Answer, Problem};
use super::proof::{proof, refused};
use super::site::{Shared, Site};
use super::token_answer::hand_out;
use super::views::TokenAnswer;
use crate::accounts::{ChangePassword, ChangeRefusal, LinkToken, ResetPassword, ResetRefusal};
use crate::email::EmailAddress;
use crate::sessions::Tokens;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use relatch_core::{Session, Transport};
use relatch_token::Secret;
use serde_json::{Value, json};

body! {
    /// A change of password.
    pub struct ChangePasswordBody {
        /// The password until now.
        #[schema(value_type = String, format = "password")]
        current_password: Secret<String>,
        /// The password from now on.
        #[schema(value_type = String, format = "password")]
        new_password: Secret<String>,
        /// A code of an app or a recovery code, where there is a second factor.
        #[schema(value_type = Option<String>)]
        code: Option<Secret<String>>,
    }
}

/// Change my password
///
/// Every session from before ends, the asking one too; the answer opens a new one on this device.
#[utoipa::path(
    post, path = "/auth/password", tag = "Accounts", security(("access_token" = [])),
    request_body = ChangePasswordBody,
    responses(
        (status = 200, description = "A new session.", body = TokenAnswer),
        (status = 403, description = "`wrong_password`, `code_required`, `wrong_code`, or `csrf_check_failed`."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn change(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Json(body): Json<ChangePasswordBody>,
) -> Answer<Response> {
    let tokens = change_by(&site, &caller, bearer.loaded.session, body).await?;
    Ok(hand_out(StatusCode::OK, &tokens, None, site.now()))
}

/// Changes the password of the person whose session asks.
pub(super) async fn change_by(
    site: &Site,
    caller: &Caller,
    session: Session,
    body: ChangePasswordBody,
) -> Answer<Tokens> {
    if session.transport == Transport::Cookie {
        caller.prove_page()?;
    }
    let proof = proof(caller, session, body.current_password, body.code);
    let change = ChangePassword { proof, new: body.new_password };
    match site.app.accounts.change_password(change).await? {
        Ok(tokens) => Ok(tokens),
        Err(ChangeRefusal::Proof(refusal)) => Err(refused(refusal)),
        Err(ChangeRefusal::Password(refusal)) => Err(refused_password("new_password", refusal)),
    }
}

body! {
    /// Whose password was forgotten.
    pub struct ForgotPasswordBody {
        /// The address.
        #[schema(value_type = String, format = "email", example = "ada@example.com")]
        email: EmailAddress,
    }
}

/// Ask for a link to set a new password
///
/// The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/auth/password/forgot", tag = "Accounts", security(()),
    request_body = ForgotPasswordBody,
    responses((status = 202, description = "Where the address has an account, a link was mailed.")),
)]
pub(super) async fn forgot(
    State(site): Shared,
    caller: Caller,
    Json(body): Json<ForgotPasswordBody>,
) -> StatusCode {
    site.app.accounts.forgot_password(&body.email, caller.ip, caller.origin(None));
    StatusCode::ACCEPTED
}

body! {
    /// A new password, by a mailed link.
    pub struct ResetPasswordBody {
        /// The code in the link: what follows its `#`.
        #[schema(value_type = String)]
        token: Secret<String>,
        /// The password from now on.
        #[schema(value_type = String, format = "password")]
        new_password: Secret<String>,
    }
}

/// Set a new password by a mailed link
///
/// Every session of the person ends. A password that breaks a rule leaves the link usable.
#[utoipa::path(
    post, path = "/auth/password/reset", tag = "Accounts", security(()),
    request_body = ResetPasswordBody,
    responses(
        (status = 200, description = "The password is set; log in.", body = Object),
        (status = 400, description = "`invalid_link`, or `invalid_request`."),
    ),
)]
pub(super) async fn reset(
    State(site): Shared,
    caller: Caller,
    Json(body): Json<ResetPasswordBody>,
) -> Answer<axum::Json<Value>> {
    reset_by_link(&site, &caller, body).await.map(|()| axum::Json(json!({})))
}

/// Sets a new password by a mailed link.
pub(super) async fn reset_by_link(site: &Site, caller: &Caller, body: ResetPasswordBody) -> Answer<()> {
    let invalid = || Problem::new(&code::INVALID_LINK);
    let token = LinkToken::parse(body.token.expose()).ok_or_else(invalid)?;
    let reset = ResetPassword { token, new: body.new_password, origin: caller.origin(None) };
    match site.app.accounts.reset_password(reset).await? {
        Ok(()) => Ok(()),
        Err(ResetRefusal::InvalidLink) => Err(invalid()),
        Err(ResetRefusal::Password(refusal)) => Err(refused_password("new_password", refusal)),
    }
}
