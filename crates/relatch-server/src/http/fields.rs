//! The fields of ours that have rules of their own.

use super::body::{Fault, FieldValue};
use super::problem::{FieldError, Problem};
use crate::email::EmailAddress;
use crate::password::PasswordRefusal;
use relatch_core::Origin;
use serde_json::Value;

/// A name that somebody gave a device.
#[derive(Debug)]
pub struct DeviceName(pub String);

/// A name that somebody gave a second factor.
#[derive(Debug)]
pub struct FactorName(pub String);

/// The name that a person chooses for a device: not a blank one.
#[derive(Debug)]
pub struct GivenName(pub String);

/// What to call a person.
#[derive(Debug)]
pub struct PersonName(pub String);

impl FieldValue for DeviceName {
    fn read(value: Value) -> Result<Self, Fault> {
        short_text(value, Origin::DEVICE_NAME_CHARS_MAX).map(Self)
    }
}

impl FieldValue for FactorName {
    fn read(value: Value) -> Result<Self, Fault> {
        short_text(value, FACTOR_NAME_CHARS_MAX).map(Self)
    }
}

impl FieldValue for GivenName {
    fn read(value: Value) -> Result<Self, Fault> {
        let name = short_text(value, Origin::DEVICE_NAME_CHARS_MAX)?.trim().to_owned();
        if name.is_empty() {
            return Err(Fault::new("missing", "Send a name that is not blank."));
        }
        Ok(Self(name))
    }
}

impl FieldValue for PersonName {
    fn read(value: Value) -> Result<Self, Fault> {
        short_text(value, PERSON_NAME_CHARS_MAX).map(Self)
    }
}

impl FieldValue for EmailAddress {
    fn read(value: Value) -> Result<Self, Fault> {
        let text = String::read(value)?;
        Self::parse(&text).map_err(|error| Fault::new(error.code(), format!("{error}.")))
    }
}

/// `422`: a password that breaks a rule.
pub fn refused_password(field: &str, refusal: PasswordRefusal) -> Problem {
    Problem::validation(vec![FieldError {
        field: field.to_owned(),
        code: refusal.code().to_owned(),
        detail: format!("{refusal}."),
    }])
}

/// Text that is shown in lists: no longer than it is readable, and on one line.
fn short_text(value: Value, chars_max: usize) -> Result<String, Fault> {
    let text = String::read(value)?;
    if text.chars().count() > chars_max {
        return Err(Fault::new("too_long", format!("Send at most {chars_max} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("control_character", "Leave out line breaks and other control characters."));
    }
    Ok(text)
}

/// As for devices.
const FACTOR_NAME_CHARS_MAX: usize = Origin::DEVICE_NAME_CHARS_MAX;
/// Longer than the names of people.
const PERSON_NAME_CHARS_MAX: usize = 200;
