//! The reference page of the configuration, written from the types.

use super::known::{Key, Shape, keys};
use super::load::find;
use super::{Config, layer};
use serde_json::Value;
use std::fmt::Write;

/// The page as Markdown. `cargo xtask gen` writes it to `docs/reference/configuration.md`.
pub fn reference() -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut page = INTRODUCTION.replace("{file}", layer::CONFIG_FILE);
    for key in keys() {
        let about = plain(&key.about);
        // A `String` takes every write.
        let _ = match key.shape {
            Shape::Section | Shape::Tables => write!(page, "\n{}\n\n{about}\n", heading(&key)),
            _ => write!(page, "\n- **`{}`**: {}  \n  {about}\n", key.path, facts(&key, &defaults)),
        };
    }
    page
}

const INTRODUCTION: &str = "<!-- Written by `cargo xtask gen` from the types of the configuration; change those. -->

# Configuration

Relatch reads a TOML file, then the environment, then the flags of the command line; the later one wins. The
file is the one that `--config` or `{file}` names, else `relatch.toml` in the current folder, if there is one.
Nothing is required on a loopback address except a master key, and `relatch dev` makes that by itself.

```toml
[server]
listen = \"0.0.0.0:8080\"
public_url = \"https://id.example.com\"
trusted_proxies = [\"10.0.0.0/8\"]

[store]
url = \"sqlite:/var/lib/relatch/relatch.db\"

[sessions]
idle_seconds = 604800
```

Every setting has an environment variable: its name in capitals after `RELATCH_`, with two underscores
between levels. Lists are separated by commas or written as JSON. An empty variable counts as not set.

```sh
RELATCH_SERVER__LISTEN=127.0.0.1:9000 RELATCH_SERVER__ALLOWED_ORIGINS=https://a.example,https://b.example relatch serve
```

An unknown name is refused, with the nearest known one. `relatch config` prints every value and where it came
from, secrets hidden. Durations are whole seconds. Relative paths start from the folder in which the server
was started.
";

fn heading(key: &Key) -> String {
    let level = "#".repeat(2 + key.path.matches('.').count());
    match key.shape {
        Shape::Tables => format!("{level} `[[{}]]`", key.path),
        _ => format!("{level} `[{}]`", key.path),
    }
}

/// What it takes, its default and its variable, in one line.
fn facts(key: &Key, defaults: &Value) -> String {
    let takes = match key.shape {
        Shape::Text if !key.choices.is_empty() => format!("`{}`", key.choices.join("` or `")),
        Shape::Text => "text".into(),
        Shape::Flag => "`true` or `false`".into(),
        Shape::List => "list of texts".into(),
        _ if key.shape != Shape::Number => "table".into(),
        _ => match (key.minimum, key.maximum) {
            (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
            _ => "whole number".into(),
        },
    };
    let default = match find(defaults, &key.path) {
        Value::Null => String::new(),
        Value::Array(none) if none.is_empty() => "; default none".into(),
        Value::Object(none) if none.is_empty() => "; default none".into(),
        Value::String(text) => format!("; default `{text}`"),
        other => format!("; default `{other}`{}", in_words(key, other)),
    };
    let variable = key.variable().map(|name| format!("; `{name}`"));
    format!("{takes}{default}{}", variable.unwrap_or_default())
}

/// A long span in the unit in which people think of it.
fn in_words(key: &Key, value: &Value) -> String {
    let Some(seconds) = value.as_u64().filter(|_| key.path.ends_with("_seconds")) else {
        return String::new();
    };
    let in_units = |unit: u64, name: &str| match seconds / unit {
        1 => format!(" (1 {name})"),
        count => format!(" ({count} {name}s)"),
    };
    match seconds {
        0..120 => String::new(),
        _ if seconds % 86_400 == 0 => in_units(86_400, "day"),
        _ if seconds % 3600 == 0 => in_units(3600, "hour"),
        _ if seconds % 60 == 0 => in_units(60, "minute"),
        _ => String::new(),
    }
}

/// One paragraph of Markdown, without the line breaks of the source.
fn plain(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run by `cargo xtask gen` with `UPDATE_GENERATED=1`, which writes the page instead of comparing it.
    #[test]
    fn generated_configuration_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, reference()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "docs/reference/configuration.md is stale; run `cargo xtask gen`");
    }

    #[test]
    fn the_example_on_the_page_is_a_valid_configuration() {
        let page = reference();
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relatch.toml");
        std::fs::write(&file, example).unwrap();
        let inputs = super::super::Inputs { file: Some(file), ..Default::default() };
        assert_eq!(Config::load(&inputs).unwrap().config.sessions.idle_seconds, 604_800);
    }

    #[test]
    fn a_span_is_shown_in_the_largest_unit_that_divides_it() {
        let key = keys().into_iter().find(|key| key.path == "sessions.idle_seconds").unwrap();
        let words = |seconds: u64| in_words(&key, &Value::from(seconds));
        assert_eq!(words(86_400), " (1 day)");
        assert_eq!(words(1_209_600), " (14 days)");
        assert_eq!(words(3600), " (1 hour)");
        assert_eq!(words(900), " (15 minutes)");
        assert_eq!(words(30), "");
        assert_eq!(words(3601), "");
    }
}
