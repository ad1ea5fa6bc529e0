//! Revocations in the order in which they were written, for verifiers to follow.

use crate::error::{Fault, corrupt};
use relatch_store::{Cursor, FeedEntry, FeedSubject};
use relatch_token::{SessionId, Timestamp, UserId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

pub(crate) fn add(conn: &Connection, at: Timestamp, subject: &FeedSubject) -> Result<(), Fault> {
    let (kind, name, keep) = match subject {
        FeedSubject::Session(id) => (SESSION, Value::Blob(id.as_bytes().to_vec()), None),
        FeedSubject::User { user_id, keep } => {
            (USER, Value::Blob(user_id.as_bytes().to_vec()), keep.map(|id| *id.as_bytes()))
        }
        FeedSubject::Key(kid) => (KEY, Value::Text(kid.clone()), None),
    };
    conn.prepare_cached("INSERT INTO feed (at, kind, subject, keep) VALUES (?1, ?2, ?3, ?4)")?.execute((
        at.as_millis(),
        kind,
        name,
        keep,
    ))?;
    Ok(())
}

pub(crate) fn after(conn: &Connection, place: Cursor, limit: usize) -> Result<Vec<FeedEntry>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT cursor, at, kind, subject, keep FROM feed WHERE cursor > ?1 ORDER BY cursor LIMIT ?2",
    )?;
    let mut rows = select.query((cursor_to_sql(place), row_count(limit.min(PAGE_MAX))))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(read(row)?);
    }
    Ok(entries)
}

/// The newest place ever given, entries that have left included.
pub(crate) fn head(conn: &Connection) -> Result<Cursor, Fault> {
    let mut select = conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'feed'")?;
    let seq: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(cursor_from_sql(seq.unwrap_or(0)))
}

/// Places beyond what SQLite counts are after everything.
pub(crate) fn cursor_to_sql(place: Cursor) -> i64 {
    i64::try_from(place.0).unwrap_or(i64::MAX)
}

pub(crate) fn cursor_from_sql(number: i64) -> Cursor {
    Cursor(number.unsigned_abs())
}

/// A number of rows as SQL takes it.
pub(crate) fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>) -> Result<FeedEntry, Fault> {
    let subject = match row.get(2)? {
        SESSION => FeedSubject::Session(SessionId::from_bytes(row.get(3)?)),
        USER => FeedSubject::User {
            user_id: UserId::from_bytes(row.get(3)?),
            keep: row.get::<_, Option<[u8; 16]>>(4)?.map(SessionId::from_bytes),
        },
        KEY => FeedSubject::Key(row.get(3)?),
        kind => return Err(corrupt(format!("{kind} is no kind of revocation")).into()),
    };
    let at = Timestamp::from_millis(row.get(1)?);
    Ok(FeedEntry { cursor: cursor_from_sql(row.get(0)?), at, subject })
}

const SESSION: i64 = 0;
const USER: i64 = 1;
const KEY: i64 = 2;
/// Who wants more asks again.
const PAGE_MAX: usize = 10_000;
