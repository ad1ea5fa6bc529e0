//! Delete the account.

use super::account::goodbye;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::visit::{Visit, Visiting};
use crate::accounts::{DeleteAccount, ProofRefusal};
use crate::http::body::body;
use crate::http::code;
use crate::http::problem::{Answer, Problem};
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
    }
}

pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.person().await? {
        Ok(Loaded { user, .. }) => visit.show(StatusCode::OK, &Form::of(&visit, &user, Faults::default())),
        Err(response) => response,
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let deleted = match form.read::<Proof>(&["current_password"]) {
        Ok(proof) => delete(&visit, session, proof).await,
        Err(problem) => Err(problem),
    };
    match deleted {
        Ok(()) => Ok(goodbye(&visit, "user_deleted")),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &Form::of(&visit, &user, faults)))
        }
    }
}

async fn delete(visit: &Visit, session: Session, proof: Proof) -> Answer<()> {
    let (address, origin) = (visit.caller.ip, visit.caller.origin(None));
    let delete = DeleteAccount { session, current: proof.current_password, address, origin };
    match visit.app().accounts.delete(delete).await? {
        Ok(()) => Ok(()),
        Err(ProofRefusal::WrongPassword) => Err(Problem::new(&code::WRONG_PASSWORD)),
        Err(ProofRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
    }
}

#[derive(Template)]
#[template(path = "pages/delete.html")]
struct Form<'a> {
    page: &'a Visit,
    here: &'static str,
    username: &'a str,
    faults: Faults,
}

impl<'a> Form<'a> {
    fn of(page: &'a Visit, user: &'a User, faults: Faults) -> Self {
        let username = user.email.as_ref().map_or("", |email| email.address.as_str());
        Self { page, here: "delete", username, faults }
    }
}
