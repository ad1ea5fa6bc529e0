//! Two-step login: the apps that there are, adding and removing one, and recovery codes.

use super::account::When;
use super::faults::Faults;
use super::posted::{Posted, faults};
use super::texts::fill;
use super::visit::{Visit, Visiting, go};
use crate::factors::{Enrolment, FACTORS_MAX, Methods, RecoveryCode};
use crate::http::code;
use crate::http::factors::{
    self as doors, BeginTotpBody, ConfirmTotpBody, ProofBody, begin, make_codes, remove_own,
};
use crate::http::problem::{Answer, Problem};
use askama::Template;
use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use relatch_store::{Factor, FactorState, Loaded, SecondFactors, User};

/// Whether forms of this person ask for a code beside the password.
pub(super) async fn asks_code(visit: &Visit, user: &User) -> Answer<bool> {
    let found = visit.app().accounts.second_factors(user.id).await?;
    Ok(Methods::of(&found).is_some())
}

/// The overview.
pub(super) async fn show(Extension(visit): Visiting) -> Answer<Response> {
    let Loaded { user, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let SecondFactors { factors, recovery_codes, .. } = visit.app().accounts.second_factors(user.id).await?;
    let rows: Vec<Row> = factors.iter().filter_map(|factor| Row::of(factor, &visit)).collect();
    let page = Overview {
        page: &visit,
        here: "factors",
        may_add: rows.len() < FACTORS_MAX as usize,
        factors: rows,
        codes_left: fill(visit.texts.factors.codes_left, "n", &recovery_codes.to_string()),
        notice: (visit.asked("notice") == Some("removed")).then_some(visit.texts.factors.done_removed),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// Where nothing is to be seen, the overview is.
pub(super) async fn lead(Extension(visit): Visiting) -> Response {
    go(&visit.link("factors"))
}

pub(super) async fn show_add(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.person().await? {
        Ok(Loaded { user, .. }) => {
            let form = ProofForm::add(&visit, &user, asks_code(&visit, &user).await?);
            visit.show(StatusCode::OK, &form)
        }
        Err(response) => response,
    })
}

/// Begins an app, and shows what it needs: once.
pub(super) async fn add(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let begun = match form.read::<BeginTotpBody>(&["current_password", "code", "name"]) {
        Ok(body) => begin(&visit.site, &visit.caller, session, body).await,
        Err(problem) => Err(problem),
    };
    match begun {
        Ok(begun) => {
            let scan = Scan::of(&visit, begun.id.to_string(), Some(&begun.enrolment), Faults::default());
            Ok(visit.show(StatusCode::OK, &scan))
        }
        Err(problem) => {
            let form = ProofForm { typed_name: form.get("name"), ..ProofForm::add(&visit, &user, false) };
            refuse(&visit, &user, &problem, form).await
        }
    }
}

/// Confirms an app. Where the code is wrong, the app has its entry still, so the picture isn't shown again: a page that
/// is found open must not tell the seed.
pub(super) async fn confirm(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let confirmed = match form.read::<ConfirmTotpBody>(&["factor_id", "code"]) {
        Ok(body) => doors::confirm(&visit.site, &visit.caller, session, body).await,
        Err(problem) => Err(problem),
    };
    match confirmed {
        Ok(Some(codes)) => Ok(tell(&visit, &codes)),
        Ok(None) => Ok(go(&visit.link("factors"))),
        Err(problem) => {
            let faults = faults(&problem, &visit)?;
            Ok(visit.refuse(&problem, &Scan::of(&visit, form.get("factor_id").to_owned(), None, faults)))
        }
    }
}

pub(super) async fn show_remove(Extension(visit): Visiting) -> Answer<Response> {
    let Loaded { user, .. } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let factor = own(&visit, &user, visit.asked("factor").unwrap_or("")).await?;
    Ok(visit.show(StatusCode::OK, &ProofForm::remove(&visit, &user, &factor, true)))
}

pub(super) async fn remove(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let factor = own(&visit, &user, form.get("factor")).await?;
    let removed = match form.read::<ProofBody>(&["current_password", "code"]) {
        Ok(body) => remove_own(&visit.site, &visit.caller, session, form.get("factor"), body).await,
        Err(problem) => Err(problem),
    };
    match removed {
        Ok(()) => Ok(go(&visit.link_with("factors", &[("notice", "removed")]))),
        Err(problem) => {
            refuse(&visit, &user, &problem, ProofForm::remove(&visit, &user, &factor, true)).await
        }
    }
}

pub(super) async fn show_codes(Extension(visit): Visiting) -> Answer<Response> {
    Ok(match visit.person().await? {
        Ok(Loaded { user, .. }) => visit.show(StatusCode::OK, &ProofForm::codes(&visit, &user)),
        Err(response) => response,
    })
}

/// Makes new recovery codes, and shows them: once.
pub(super) async fn codes(Extension(visit): Visiting, form: Posted) -> Answer<Response> {
    let Loaded { session, user } = match visit.person().await? {
        Ok(loaded) => loaded,
        Err(response) => return Ok(response),
    };
    let made = match form.read::<ProofBody>(&["current_password", "code"]) {
        Ok(body) => make_codes(&visit.site, &visit.caller, session, body).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(codes) => Ok(tell(&visit, &codes)),
        Err(problem) => refuse(&visit, &user, &problem, ProofForm::codes(&visit, &user)).await,
    }
}

fn tell(visit: &Visit, codes: &[RecoveryCode]) -> Response {
    let page = Codes { page: visit, here: "factors", codes: doors::texts(codes) };
    visit.show(StatusCode::OK, &page)
}

/// The form again. Whether it asks for a code may have changed since it was shown.
async fn refuse(visit: &Visit, user: &User, problem: &Problem, form: ProofForm<'_>) -> Answer<Response> {
    let faults = faults(problem, visit)?;
    let asks_code = asks_code(visit, user).await?;
    Ok(visit.refuse(problem, &ProofForm { asks_code, faults, ..form }))
}

/// The person's factor of that id.
async fn own(visit: &Visit, user: &User, id: &str) -> Answer<Factor> {
    let found = visit.app().accounts.second_factors(user.id).await?;
    let factor = found.factors.into_iter().find(|factor| factor.id.to_string() == id);
    factor.ok_or_else(|| Problem::new(&code::NOT_FOUND))
}

#[derive(Template)]
#[template(path = "pages/factors.html")]
struct Overview<'a> {
    page: &'a Visit,
    here: &'static str,
    factors: Vec<Row>,
    may_add: bool,
    codes_left: String,
    notice: Option<&'static str>,
}

/// An app that counts.
struct Row {
    name: String,
    since: When,
    remove_link: String,
    remove_label: String,
}

impl Row {
    fn of(factor: &Factor, visit: &Visit) -> Option<Self> {
        let FactorState::Confirmed { at, .. } = factor.state else { return None };
        Some(Self {
            since: When::of(at),
            remove_link: visit.link_with("factors/remove", &[("factor", &factor.id.to_string())]),
            remove_label: fill(visit.texts.factors.remove, "factor", name_of(factor, visit)),
            name: name_of(factor, visit).to_owned(),
        })
    }
}

fn name_of<'a>(factor: &'a Factor, visit: &Visit) -> &'a str {
    if factor.name.is_empty() { visit.texts.factors.authenticator } else { &factor.name }
}

/// A form that asks who it is before something happens.
#[derive(Template)]
#[template(path = "pages/factor_proof.html")]
struct ProofForm<'a> {
    page: &'a Visit,
    here: &'static str,
    path: &'static str,
    title: &'static str,
    about: String,
    button: &'static str,
    username: &'a str,
    factor: Option<String>,
    asks_code: bool,
    asks_name: bool,
    is_grave: bool,
    typed_name: &'a str,
    faults: Faults,
}

impl<'a> ProofForm<'a> {
    fn add(page: &'a Visit, user: &'a User, asks_code: bool) -> Self {
        let texts = &page.texts.factors;
        Self {
            page,
            here: "factors",
            path: "factors/add",
            title: texts.add_title,
            about: texts.add_about.to_owned(),
            button: texts.add_button,
            username: user.email.as_ref().map_or("", |email| email.address.as_str()),
            factor: None,
            asks_code,
            asks_name: true,
            is_grave: false,
            typed_name: "",
            faults: Faults::default(),
        }
    }

    fn remove(page: &'a Visit, user: &'a User, factor: &Factor, asks_code: bool) -> Self {
        let texts = &page.texts.factors;
        Self {
            path: "factors/remove",
            title: texts.remove_title,
            about: fill(texts.remove_about, "factor", name_of(factor, page)),
            button: texts.remove_button,
            factor: Some(factor.id.to_string()),
            asks_name: false,
            is_grave: true,
            ..Self::add(page, user, asks_code)
        }
    }

    fn codes(page: &'a Visit, user: &'a User) -> Self {
        let texts = &page.texts.factors;
        Self {
            path: "factors/codes",
            title: texts.codes_new,
            about: texts.codes_new_about.to_owned(),
            button: texts.codes_button,
            asks_name: false,
            ..Self::add(page, user, true)
        }
    }
}

/// What the app needs, where it is to be told, and the question for its first code.
#[derive(Template)]
#[template(path = "pages/factor_scan.html")]
struct Scan<'a> {
    page: &'a Visit,
    here: &'static str,
    factor_id: String,
    told: Option<&'a Enrolment>,
    faults: Faults,
}

impl<'a> Scan<'a> {
    fn of(page: &'a Visit, factor_id: String, told: Option<&'a Enrolment>, faults: Faults) -> Self {
        Self { page, here: "factors", factor_id, told, faults }
    }
}

#[derive(Template)]
#[template(path = "pages/recovery_codes.html")]
struct Codes<'a> {
    page: &'a Visit,
    here: &'static str,
    codes: Vec<String>,
}
