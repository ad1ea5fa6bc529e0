//! Configurations: whatever an operator writes, there is no panic, and no message shows the secret that he wrote.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch_fuzz::text;
use relatch_server::config::{Config, Inputs, LoadedConfig};
use relatch_server::keys::parse_master_keys;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;
use toml::{Table, Value};

// The lines before the first `---` are variables of the environment, what follows is `relatch.toml`; the first
// byte says where a secret is planted.
fuzz_target!(|input: (u8, &[u8])| {
    let (place, text) = (input.0, text(input.1));
    if text.contains(SECRET) {
        return;
    }
    let (variables, toml) = text.split_once("---\n").unwrap_or(("", &text));
    let mut environment: Vec<(String, String)> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        // A path may name anything on this machine, even what never ends.
        .filter(|(name, _)| *name != "RELATCH_CONFIG")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (_, value) in &environment {
        for keys in [format!("{value}{SECRET}"), format!("{SECRET}{value}")] {
            assert_hidden(&parse_master_keys(&keys));
        }
    }
    let is_in_environment = place & 0x80 != 0;
    if is_in_environment {
        environment.push(("RELATCH_MASTER_KEY".to_owned(), SECRET.to_owned()));
    }
    std::fs::write(&*FILE, planted(place & 0x7f, toml)).expect("the file of this target");
    let loaded = Config::load(&Inputs { file: Some(FILE.clone()), environment, ..Inputs::default() });
    assert_hidden(&loaded);
    match &loaded {
        Ok(loaded) => assert_hidden(&explained(loaded)),
        Err(error) => assert_hidden(&error.to_string()),
    }
});

fn explained(loaded: &LoadedConfig) -> String {
    let json = serde_json::to_string(&loaded.config).expect("a configuration is made of what JSON knows");
    format!("{:?}{json}", loaded.explain())
}

fn assert_hidden(shown: &impl std::fmt::Debug) {
    let shown = format!("{shown:?}");
    assert!(!shown.contains(SECRET), "{shown}");
}

/// The file with the secret in one of the places where it belongs, or near them: of the wrong type, in place of a
/// whole table, or in whatever table came last.
fn planted(place: u8, toml: &str) -> String {
    let Ok(mut table) = toml.parse::<Table>() else { return appended(toml) };
    let secret = Value::from(SECRET);
    let odd = match place / 4 % 4 {
        0 | 1 => secret,
        2 => Value::Array(vec![secret]),
        _ => Value::Table(Table::from_iter([("value".to_owned(), secret)])),
    };
    match place % 4 {
        0 => return appended(toml),
        1 => within(&mut table, "keys").insert("master_key".to_owned(), odd),
        2 => table.insert(if place & 0x40 == 0 { "keys" } else { "clients" }.to_owned(), odd),
        _ => {
            let clients = table.get_mut("clients").and_then(Value::as_array_mut).into_iter().flatten();
            for client in clients.filter_map(Value::as_table_mut) {
                client.insert("secret_hash".to_owned(), odd.clone());
            }
            None
        }
    };
    table.to_string()
}

fn appended(toml: &str) -> String {
    format!("{toml}\nmaster_key = \"{SECRET}\"\n")
}

/// The table of that name, made where something else stands.
fn within<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    let value = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    if !value.is_table() {
        *value = Value::Table(Table::new());
    }
    value.as_table_mut().expect("made a table above")
}

const SECRET: &str = "xyzzySesameQ7w3";
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));
static FILE: LazyLock<PathBuf> = LazyLock::new(|| FOLDER.path().join("relatch.toml"));
