//! The audit: written with what it tells of, read by the page.

use crate::dictionary::{Cache, USER_AGENTS};
use crate::error::{Fault, corrupt};
use crate::feed::row_count;
use crate::feed::{cursor_from_sql, cursor_to_sql};
use crate::row::{IdParts, pack_ip, unpack_ip};
use crate::user_row;
use relatch_core::{EventKind, Origin};
use relatch_store::{Cursor, Event, NewEvent};
use relatch_token::{SessionId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// What [`read`] needs; a condition follows.
macro_rules! event_select {
    () => {
        "SELECT e.cursor, e.kind, e.at, e.session, e.ip, e.user_agent, e.device_name, e.reason, u.id \
         FROM events e CROSS JOIN users u ON u.key = e.user_key WHERE "
    };
}

/// Adds an event of a user who is there.
pub(crate) fn add(conn: &Connection, event: &NewEvent) -> Result<(), Fault> {
    let Some(user_key) = user_row::living_key_of(conn, event.user_id)? else { return Ok(()) };
    // Not interned: an event may be caused by strangers, who could fill the dictionary.
    let user_agent =
        event.origin.user_agent.as_deref().map(|text| USER_AGENTS.find(conn, text)).transpose()?;
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":user_key": user_key,
        ":kind": event.kind.number(),
        ":at": event.at.as_millis(),
        ":session": event.session_id.map(|id| *id.as_bytes()),
        ":ip": event.origin.ip.map(pack_ip),
        ":user_agent": user_agent,
        ":device_name": event.origin.device_name,
        ":reason": event.reason,
    })?;
    Ok(())
}

/// Whose events to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everybody,
    User(i64),
    /// There is no such user.
    Nobody,
}

impl Scope {
    /// Where to look for events of that user or session. A session is looked up through its user, as long as
    /// its row is kept; after that among everybody's.
    pub(crate) fn find(
        conn: &Connection,
        user: Option<UserId>,
        session: Option<SessionId>,
    ) -> Result<Self, Fault> {
        if let Some(user) = user {
            return Ok(user_row::key_of(conn, user)?.map_or(Self::Nobody, Self::User));
        }
        let Some(session) = session else { return Ok(Self::Everybody) };
        let parts = IdParts::of(session);
        let sql = "SELECT user_key FROM sessions WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2";
        let user_key = conn
            .prepare_cached(sql)?
            .query_row((parts.start, &parts.rest[..]), |row| row.get(0))
            .optional()?;
        Ok(user_key.map_or(Self::Everybody, Self::User))
    }
}

/// At most `limit` events before a place, the newest first.
pub(crate) fn before(
    conn: &Connection,
    scope: Scope,
    place: Option<Cursor>,
    limit: usize,
    cache: &Cache,
) -> Result<Vec<Event>, Fault> {
    macro_rules! page {
        ($condition:literal) => {
            concat!(event_select!(), $condition, " AND e.cursor < ?1 ORDER BY e.cursor DESC LIMIT ?2")
        };
    }
    let place = place.map_or(i64::MAX, cursor_to_sql);
    let mut select = match scope {
        Scope::Nobody => return Ok(Vec::new()),
        Scope::Everybody => conn.prepare_cached(page!("?3 IS NULL"))?,
        Scope::User(_) => conn.prepare_cached(page!("e.user_key = ?3"))?,
    };
    let user_key = if let Scope::User(key) = scope { Some(key) } else { None };
    let mut rows = select.query((place, row_count(limit), user_key))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read(conn, row, cache)?);
    }
    Ok(events)
}

/// At most `limit` events after a place, the oldest first.
pub(crate) fn after(
    conn: &Connection,
    place: Cursor,
    limit: usize,
    cache: &Cache,
) -> Result<Vec<Event>, Fault> {
    let sql = concat!(event_select!(), "e.cursor > ?1 ORDER BY e.cursor LIMIT ?2");
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query((cursor_to_sql(place), row_count(limit)))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read(conn, row, cache)?);
    }
    Ok(events)
}

fn read(conn: &Connection, row: &Row<'_>, cache: &Cache) -> Result<Event, Fault> {
    let number: u8 = row.get(1)?;
    let kind =
        EventKind::from_number(number).ok_or_else(|| corrupt(format!("{number} is no kind of event")))?;
    let ip = row.get_ref(4)?.as_blob_or_null().map_err(corrupt)?.map(unpack_ip).transpose()?;
    let event = NewEvent {
        kind,
        at: Timestamp::from_millis(row.get(2)?),
        user_id: user_row::read_id(row, 8)?,
        session_id: row.get::<_, Option<[u8; 16]>>(3)?.map(SessionId::from_bytes),
        origin: Origin { ip, user_agent: cache.user_agent(conn, row.get_ref(5)?)?, device_name: row.get(6)? },
        reason: row.get(7)?,
    };
    Ok(Event { cursor: cursor_from_sql(row.get(0)?), event })
}

const INSERT: &str = "
    INSERT INTO events (user_key, kind, at, session, ip, user_agent, device_name, reason)
    VALUES (:user_key, :kind, :at, :session, :ip, :user_agent, :device_name, :reason)";
