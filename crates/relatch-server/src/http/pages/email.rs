//! Change the email address: asked for here, confirmed by a link that is mailed to the new one.

use super::factors::asks_code;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::verify::Confirm;
use super::visit::{Visit, Visiting, go};
use crate::accounts::{ChangeEmail, ChangeEmailRefusal, ConfirmEmailRefusal, LinkToken};
use crate::email::EmailAddress;
use crate::http::body::body;
use crate::http::code;
use crate::http::email::VerifyEmailBody;
use crate::http::problem::{Answer, Problem};
use crate::http::proof;
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_core::Session;
use relatch_store::{Loaded, User};
use relatch_token::Secret;

body! {
    /// A change of address.
    struct Wish {
        /// The address from now on.
        #[schema(value_type = String)]
        new_email: EmailAddress,
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
            visit.show(StatusCode::OK, &Form::of(&visit, &user, "", asks_code, Faults::default()))
        }
        Err(response) => response,
    })
}

pub(super) async fn send(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let asked = match form.read::<Wish>(&["new_email", "current_password", "code"]) {
        Ok(wish) => ask(&visit, session, wish).await,
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(()) => Ok(go(&visit.link_with("message", &[("of", "email")]))),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            let asks_code = asks_code(&visit, &user).await?;
            let form = Form::of(&visit, &user, form.get("new_email"), asks_code, faults);
            Ok(visit.refuse(&problem, &form))
        }
    }
}

async fn ask(visit: &Visit, session: Session, wish: Wish) -> Answer<()> {
    let proof = proof::proof(&visit.caller, session, wish.current_password, wish.code);
    let change = ChangeEmail { proof, new: wish.new_email };
    match visit.app().accounts.change_email(change).await? {
        Ok(()) => Ok(()),
        Err(ChangeEmailRefusal::Proof(refusal)) => Err(proof::refused(refusal)),
        Err(ChangeEmailRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
        // The page shows no form then, so nobody comes here by it.
        Err(ChangeEmailRefusal::NoMail) => Err(Problem::new(&code::NOT_FOUND)),
    }
}

/// Where the mailed link leads.
pub(super) async fn show_confirm(Extension(visit): Visiting) -> Response {
    visit.show(StatusCode::OK, &confirm(&visit, "", Faults::default()))
}

pub(super) async fn send_confirm(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let done = match form.read::<VerifyEmailBody>(&["token"]) {
        Ok(body) => apply(&visit, &body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => Ok(go(&visit.link_with("message", &[("of", "email-changed")]))),
        Err(problem) => {
            let faults = faults(&problem, &visit)?.among(&["token"]);
            Ok(visit.refuse(&problem, &confirm(&visit, form.get("token"), faults)))
        }
    }
}

async fn apply(visit: &Visit, body: &VerifyEmailBody) -> Answer<()> {
    let invalid = || Problem::new(&code::INVALID_LINK);
    let token = LinkToken::parse(body.token.expose()).ok_or_else(invalid)?;
    match visit.app().accounts.confirm_email_change(&token, visit.caller.origin(None)).await? {
        Ok(()) => Ok(()),
        Err(ConfirmEmailRefusal::InvalidLink) => Err(invalid()),
        Err(ConfirmEmailRefusal::EmailTaken) => Err(Problem::new(&code::EMAIL_TAKEN)),
    }
}

fn confirm<'a>(page: &'a Visit, token: &'a str, faults: Faults) -> Confirm<'a> {
    let texts = &page.texts.account;
    Confirm {
        page,
        path: "change-email",
        title: texts.email_confirm_title,
        about: texts.email_confirm_about,
        token,
        faults,
    }
}

#[derive(Template)]
#[template(path = "pages/email.html")]
struct Form<'a> {
    page: &'a Visit,
    here: &'static str,
    now: &'a str,
    can_mail: bool,
    asks_code: bool,
    new_email: &'a str,
    faults: Faults,
}

impl<'a> Form<'a> {
    fn of(page: &'a Visit, user: &'a User, new_email: &'a str, asks_code: bool, faults: Faults) -> Self {
        let now = user.email.as_ref().map_or("", |email| email.address.as_str());
        Self {
            page,
            here: "email",
            now,
            can_mail: page.app().accounts.can_mail(),
            asks_code,
            new_email,
            faults,
        }
    }
}
