//! Delete the account.

use super::account::goodbye;
use super::factors::asks_code;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::visit::{Visit, Visiting};
use crate::http::body::body;
use crate::http::problem::Answer;
use crate::http::proof;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_core::Session;
use relatch_store::{Loaded, User};
use relatch_token::Secret;

body! {
    /// The proof that it is the owner who asks.
    struct Proof {
        /// The current password.
        #[schema(value_type = String)]
        current_password: Secret<String>,
        /// A code, where there is a second factor.
        #[schema(value_type = Option<String>)]
        code: Option<Secret<String>>,
    }
}

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.person().await? {
        Ok(Loaded { user, .. }) => {
            let asks_code = asks_code(&visit, &user).await?;
            visit.show(StatusCode::OK, &Form::of(&visit, &user, asks_code, Faults::default()))
        }
        Err(response) => response,
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let deleted = match form.read::<Proof>(&["current_password", "code"]) {
        Ok(proof) => delete(&visit, session, proof).await,
        Err(problem) => Err(problem),
    };
    match deleted {
        Ok(()) => Ok(goodbye(&visit, "user_deleted")),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            let asks_code = asks_code(&visit, &user).await?;
            Ok(visit.refuse(&problem, &Form::of(&visit, &user, asks_code, faults)))
        }
    }
}

async fn delete(visit: &Visit, session: Session, proof: Proof) -> Answer<()> {
    let proof = proof::proof(&visit.caller, session, proof.current_password, proof.code);
    visit.app().accounts.delete(proof).await?.map_err(proof::refused)
}

#[derive(Template)]
#[template(path = "pages/delete.html")]
struct Form<'a> {
    page: &'a Visit,
    here: &'static str,
    username: &'a str,
    asks_code: bool,
    faults: Faults,
}

impl<'a> Form<'a> {
    fn of(page: &'a Visit, user: &'a User, asks_code: bool, faults: Faults) -> Self {
        let username = user.email.as_ref().map_or("", |email| email.address.as_str());
        Self { page, here: "delete", username, asks_code, faults }
    }
}
