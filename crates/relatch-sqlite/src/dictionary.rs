//! Dictionaries: texts that many rows share, kept once and named by a number.
//!
//! Entries are only ever added, so what was read once stays true. A dictionary that is full takes no more,
//! and rows carry such texts themselves: larger, never wrong.

use crate::error::{Fault, corrupt};
use crate::profile::Profile;
use relatch_store::StoreError;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A dictionary's statements and bound.
pub(crate) struct Dictionary {
    find: &'static str,
    add: &'static str,
    text: &'static str,
    entries_max: i64,
}

/// What sessions share.
pub(crate) const PROFILES: Dictionary = Dictionary {
    find: "SELECT id FROM profiles WHERE text = ?1",
    add: "INSERT INTO profiles (text) SELECT ?1 WHERE (SELECT coalesce(max(id), 0) FROM profiles) < ?2",
    text: "SELECT text FROM profiles WHERE id = ?1",
    entries_max: 1024,
};

/// `User-Agent` headers. Strangers choose them, hence the bound; a few hundred cover nearly all people.
pub(crate) const USER_AGENTS: Dictionary = Dictionary {
    find: "SELECT id FROM user_agents WHERE text = ?1",
    add: "INSERT INTO user_agents (text) SELECT ?1 WHERE (SELECT coalesce(max(id), 0) FROM user_agents) < ?2",
    text: "SELECT text FROM user_agents WHERE id = ?1",
    entries_max: 4096,
};

impl Dictionary {
    /// The text's number, made where there is none; the text itself where there is no room.
    pub(crate) fn intern(&self, conn: &Connection, text: &str) -> rusqlite::Result<Value> {
        if let Value::Integer(id) = self.find(conn, text)? {
            return Ok(Value::Integer(id));
        }
        let added = conn.prepare_cached(self.add)?.execute((text, self.entries_max))?;
        Ok(if added == 1 { Value::Integer(conn.last_insert_rowid()) } else { Value::Text(text.to_owned()) })
    }

    /// The text's number where it has one, else the text itself: for rows that strangers can cause.
    pub(crate) fn find(&self, conn: &Connection, text: &str) -> rusqlite::Result<Value> {
        let id: Option<i64> =
            conn.prepare_cached(self.find)?.query_row([text], |row| row.get(0)).optional()?;
        Ok(id.map_or_else(|| Value::Text(text.to_owned()), Value::Integer))
    }

    fn text(&self, conn: &Connection, id: i64) -> Result<String, Fault> {
        let text = conn.prepare_cached(self.text)?.query_row([id], |row| row.get(0)).optional()?;
        text.ok_or_else(|| corrupt(format!("entry {id} of a dictionary is missing")).into())
    }
}

/// Entries that were read before. Only for what was committed: a number whose writing was rolled back may
/// come to mean another text.
#[derive(Default)]
pub(crate) struct Cache {
    profiles: RwLock<HashMap<i64, Arc<Profile>>>,
    user_agents: RwLock<HashMap<i64, Arc<str>>>,
}

impl Cache {
    pub(crate) fn profile(&self, conn: &Connection, value: ValueRef<'_>) -> Result<Arc<Profile>, Fault> {
        match value {
            ValueRef::Integer(id) => {
                remembered(&self.profiles, id, || Ok(Arc::new(Profile::parse(&PROFILES.text(conn, id)?)?)))
            }
            ValueRef::Text(text) => Ok(Arc::new(Profile::parse(utf8(text)?)?)),
            _ => Err(corrupt("a session's profile is neither a number nor a text").into()),
        }
    }

    pub(crate) fn user_agent(&self, conn: &Connection, value: ValueRef<'_>) -> Result<Option<String>, Fault> {
        match value {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(id) => {
                let text = remembered(&self.user_agents, id, || USER_AGENTS.text(conn, id).map(Arc::from))?;
                Ok(Some(text.as_ref().to_owned()))
            }
            ValueRef::Text(text) => Ok(Some(utf8(text)?.to_owned())),
            _ => Err(corrupt("a user agent is neither a number nor a text").into()),
        }
    }
}

fn remembered<T: ?Sized>(
    cache: &RwLock<HashMap<i64, Arc<T>>>,
    id: i64,
    read: impl FnOnce() -> Result<Arc<T>, Fault>,
) -> Result<Arc<T>, Fault> {
    if let Some(known) = cache.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(Arc::clone(known));
    }
    let entry = read()?;
    cache.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&entry));
    Ok(entry)
}

fn utf8(text: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(text).map_err(|_| corrupt("a text is not UTF-8"))
}
