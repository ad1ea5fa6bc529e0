//! `relatch users`: create, import, list, disable, enable, delete, logout, remove-factors.

use super::print::{line, table};
use super::workshop::{BY_OPERATOR, Workshop};
use super::{Common, OpenStore, Users};
use crate::accounts::NewAccount;
use crate::email::EmailAddress;
use crate::wire_time::rfc3339;
use anyhow::Context;
use relatch_token::Secret;
use serde::Deserialize;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

pub(crate) fn run(common: &Common, command: Users, open_store: &OpenStore) -> anyhow::Result<()> {
    let workshop = Workshop::open(common, open_store)?;
    let wait = |key: &str| Workshop::user_key(key);
    match command {
        Users::Create { email, name, external_id, password_hash_stdin, verified } => {
            let secret = read_secret(if password_hash_stdin { "Password hash" } else { "Password" })?;
            let (password, imported_hash) =
                if password_hash_stdin { (None, Some(secret)) } else { (Some(secret), None) };
            let email = Some(EmailAddress::parse(&email)?);
            let by = BY_OPERATOR.to_owned();
            let new =
                NewAccount { email, is_verified: verified, name, external_id, password, imported_hash, by };
            let user = workshop.runtime.block_on(workshop.accounts().create(new))??;
            line(user.id);
        }
        Users::Import { file } => return import(&workshop, &file),
        Users::List { limit, after } => {
            let after = after.map(|id| id.parse()).transpose()?;
            let users = workshop.runtime.block_on(workshop.app.store.users(after, limit))?;
            let rows: Vec<_> = users
                .into_iter()
                .map(|user| {
                    let email = user.email.map(|email| email.address).unwrap_or_default();
                    let disabled = user.standing.disabled_at.map_or("-".to_owned(), rfc3339);
                    let external = user.external_id.unwrap_or_default();
                    [user.id.to_string(), email, external, rfc3339(user.created_at), disabled]
                })
                .collect();
            table(["ID", "EMAIL", "EXTERNAL ID", "CREATED", "DISABLED"], &rows);
        }
        Users::Disable { user } => {
            let ended = workshop.runtime.block_on(workshop.accounts().disable(&wait(&user)?, BY_OPERATOR))?;
            line(format!("disabled; {} sessions ended", ended.with_context(|| no_user(&user))?));
        }
        Users::Enable { user } => {
            let done = workshop.runtime.block_on(workshop.accounts().enable(&wait(&user)?, BY_OPERATOR))?;
            done.with_context(|| no_user(&user))?;
            line("enabled; the sessions from before stay ended");
        }
        Users::Delete { user } => {
            let key = wait(&user)?;
            let ended =
                workshop.runtime.block_on(workshop.accounts().delete_by_operator(&key, BY_OPERATOR))?;
            line(format!("deleted; {} sessions ended", ended.with_context(|| no_user(&user))?));
        }
        Users::RemoveFactors { user } => {
            let key = wait(&user)?;
            let removed = workshop.runtime.block_on(workshop.accounts().remove_factors(&key, BY_OPERATOR))?;
            line(format!("{} second factors removed", removed.with_context(|| no_user(&user))?));
        }
        Users::Logout { user } => {
            let key = wait(&user)?;
            let ended =
                workshop.runtime.block_on(workshop.accounts().log_out_everywhere(&key, BY_OPERATOR))?;
            line(format!("{} sessions ended", ended.with_context(|| no_user(&user))?));
        }
    }
    Ok(())
}

/// A user of another system, as a line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Imported {
    email: Option<String>,
    password_hash: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    verified: bool,
}

/// Imports line by line; a line that can't be is named and the others go on, so that it can be run again.
fn import(workshop: &Workshop, file: &Path) -> anyhow::Result<()> {
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| file.display().to_string())?)
    };
    let (mut made, mut refused) = (0u64, 0u64);
    for (index, text) in BufReader::new(input).lines().enumerate() {
        let text = Secret::new(text?);
        if text.expose().trim().is_empty() {
            continue;
        }
        match import_one(workshop, text.expose()) {
            Ok(()) => made += 1,
            Err(error) => {
                refused += 1;
                line(format!("line {}: {error}", index + 1));
            }
        }
    }
    line(format!("{made} users made, {refused} lines refused"));
    anyhow::ensure!(refused == 0, "{refused} lines were refused; mend them and run the import again");
    Ok(())
}

fn import_one(workshop: &Workshop, text: &str) -> anyhow::Result<()> {
    // The parser's message may quote the line, and the line holds a hash.
    let one: Imported = serde_json::from_str(text).map_err(|error| {
        anyhow::anyhow!("not a user in JSON, at column {} ({:?})", error.column(), error.classify())
    })?;
    anyhow::ensure!(one.email.is_some() || one.external_id.is_some(), "neither `email` nor `external_id`");
    let new = NewAccount {
        email: one.email.as_deref().map(EmailAddress::parse).transpose()?,
        is_verified: one.verified,
        name: one.name,
        external_id: one.external_id,
        password: None,
        imported_hash: one.password_hash.map(Secret::new),
        by: BY_OPERATOR.to_owned(),
    };
    workshop.runtime.block_on(workshop.accounts().create(new))??;
    Ok(())
}

/// Reads one line that must not stand in the shell's history.
fn read_secret(what: &str) -> anyhow::Result<Secret<String>> {
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!("{what}: "))?));
    }
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text)?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn no_user(text: &str) -> String {
    format!("there is no user `{text}`; `relatch users list` shows them")
}
