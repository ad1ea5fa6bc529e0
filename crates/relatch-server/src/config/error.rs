//! Why a configuration can't be used: the operator's mistakes, all at once, each as a sentence.

use super::known::Key;
use figment::Profile;
use figment::error::{Actual, Kind};
use std::fmt;

/// The mistakes in a configuration. Never empty; no sentence holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// One mistake.
    pub fn new(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }

    /// What the types say about a value that does not fit, in words. A text is never quoted: it may be a secret
    /// that landed in the wrong place.
    pub(super) fn of_types(error: figment::Error, keys: &[Key]) -> Self {
        let problems = error.into_iter().map(|error| {
            let (shown, path) = spell(&error.path);
            let source = error
                .metadata
                .as_ref()
                .map(|metadata| format!(" in {}", metadata.interpolate(&Profile::Default, &error.path)));
            let name = format!("`{shown}`{}", source.unwrap_or_default());
            let key = keys.iter().find(|key| key.path == path);
            match error.kind {
                Kind::InvalidType(_, expected) if key.is_some_and(|key| key.secret) => {
                    format!("{name} must be {}", expectation(&expected))
                }
                Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                    format!("{name} must be {}, not {}", expectation(&expected), kind_of(&found))
                }
                Kind::UnknownVariant(..) => {
                    let choices = key.map_or_else(String::new, |key| key.choices.join("`, `"));
                    format!("{name} must be one of `{choices}`")
                }
                Kind::MissingField(field) => format!("{name} needs `{field}`"),
                Kind::Message(message) => format!("{name}: {}", advice(&message)),
                other => format!("{name}: {other}"),
            }
        });
        Self(problems.collect())
    }

    /// These mistakes and those of `other`.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Succeeds when there is no mistake.
    pub(super) fn unless_empty(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// Each mistake: what is wrong, where it stands, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            several => {
                write!(f, "the configuration has {} mistakes:", several.len())?;
                several.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// `clients.0.id` as people write it, and as [`Key::path`] has it.
fn spell(path: &[String]) -> (String, String) {
    let (mut shown, mut known) = (String::new(), String::new());
    for name in path {
        if name.parse::<usize>().is_ok() {
            shown.push_str(&format!("[{name}]"));
            known.push_str("[]");
            continue;
        }
        let dot = if shown.is_empty() { "" } else { "." };
        shown.push_str(&format!("{dot}{name}"));
        known.push_str(&format!("{dot}{name}"));
    }
    (shown, known)
}

fn expectation(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "a string" | "path string" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other == "a map" => "a table",
        other => other,
    }
}

/// The standard library says what is wrong with an address, but not what to write.
fn advice(message: &str) -> &str {
    match message {
        "invalid socket address syntax" => "write an address and a port, such as `127.0.0.1:8080`",
        other => other,
    }
}

fn kind_of(found: &Actual) -> String {
    match found {
        Actual::Str(_) | Actual::Char(_) => "that text".into(),
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Unsigned(value) => format!("`{value}`"),
        Actual::Signed(value) => format!("`{value}`"),
        Actual::Float(value) => format!("`{value}`"),
        Actual::Seq => "a list".into(),
        Actual::Map => "a table".into(),
        _ => "that".into(),
    }
}
