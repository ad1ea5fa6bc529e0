//! Every setting there is, read off the types: what the loader knows, checks, suggests and documents.

use super::Config;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// One setting, or one section of settings.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name from the top, such as `server.listen`. Within an array of tables: `clients[].id`.
    pub path: String,
    pub shape: Shape,
    /// What its documentation says.
    pub about: String,
    pub minimum: Option<u64>,
    pub maximum: Option<u64>,
    /// The words that it may be, where only some are allowed.
    pub choices: Vec<String>,
    /// Whether its value is never shown.
    pub secret: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Section,
    Text,
    Number,
    Flag,
    /// Texts.
    List,
    /// Names and values of the operator's choice.
    Map,
    /// An array of tables, each of which has the same keys.
    Tables,
}

impl Key {
    /// The environment variable that sets it; none within an array of tables.
    pub(super) fn variable(&self) -> Option<String> {
        let settable = self.shape != Shape::Section && !self.path.contains("[]");
        settable.then(|| format!("{PREFIX}{}", self.path.replace('.', "__").to_uppercase()))
    }
}

/// What the environment variables of settings start with.
pub(super) const PREFIX: &str = "RELATCH_";

/// All of them, each section before what it holds, in the order of the types.
pub(super) fn keys() -> Vec<Key> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let mut keys = Vec::new();
    collect(schema.as_value(), "", &mut keys);
    keys
}

/// The known name that is most like `unknown`, if any is.
pub(super) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| {
        let (unknown, known) = (unknown.to_lowercase(), known.to_lowercase());
        let last = strsim::jaro_winkler(last_word(&unknown), last_word(&known));
        // `listen` for `server.listen`: the right word in the wrong place.
        strsim::jaro_winkler(&unknown, &known).max(last * LAST_WORD_WEIGHT)
    };
    let best = known.map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}

/// Under this Jaro-Winkler likeness a suggestion confuses more than it helps.
const LIKENESS_MIN: f64 = 0.82;
/// Many settings end alike, so that the whole name counts more than its end.
const LAST_WORD_WEIGHT: f64 = 0.92;

fn last_word(path: &str) -> &str {
    let path = path.rsplit("__").next().unwrap_or(path);
    path.rsplit('.').next().unwrap_or(path)
}

fn collect(schema: &Value, prefix: &str, keys: &mut Vec<Key>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let shape = shape(property);
        keys.push(Key {
            path: path.clone(),
            shape,
            about: property["description"].as_str().unwrap_or_default().to_owned(),
            minimum: property["minimum"].as_u64(),
            maximum: property["maximum"].as_u64(),
            choices: choices(property),
            secret: property["x-secret"] == true,
        });
        match shape {
            Shape::Section => collect(property, &path, keys),
            Shape::Tables => collect(&property["items"], &format!("{path}[]"), keys),
            _ => {}
        }
    }
}

fn shape(property: &Value) -> Shape {
    let empty = Map::new();
    let is = |name: &str| match &property["type"] {
        Value::Array(types) => types.iter().any(|one| one == name),
        one => one == name,
    };
    let inner = property["properties"].as_object().unwrap_or(&empty);
    if is("object") {
        return if inner.is_empty() { Shape::Map } else { Shape::Section };
    }
    if is("array") {
        return if property["items"]["properties"].is_object() { Shape::Tables } else { Shape::List };
    }
    if is("boolean") {
        return Shape::Flag;
    }
    if is("integer") { Shape::Number } else { Shape::Text }
}

/// The constants of an enumeration; variants with documentation come as one schema each.
fn choices(property: &Value) -> Vec<String> {
    let plain = property["enum"].as_array().into_iter().flatten();
    let documented = property["oneOf"].as_array().into_iter().flatten().map(|variant| &variant["const"]);
    plain.chain(documented).filter_map(|choice| Some(choice.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_and_every_number_bounded() {
        for key in keys() {
            assert!(key.about.ends_with('.'), "{} needs a sentence", key.path);
            if key.shape == Shape::Number {
                assert!(key.minimum < key.maximum, "{} needs bounds", key.path);
            }
        }
    }

    #[test]
    fn shapes_and_choices_are_read_off_the_types() {
        let keys = keys();
        let key = |path: &str| keys.iter().find(|key| key.path == path).unwrap();
        assert_eq!(key("server").shape, Shape::Section);
        assert_eq!(key("server.limits.head_bytes").shape, Shape::Number);
        assert_eq!(key("server.allowed_origins").shape, Shape::List);
        assert_eq!(key("server.public_url").shape, Shape::Text);
        assert_eq!(key("signup.enabled").shape, Shape::Flag);
        assert_eq!(key("tokens.claims").shape, Shape::Map);
        assert_eq!(key("clients").shape, Shape::Tables);
        assert_eq!(key("clients[].kind").choices, ["public", "confidential"]);
        assert_eq!(key("keys.signing.algorithm").choices, ["ES256", "EdDSA", "RS256"]);
        assert!(key("keys.master_key").secret && key("clients[].secret_hash").secret);
        let variable = key("server.limits.head_bytes").variable();
        assert_eq!(variable.as_deref(), Some("RELATCH_SERVER__LIMITS__HEAD_BYTES"));
        assert_eq!(key("clients[].id").variable(), None);
    }

    #[test]
    fn durations_are_whole_seconds_and_say_so() {
        for key in keys().iter().filter(|key| key.shape == Shape::Number) {
            let vague = ["timeout", "interval", "window", "age", "ttl"];
            assert!(!vague.iter().any(|word| key.path.ends_with(word)), "{} needs a unit", key.path);
        }
    }

    /// As in a TOML file, where a key after a section's heading belongs to that section.
    #[test]
    fn a_section_lists_its_own_settings_before_its_sections() {
        let keys = keys();
        let section = |key: &Key| key.path.rsplit_once('.').map_or("", |(section, _)| section).to_owned();
        let plain = keys.iter().filter(|key| !matches!(key.shape, Shape::Section | Shape::Tables));
        let mut seen: Vec<String> = Vec::new();
        for section in plain.map(section) {
            if seen.last() != Some(&section) {
                assert!(!seen.contains(&section), "{section} goes on after one of its sections");
                seen.push(section);
            }
        }
    }

    #[test]
    fn a_slip_is_met_with_the_nearest_name_and_nonsense_with_none() {
        let keys = keys();
        let suggest = |unknown| suggestion(unknown, keys.iter().map(|key| key.path.as_str()));
        assert_eq!(suggest("server.lisen"), Some("server.listen"));
        assert_eq!(suggest("listen"), Some("server.listen"));
        assert_eq!(suggest("lisen"), Some("server.listen"));
        assert_eq!(suggest("session"), Some("sessions"));
        assert_eq!(suggest("sessions.idle"), Some("sessions.idle_seconds"));
        assert_eq!(suggest("session.reuse_window_body_seconds"), Some("sessions.reuse_window_body_seconds"));
        assert_eq!(suggest("zzz"), None);
    }
}
