//! The sweep: looks for the dead on a reading connection, removes them in short writes.

use crate::dictionary::Cache;
use crate::error::Fault;
use crate::feed::row_count;
use crate::session_row::{self, SESSION_COLUMNS, session_columns};
use crate::user_row::{self, standing_columns};
use relatch_core::{Session, Standing, State};
use relatch_store::{SweepOrder, UNREAD_KEPT};
use relatch_token::Timestamp;
use rusqlite::{Connection, Row};

/// A session, its user's standing, and its row's number.
macro_rules! sweep_sql {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            standing_columns!(),
            ", s.key FROM sessions s CROSS JOIN users u ON u.key = s.user_key WHERE ",
            $condition
        )
    };
}

/// Some rows that were looked at.
pub(crate) struct Looked {
    /// The rows of sessions that are long dead.
    pub(crate) dead: Vec<i64>,
    /// How many rows were looked at.
    pub(crate) rows: usize,
    /// The last of them.
    pub(crate) last: i64,
}

/// Looks at `rows` sessions behind the row `after`, in the order of their making.
pub(crate) fn look(
    conn: &Connection,
    after: i64,
    rows: usize,
    dead_before: Timestamp,
    cache: &Cache,
) -> Result<Looked, Fault> {
    let mut select = conn.prepare_cached(sweep_sql!("s.key > ?1 ORDER BY s.key LIMIT ?2"))?;
    let mut found = select.query((after, row_count(rows)))?;
    let mut looked = Looked { dead: Vec::new(), rows: 0, last: after };
    while let Some(row) = found.next()? {
        looked.rows += 1;
        looked.last = row.get(KEY_COLUMN)?;
        if died_at(conn, row, cache)? < dead_before {
            looked.dead.push(looked.last);
        }
    }
    Ok(looked)
}

/// Removes those of `keys` that are dead still: SQLite may have given a row's number to a newer session.
pub(crate) fn remove(conn: &Connection, keys: &[i64], dead_before: Timestamp) -> Result<u64, Fault> {
    // A cache of its own: this transaction may see entries that are never committed.
    let cache = Cache::default();
    let mut select = conn.prepare_cached(sweep_sql!("s.key = ?1"))?;
    let mut delete = conn.prepare_cached("DELETE FROM sessions WHERE key = ?1")?;
    let mut removed = 0;
    for key in keys {
        let mut found = select.query([key])?;
        let is_dead = match found.next()? {
            Some(row) => died_at(conn, row, &cache)? < dead_before,
            None => false,
        };
        drop(found);
        if is_dead {
            removed += delete.execute([key])? as u64;
        }
    }
    Ok(removed)
}

/// Removes old ones among the `most` oldest events. What a follower has not read stays longer.
pub(crate) fn remove_events(conn: &Connection, order: &SweepOrder, most: usize) -> Result<u64, Fault> {
    let sql = "DELETE FROM events WHERE cursor IN (SELECT cursor FROM events ORDER BY cursor LIMIT ?2)
                   AND at < CASE WHEN cursor > (SELECT min(mark) FROM followers) THEN ?3 ELSE ?1 END";
    let (before, unread_before) = (order.events_before, order.events_before - UNREAD_KEPT);
    Ok(conn.prepare_cached(sql)?.execute((before.as_millis(), row_count(most), unread_before.as_millis()))?
        as u64)
}

/// Removes old ones among the `most` oldest feed entries.
pub(crate) fn remove_feed(conn: &Connection, order: &SweepOrder, most: usize) -> Result<u64, Fault> {
    let sql =
        "DELETE FROM feed WHERE cursor IN (SELECT cursor FROM feed ORDER BY cursor LIMIT ?2) AND at < ?1";
    Ok(conn.prepare_cached(sql)?.execute((order.feed_before.as_millis(), row_count(most)))? as u64)
}

fn died_at(conn: &Connection, row: &Row<'_>, cache: &Cache) -> Result<Timestamp, Fault> {
    let standing = user_row::read_standing(row, SESSION_COLUMNS)?;
    let session = session_row::read(conn, row, user_row::read_id(row, SESSION_COLUMNS)?, cache)?;
    Ok(end_of(&session, &standing))
}

/// When a session ended or will end, as far as is known now.
fn end_of(session: &Session, user: &Standing) -> Timestamp {
    let by_itself = match session.state {
        State::Live => None,
        State::Revoked(revocation) => Some(revocation.at),
    };
    let by_user = user.ended(session.epoch).map(|revocation| revocation.at);
    [by_itself, by_user].into_iter().flatten().fold(session.idle_expires_at(), Timestamp::min)
}

const KEY_COLUMN: usize = SESSION_COLUMNS + 5;
