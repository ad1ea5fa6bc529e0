//! What was wrong: beside the fields of a form, or as a page of its own.

use super::texts::{Texts, fill};
use super::visit::Visit;
use crate::http::code;
use crate::http::problem::{FieldError, Problem};
use askama::Template;
use axum::response::Response;

/// What is wrong with a form: with a field, or (under the empty name) with the whole.
#[derive(Default)]
pub(super) struct Faults(Vec<(String, String)>);

impl Faults {
    /// What a problem says about a form. [`None`] where it is none of the form's: that becomes a page of its own.
    pub(super) fn of(problem: &Problem, visit: &Visit) -> Option<Self> {
        let texts = &visit.texts.faults;
        let (field, text) = match problem.code() {
            found if *found == code::VALIDATION_FAILED => {
                let chars_min = visit.app().config.passwords.length_min;
                let fault =
                    |error: &FieldError| (error.field.clone(), in_words(&error.code, visit.texts, chars_min));
                return Some(Self(problem.errors().iter().map(fault).collect()));
            }
            found if *found == code::INVALID_CREDENTIALS => ("", texts.invalid_credentials.to_owned()),
            found if *found == code::EMAIL_NOT_VERIFIED => ("", texts.email_not_verified.to_owned()),
            found if *found == code::EMAIL_TAKEN => ("email", texts.email_taken.to_owned()),
            found if *found == code::TOO_MANY_SESSIONS => ("", texts.too_many_sessions.to_owned()),
            found if *found == code::SIGNUP_DISABLED => ("", visit.texts.enter.closed.to_owned()),
            found if *found == code::WRONG_PASSWORD => ("current_password", texts.wrong_password.to_owned()),
            found if [&code::INVALID_CODE, &code::WRONG_CODE].contains(&found) => {
                ("code", texts.wrong_code.to_owned())
            }
            found if *found == code::CODE_REQUIRED => ("code", texts.code_required.to_owned()),
            found if *found == code::TOO_MANY_FACTORS => ("", texts.too_many_factors.to_owned()),
            found if *found == code::INVALID_LINK => ("", texts.invalid_link.to_owned()),
            found if *found == code::TOO_MANY_ATTEMPTS => {
                ("", fill(texts.too_many, "when", &wait(problem, visit)))
            }
            _ => return None,
        };
        Some(Self(vec![(field.to_owned(), text)]))
    }

    /// The same for a form that has these fields alone: whatever else is wrong is wrong with the whole.
    pub(super) fn among(mut self, fields: &[&str]) -> Self {
        self.0
            .iter_mut()
            .filter(|(field, _)| !fields.contains(&field.as_str()))
            .for_each(|(field, _)| field.clear());
        self
    }

    /// The same for a form in which a field has another name.
    pub(super) fn renamed(mut self, from: &str, to: &str) -> Self {
        self.0.iter_mut().filter(|(field, _)| field == from).for_each(|(field, _)| to.clone_into(field));
        self
    }

    /// Everything, in the order of the fields.
    pub(super) fn all(&self) -> &[(String, String)] {
        &self.0
    }

    /// What is wrong with a field.
    pub(super) fn with(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == field).map(|(_, text)| text.as_str())
    }
}

/// A problem that no form can show, as a page.
pub(super) fn as_page(visit: &Visit, problem: &Problem) -> Response {
    let texts = &visit.texts.faults;
    let (title, text) = match problem.code() {
        found if *found == code::CSRF_CHECK_FAILED => (texts.csrf_title, texts.csrf.to_owned()),
        found if *found == code::NOT_FOUND => (texts.not_found_title, texts.not_found.to_owned()),
        found if *found == code::INVALID_LINK => (texts.other_title, texts.invalid_link.to_owned()),
        found if found.status.is_server_error() => {
            (texts.unavailable_title, fill(texts.unavailable, "when", &wait(problem, visit)))
        }
        _ => (texts.other_title, texts.other.to_owned()),
    };
    visit.refuse(problem, &ProblemPage { page: visit, title, text })
}

fn in_words(code: &str, texts: &Texts, chars_min: usize) -> String {
    let faults = &texts.faults;
    let text = match code {
        "missing" => faults.missing,
        "not_an_address" | "invalid_local_part" | "invalid_domain" => faults.not_an_address,
        "too_long" => faults.too_long,
        "too_short" => faults.too_short,
        "too_common" => faults.too_common,
        "own_word" => faults.own_word,
        "breached" => faults.breached,
        "control_character" => faults.control_character,
        _ => faults.wrong_value,
    };
    fill(text, "n", &chars_min.to_string())
}

fn wait(problem: &Problem, visit: &Visit) -> String {
    visit.texts.wait(problem.wait().unwrap_or_default())
}

#[derive(Template)]
#[template(path = "pages/problem.html")]
struct ProblemPage<'a> {
    page: &'a Visit,
    title: &'static str,
    text: String,
}
