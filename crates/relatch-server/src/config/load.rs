//! Laying the layers over each other, and remembering where each value came from.

use super::check::check;
use super::known::{Key, Shape, keys};
use super::layer::CONFIG_FILE;
use super::{Config, ConfigError, Layer};
use figment::{Figment, Profile};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a configuration is made from, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Other defaults than usual, such as those of `relatch dev`.
    pub preset: Layer,
    /// The configuration file; without one, what `RELATCH_CONFIG` in `environment` names.
    pub file: Option<PathBuf>,
    /// The environment's variables; those that don't start with `RELATCH_` are ignored.
    pub environment: Vec<(String, String)>,
    /// What the command line says.
    pub flags: Layer,
    /// Whether messages stay in the mailbox of `relatch dev` where no other way is configured.
    pub has_mailbox: bool,
}

impl Inputs {
    /// With the environment of this process, and `relatch.toml` in its folder where no file is named.
    pub fn of_process(preset: Layer, file: Option<PathBuf>, flags: Layer) -> Result<Self, ConfigError> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.push((name, value)),
                Err(_) if name.starts_with(super::known::PREFIX) => {
                    return Err(ConfigError::new(format!("{name} must be UTF-8")));
                }
                Err(_) => {}
            }
        }
        let named = file.is_some() || environment.iter().any(|(name, _)| name == CONFIG_FILE);
        let usual = Some(PathBuf::from(USUAL_FILE)).filter(|path| !named && path.exists());
        Ok(Self { preset, file: file.or(usual), environment, flags, has_mailbox: false })
    }
}

/// The file that is read from the current folder when none is named.
const USUAL_FILE: &str = "relatch.toml";

/// A configuration that has been checked, with the source of each value.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// By the whole name of each setting that is not at its default.
    sources: BTreeMap<String, String>,
    /// See [`Inputs::has_mailbox`].
    pub(super) has_mailbox: bool,
}

/// One value of the effective configuration, as `relatch config` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The setting's whole name.
    pub key: String,
    /// Its value as it would stand in a file; a secret is `(hidden)`.
    pub value_display: String,
    /// A file's path, a variable's or a flag's name, what it follows from, or `default`.
    pub source: String,
}

impl Config {
    /// Reads and checks a configuration. The error names every mistake that could be found, not just the
    /// first.
    pub fn load(inputs: &Inputs) -> Result<LoadedConfig, ConfigError> {
        let keys = keys();
        let variable = inputs.environment.iter().find(|(name, text)| name == CONFIG_FILE && !text.is_empty());
        let file = inputs.file.clone().or_else(|| variable.map(|(_, path)| PathBuf::from(path)));
        let file = file.map_or_else(|| Ok(Layer::new()), |path| Layer::from_file(&path, &keys));
        let environment = Layer::from_environment(&inputs.environment, &keys);
        let (file, environment) = match (file, environment) {
            (Ok(file), Ok(environment)) => (file, environment),
            (Err(one), Err(other)) => return Err(one.and(other)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        };

        let layers = [inputs.preset.clone(), file, environment, inputs.flags.clone()];
        let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
        let config: Config = figment.extract().map_err(|error| ConfigError::of_types(error, &keys))?;
        let loaded =
            LoadedConfig { config, sources: sources(&figment, &keys), has_mailbox: inputs.has_mailbox };
        ConfigError::unless_empty(check(&loaded, &keys))?;
        Ok(loaded)
    }
}

impl LoadedConfig {
    /// Where the value of `key` came from: a file's path, a variable's or a flag's name, or `default`.
    pub fn source(&self, key: &str) -> &str {
        self.sources.get(key).map_or(DEFAULT, String::as_str)
    }

    /// Whether anybody set `key`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.sources.contains_key(key)
    }

    /// The effective configuration, one line a setting, in the order of the reference.
    pub fn explain(&self) -> Vec<Explained> {
        let values = self.values();
        let mut lines = Vec::new();
        for key in keys().iter().filter(|key| key.shape != Shape::Section && !key.path.contains("[]")) {
            let value = find(&values, &key.path);
            match value.as_array().filter(|tables| key.shape == Shape::Tables && !tables.is_empty()) {
                Some(tables) => lines.extend(explain_tables(&key.path, tables, self.source(&key.path))),
                None => lines.push(self.explain_one(key, value)),
            }
        }
        lines
    }

    /// The configuration as JSON, secrets hidden.
    pub(super) fn values(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or_default()
    }

    fn explain_one(&self, key: &Key, value: &Value) -> Explained {
        let identity = self.config.identity(self.config.server.listen);
        let derived = match (key.path.as_str(), value) {
            ("server.public_url", Value::Null) => Some((identity.public_url.to_string(), "server.listen")),
            ("tokens.issuer", Value::Null) => Some((identity.issuer.to_string(), "server.public_url")),
            ("tokens.audience", Value::Array(none)) if none.is_empty() => {
                Some((show(&serde_json::json!([identity.issuer])), "tokens.issuer"))
            }
            _ => None,
        };
        let (value_display, source) = match derived {
            Some((shown, from)) => (shown, format!("follows from {from}")),
            None => (show(value), self.source(&key.path).to_owned()),
        };
        Explained { key: key.path.clone(), value_display, source }
    }
}

const DEFAULT: &str = "default";

/// The value of a setting in a configuration as JSON.
pub(super) fn find<'a>(values: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(values, |value, name| &value[name])
}

/// A value as it would stand in a file, without the quotes around a text.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn explain_tables(path: &str, tables: &[Value], source: &str) -> Vec<Explained> {
    let each = |(i, table): (usize, &Value)| {
        let settings = table.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        settings
            .map(|(name, value)| Explained {
                key: format!("{path}[{i}].{name}"),
                value_display: show(value),
                source: source.to_owned(),
            })
            .collect::<Vec<_>>()
    };
    tables.iter().enumerate().flat_map(each).collect()
}

fn sources(figment: &Figment, keys: &[Key]) -> BTreeMap<String, String> {
    let source = |path: &str| {
        let names: Vec<&str> = path.split('.').collect();
        Some(figment.find_metadata(path)?.interpolate(&Profile::Default, &names))
    };
    let set = keys.iter().filter(|key| key.shape != Shape::Section);
    set.filter_map(|key| Some((key.path.clone(), source(&key.path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// What `relatch.toml` with this text, and these variables, come to.
    fn load(toml: &str, variables: &[(&str, &str)]) -> Result<LoadedConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relatch.toml");
        std::fs::write(&file, toml).unwrap();
        let inputs = Inputs { file: Some(file), environment: environment(variables), ..Inputs::default() };
        // The folder's name changes with every run.
        Config::load(&inputs)
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_the_preset() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relatch.toml");
        std::fs::write(&file, "[store]\nreaders = 2\nurl = 'sqlite:b'\n[sessions]\nidle_seconds = 90000")
            .unwrap();
        let preset =
            Layer::new().with("store.readers", "relatch dev", 1).with("mail.directory", "relatch dev", "out");
        let variables = [("RELATCH_STORE__READERS", "3"), ("RELATCH_STORE__URL", "sqlite:c"), ("PATH", "x")];
        let flags = Layer::new().with("store.readers", "--readers", 4);
        let inputs = Inputs {
            preset,
            file: Some(file.clone()),
            environment: environment(&variables),
            flags,
            has_mailbox: false,
        };
        let loaded = Config::load(&inputs).unwrap();
        assert_eq!((loaded.config.store.readers, loaded.source("store.readers")), (4, "--readers"));
        assert_eq!(loaded.source("store.url"), "RELATCH_STORE__URL");
        assert_eq!(loaded.source("sessions.idle_seconds"), file.display().to_string());
        assert_eq!(loaded.source("mail.directory"), "relatch dev");
        assert_eq!(loaded.source("mail.from"), "default");
    }

    #[test]
    fn a_file_named_by_the_environment_must_be_there() {
        let inputs =
            Inputs { environment: environment(&[("RELATCH_CONFIG", "/no/such.toml")]), ..Inputs::default() };
        assert!(Config::load(&inputs).unwrap_err().to_string().contains("/no/such.toml can't be read"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_source_and_the_nearest_one() {
        insta::assert_snapshot!(
            load("lisen = 1\n[session]\nx = 1\n[server]\nlisten_on = 2", &[("RELATCH_LISTEN", "1"), ("RELATCH_Q", "1")])
                .unwrap_err(),
            @"
        the configuration has 5 mistakes:
        - `lisen` in relatch.toml is not a setting; did you mean `server.listen`?
        - `server.listen_on` in relatch.toml is not a setting; did you mean `server.listen`?
        - `session` in relatch.toml is not a setting; did you mean `sessions`?
        - `RELATCH_LISTEN` in the environment is not a setting; did you mean `RELATCH_SERVER__LISTEN`?
        - `RELATCH_Q` in the environment is not a setting; `relatch config` lists those there are
        "
        );
        let client = load("[[clients]]\nid = 'a'\nkind = 'public'\nscope = []", &[]).unwrap_err();
        assert!(client.contains("did you mean `clients[].scopes`?"), "{client}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_with_its_source() {
        let refusal = |toml: &str, variables: &[(&str, &str)]| load(toml, variables).unwrap_err();
        insta::assert_snapshot!(refusal("server.listen = 'here'", &[]), @"`server.listen` in relatch.toml: write an address and a port, such as `127.0.0.1:8080`");
        insta::assert_snapshot!(refusal("server = 'here'", &[]), @"`server` in relatch.toml must be a table, not that text");
        insta::assert_snapshot!(refusal("sessions.idle_seconds = '14d'", &[]), @"`sessions.idle_seconds` in relatch.toml must be a whole number, not that text");
        insta::assert_snapshot!(refusal("sessions.idle_seconds = -1", &[]), @"`sessions.idle_seconds` in relatch.toml must be a whole number, not `-1`");
        insta::assert_snapshot!(refusal("store.rotation_durability = 'lazy'", &[]), @"`store.rotation_durability` in relatch.toml must be one of `full`, `relaxed`");
        insta::assert_snapshot!(refusal("", &[("RELATCH_SIGNUP__ENABLED", "yes")]), @"RELATCH_SIGNUP__ENABLED must be `true` or `false`");
        insta::assert_snapshot!(refusal("", &[("RELATCH_SERVER__ALLOWED_ORIGINS", "*")]), @"`server.allowed_origins[0]` in RELATCH_SERVER__ALLOWED_ORIGINS: write a whole origin, such as `https://app.example.com`; there is no wildcard");
        insta::assert_snapshot!(refusal("[server]\nlisten = \"secret", &[]), @r#"relatch.toml, line 2, is not TOML: invalid basic string, expected `"`"#);
    }

    #[test]
    fn variables_are_read_as_what_their_setting_is() {
        let variables = [
            ("RELATCH_TOKENS__AUDIENCE", "123, api"),
            ("RELATCH_SERVER__LISTEN", "[::1]:9000"),
            ("RELATCH_SIGNUP__ENABLED", "false"),
            ("RELATCH_TOKENS__CLAIMS", r#"{"tenant": {"id": 7}}"#),
            ("RELATCH_SERVER__PUBLIC_URL", ""),
        ];
        let config = load("", &variables).unwrap().config;
        assert_eq!(config.tokens.audience, ["123", "api"]);
        assert_eq!(config.server.listen.port(), 9000);
        assert!(!config.signup.enabled);
        assert_eq!(config.tokens.claims["tenant"]["id"], 7);
        assert_eq!(config.server.public_url, None);
    }

    #[test]
    fn what_kubernetes_puts_into_every_container_is_no_setting() {
        let injected = [
            ("RELATCH_PORT", "tcp://10.0.0.1:8080"),
            ("RELATCH_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("RELATCH_SERVICE_HOST", "10.0.0.1"),
        ];
        assert!(load("", &injected).is_ok());
    }

    #[test]
    fn the_explanation_names_every_setting_its_source_and_no_secret() {
        let toml = "[[clients]]\nid = 'app'\nkind = 'confidential'\nsecret_hash = 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'";
        let loaded =
            load(toml, &[("RELATCH_MASTER_KEY", "1:sesame"), ("RELATCH_STORE__READERS", "3")]).unwrap();
        let lines = loaded.explain();
        let line = |key: &str| {
            let line = lines.iter().find(|line| line.key == key).unwrap();
            (line.value_display.as_str(), line.source.as_str())
        };
        assert_eq!(line("keys.master_key"), ("(hidden)", "RELATCH_MASTER_KEY"));
        assert_eq!(line("store.readers"), ("3", "RELATCH_STORE__READERS"));
        assert_eq!(line("sessions.idle_seconds"), ("1209600", "default"));
        assert_eq!(line("clients[0].secret_hash").0, "(hidden)");
        assert_eq!(line("server.public_url"), ("http://localhost:8080", "follows from server.listen"));
        assert_eq!(line("tokens.audience").0, r#"["http://localhost:8080"]"#);
        assert!(
            !format!("{lines:?}{loaded:?}").contains("sesame")
                && !format!("{lines:?}{loaded:?}").contains("ungW")
        );
    }

    #[test]
    fn a_master_key_in_the_file_is_refused_unseen() {
        for toml in ["keys.master_key = '1:sesame'", "keys.master_key = 4711", "keys = 'sesame'"] {
            let refusal = load(toml, &[]).unwrap_err();
            assert!(!refusal.contains("sesame") && !refusal.contains("4711"), "{refusal}");
        }
    }
}
