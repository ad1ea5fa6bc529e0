//! `POST /auth/email/verify`: an address is proved by a mailed link.

use super::body::{Json, body};
use super::code;
use super::problem::{Answer, Problem};
use super::site::{Shared, Site};
use crate::accounts::LinkToken;
use axum::extract::State;
use http::StatusCode;
use relatch_token::Secret;

body! {
    /// A mailed link.
    pub struct VerifyEmailBody {
        /// The code in the link: what follows its `#`.
        #[schema(value_type = String)]
        token: Secret<String>,
    }
}

/// Prove an address
#[utoipa::path(
    post, path = "/auth/email/verify", tag = "Accounts", security(()),
    request_body = VerifyEmailBody,
    responses(
        (status = 204, description = "The address is proved."),
        (status = 400, description = "`invalid_link`, or `invalid_request`."),
    ),
)]
pub(super) async fn verify(State(site): Shared, Json(body): Json<VerifyEmailBody>) -> Answer<StatusCode> {
    prove(&site, &body).await.map(|()| StatusCode::NO_CONTENT)
}

/// Uses up a mailed link that proves an address.
pub(super) async fn prove(site: &Site, body: &VerifyEmailBody) -> Answer<()> {
    let invalid = || Problem::new(&code::INVALID_LINK);
    let token = LinkToken::parse(body.token.expose()).ok_or_else(invalid)?;
    if site.app.accounts.verify_email(&token).await? { Ok(()) } else { Err(invalid()) }
}
