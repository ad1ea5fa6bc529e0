//! Where settings come from: a file, the environment, and what the command line says.

use super::ConfigError;
use super::known::{Key, PREFIX, Shape, keys, suggestion};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::path::Path;

/// Settings of one origin, each with the name of where it stands.
///
/// ```
/// use relatch_server::config::Layer;
/// let flags = Layer::new().with("server.listen", "--listen", "127.0.0.1:9000");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Layer {
    values: Dict,
    sources: BTreeMap<String, String>,
    /// Where everything stands that `sources` does not name.
    origin: String,
}

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` (its whole name) to `value`; `source` is what the operator is told it came from.
    #[must_use]
    pub fn with(mut self, key: &str, source: &str, value: impl Into<Value>) -> Self {
        insert(&mut self.values, key, value.into());
        self.sources.insert(key.to_owned(), source.to_owned());
        self
    }

    /// Settings that the command line gives by name, as text (`--set sessions.idle_seconds=3600`).
    pub fn from_settings(settings: &[(String, String)]) -> Result<Self, ConfigError> {
        let keys = keys();
        let mut layer = Self::new();
        let mut problems = Vec::new();
        for (path, text) in settings {
            let Some(key) = keys.iter().find(|key| key.path == *path && key.shape != Shape::Section) else {
                let names = keys.iter().map(|key| key.path.as_str());
                problems.push(unknown(path, "--set", suggestion(path, names)));
                continue;
            };
            match read(text, key.shape) {
                Ok(value) => layer = layer.with(path, &format!("--set {path}"), value),
                Err(expected) => problems.push(format!("--set {path} must be {expected}")),
            }
        }
        ConfigError::unless_empty(problems)?;
        Ok(layer)
    }

    /// The settings of a TOML file.
    pub(super) fn from_file(path: &Path, keys: &[Key]) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("the configuration file {origin} can't be read: {error}"))
        })?;
        // The parser's own rendering quotes the line, which may hold a secret; where and why is enough.
        let table = toml::from_str::<toml::Table>(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::new(format!("{origin}, line {line}, is not TOML: {}", error.message()))
        })?;
        let values = match Value::serialize(table) {
            Ok(Value::Dict(_, values)) => values,
            _ => return Err(ConfigError::new(format!("{origin} must be a table of settings"))),
        };
        let mut problems = Vec::new();
        refuse_unknown(&values, "", &origin, keys, &mut problems);
        ConfigError::unless_empty(problems)?;
        Ok(Self { values, sources: BTreeMap::new(), origin })
    }

    /// The settings among the environment's variables. An empty variable counts as one that is not set.
    pub(super) fn from_environment(
        variables: &[(String, String)],
        keys: &[Key],
    ) -> Result<Self, ConfigError> {
        let settable: Vec<(String, &Key)> =
            keys.iter().filter_map(|key| Some((key.variable()?, key))).collect();
        let mut layer = Self::new();
        let mut problems = Vec::new();
        let ours = variables.iter().filter(|(name, text)| is_setting(name) && !text.is_empty());
        for (name, text) in ours {
            let long_name = if name == MASTER_KEY { MASTER_KEY_LONG } else { name };
            let Some((_, key)) = settable.iter().find(|(known, _)| known == long_name) else {
                // Without what all of them start with, which would make any two look alike.
                let names = settable.iter().filter_map(|(known, _)| known.strip_prefix(PREFIX));
                let near = suggestion(&name[PREFIX.len()..], names).map(|known| format!("{PREFIX}{known}"));
                problems.push(unknown(name, "the environment", near.as_deref()));
                continue;
            };
            if layer.sources.contains_key(&key.path) {
                problems.push(format!("{MASTER_KEY} and {MASTER_KEY_LONG} are one setting; set one of them"));
            }
            match read(text, key.shape) {
                Ok(value) => layer = layer.with(&key.path, name, value),
                Err(expected) => problems.push(format!("{name} must be {expected}")),
            }
        }
        ConfigError::unless_empty(problems)?;
        Ok(layer)
    }

    fn source(&self, key: &str) -> String {
        let named = self.sources.iter().find(|(known, _)| is_within(key, known));
        named.map_or_else(|| self.origin.clone(), |(_, source)| source.clone())
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let layer = Self { values: Dict::new(), ..self.clone() };
        Metadata::named("settings").interpolater(move |_, keys| layer.source(&keys.join(".")))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The file to read, for those who can't pass a flag.
pub(super) const CONFIG_FILE: &str = "RELATCH_CONFIG";
const MASTER_KEY: &str = "RELATCH_MASTER_KEY";
const MASTER_KEY_LONG: &str = "RELATCH_KEYS__MASTER_KEY";

/// Whether a variable is meant for us. Kubernetes puts `RELATCH_PORT=tcp://…` and its like into every
/// container beside a service named `relatch`; refusing those would keep the server from starting.
fn is_setting(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let of_kubernetes = rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    name != CONFIG_FILE && !of_kubernetes
}

/// Reads a variable as what its setting is, so that `123` can be a name.
fn read(text: &str, shape: Shape) -> Result<Value, &'static str> {
    let json =
        |text| serde_json::from_str::<serde_json::Value>(text).ok().and_then(|v| Value::serialize(v).ok());
    match shape {
        Shape::Text => Ok(text.into()),
        Shape::Number => text.parse::<u64>().map(Value::from).map_err(|_| "a whole number"),
        Shape::Flag => text.parse::<bool>().map(Value::from).map_err(|_| "`true` or `false`"),
        Shape::List if text.starts_with('[') => {
            json(text).ok_or("a JSON list, or values separated by commas")
        }
        Shape::List => Ok(text.split(',').map(str::trim).collect::<Vec<_>>().into()),
        Shape::Map => json(text).filter(|v| v.as_dict().is_some()).ok_or("a JSON object"),
        Shape::Tables => json(text).filter(|v| v.as_array().is_some()).ok_or("a JSON list of objects"),
        Shape::Section => Err("set by the names of what it holds"),
    }
}

fn refuse_unknown(values: &Dict, prefix: &str, origin: &str, keys: &[Key], problems: &mut Vec<String>) {
    for (name, value) in values {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match (keys.iter().find(|key| key.path == path), value) {
            (None, _) => {
                let names = keys.iter().map(|key| key.path.as_str());
                problems.push(unknown(&path, origin, suggestion(&path, names)));
            }
            (Some(Key { shape: Shape::Section, .. }), Value::Dict(_, inner)) => {
                refuse_unknown(inner, &path, origin, keys, problems);
            }
            (Some(Key { shape: Shape::Tables, .. }), Value::Array(_, tables)) => {
                for table in tables.iter().filter_map(Value::as_dict) {
                    refuse_unknown(table, &format!("{path}[]"), origin, keys, problems);
                }
            }
            // A wrong type is found where the types are.
            (Some(_), _) => {}
        }
    }
}

fn unknown(name: &str, origin: &str, suggestion: Option<&str>) -> String {
    match suggestion {
        Some(known) => format!("`{name}` in {origin} is not a setting; did you mean `{known}`?"),
        None => format!("`{name}` in {origin} is not a setting; `relatch config` lists those there are"),
    }
}

fn insert(values: &mut Dict, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = values.entry(section.to_owned()).or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn is_within(key: &str, known: &str) -> bool {
    key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
