//! Sessions in SQL: load, compare-and-swap, create, list. The hot path of a refresh is `load` and
//! `move_head`, one statement each.

use crate::dictionary::Cache;
use crate::error::Fault;
use crate::row::{IdParts, Identity, pack_head, pack_version, unpack_head};
use crate::session_row::{self, SESSION_COLUMNS, session_columns};
use crate::user_row::{self, standing_columns, user_columns};
use crate::{devices, events, feed};
use relatch_core::{Head, Revocation, Session, Standing, Update, Version};
use relatch_store::{
    Change, Commit, CreateSession, FeedSubject, Leaving, Loaded, NewEvent, NewSession, Room,
};
use relatch_token::{SessionId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension};

pub(crate) fn load(conn: &Connection, id: SessionId, cache: &Cache) -> Result<Option<Loaded>, Fault> {
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM sessions s CROSS JOIN users u ON u.key = s.user_key ",
        "WHERE s.id_start = ?1 AND substr(s.identity, 1, 10) = ?2"
    );
    let parts = IdParts::of(id);
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query((parts.start, &parts.rest[..]))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let user = user_row::read(row, SESSION_COLUMNS)?;
    let session = session_row::read(conn, row, user.id, cache)?;
    Ok(Some(Loaded { session, user }))
}

/// Any change but the plain moving of a head.
pub(crate) fn commit(conn: &Connection, change: &Change) -> Result<Commit, Fault> {
    let outcome = match change.update {
        Update::MoveHead(head) => move_head(conn, change.session_id, change.expected, &head)?,
        Update::Revoke(revocation) => revoke(conn, change.session_id, change.expected, revocation)?,
    };
    if outcome == Commit::Done
        && let Some(event) = &change.event
    {
        events::add(conn, event)?;
    }
    Ok(outcome)
}

/// Moves the head of a live session that has the expected version and whose user has not ended it meanwhile:
/// ending all of a user's sessions doesn't touch their rows, so the version alone would not tell.
pub(crate) fn move_head(
    conn: &Connection,
    id: SessionId,
    expected: Version,
    head: &Head,
) -> Result<Commit, Fault> {
    // No row has a version that doesn't fit a row.
    let Ok(packed) = pack_version(expected) else { return Ok(Commit::Conflict) };
    let (parts, next) = (IdParts::of(id), Version(expected.0 + 1));
    let changed = conn.prepare_cached(MOVE_HEAD)?.execute((
        parts.start,
        &parts.rest[..],
        &packed[..],
        &pack_head(next, head)?[..],
    ))?;
    Ok(if changed == 1 { Commit::Done } else { Commit::Conflict })
}

pub(crate) fn revoke(
    conn: &Connection,
    id: SessionId,
    expected: Version,
    revocation: Revocation,
) -> Result<Commit, Fault> {
    let parts = IdParts::of(id);
    let found: Option<(i64, Vec<u8>, i64, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT key, head, user_key, identity FROM sessions
             WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2 AND revoked_at IS NULL",
        )?
        .query_row((parts.start, &parts.rest[..]), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((key, head, user_key, identity)) = found else { return Ok(Commit::Conflict) };
    let (version, head) = unpack_head(&head)?;
    if version != expected {
        return Ok(Commit::Conflict);
    }
    conn.prepare_cached(
        "UPDATE sessions SET head = ?2, revoked_at = ?3, revoked_reason = ?4 WHERE key = ?1",
    )?
    .execute((
        key,
        &pack_head(Version(version.0 + 1), &head)?[..],
        revocation.at.as_millis(),
        revocation.reason.number(),
    ))?;
    devices::see(conn, user_key, Identity::unpack(parts.start, &identity)?.device, head.at)?;
    feed::add(conn, revocation.at, &FeedSubject::Session(id))?;
    Ok(Commit::Done)
}

pub(crate) fn create(conn: &Connection, new: &NewSession) -> Result<CreateSession, Fault> {
    let session = &new.session;
    let Some((user_key, standing)) = user_row::standing_of(conn, session.user_id)? else {
        return Ok(CreateSession::Conflict);
    };
    let is_welcome = standing.disabled_at.is_none() && standing.not_before == session.epoch;
    if !is_welcome || exists(conn, session.id)? {
        return Ok(CreateSession::Conflict);
    }
    if let Some(room) = new.room
        && !room.is_sure_beside(count_unrevoked(conn, user_key, &standing)?)
    {
        let Some(leaving) = who_leaves(conn, &room, new)? else { return Ok(CreateSession::Full) };
        for one in &leaving {
            make_leave(conn, one, &new.event)?;
        }
    }
    session_row::insert(conn, user_key, session)?;
    devices::meet(conn, user_key, session, new.device_id)?;
    events::add(conn, &new.event)?;
    Ok(CreateSession::Done)
}

/// The sessions of a user that have not ended but by time: no fewer than live. The index alone answers.
fn count_unrevoked(conn: &Connection, user_key: i64, standing: &Standing) -> Result<u32, Fault> {
    let sql = "SELECT count(*) FROM sessions WHERE user_key = ?1 AND revoked_at IS NULL AND epoch >= ?2";
    let mut count = conn.prepare_cached(sql)?;
    Ok(count.query_row((user_key, standing.not_before.0), |row| row.get(0))?)
}

fn who_leaves(conn: &Connection, room: &Room, new: &NewSession) -> Result<Option<Vec<Leaving>>, Fault> {
    // A cache of its own: this transaction may see entries that are never committed.
    let live = list(conn, new.session.user_id, new.event.at, usize::MAX, &Cache::default())?;
    Ok(room.clear(&new.session, live))
}

fn make_leave(conn: &Connection, leaving: &Leaving, beginning: &NewEvent) -> Result<(), Fault> {
    let session = &leaving.session;
    revoke(conn, session.id, session.version, leaving.revocation(beginning))?;
    events::add(conn, &leaving.event(beginning))
}

pub(crate) fn list(
    conn: &Connection,
    user: UserId,
    now: Timestamp,
    limit: usize,
    cache: &Cache,
) -> Result<Vec<Session>, Fault> {
    let mut live = Vec::new();
    if limit > 0 {
        each_of(conn, user, cache, |session, standing| {
            if session.check(standing, now).is_ok() {
                live.push(session);
            }
            live.len() < limit
        })?;
    }
    Ok(live)
}

/// The sessions of a user that have not ended but by time, the newest first, until `visit` has seen enough.
pub(crate) fn each_of(
    conn: &Connection,
    user: UserId,
    cache: &Cache,
    mut visit: impl FnMut(Session, &Standing) -> bool,
) -> Result<(), Fault> {
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        ", ",
        standing_columns!(),
        " FROM users u CROSS JOIN sessions s ON s.user_key = u.key ",
        "WHERE u.id = ?1 AND s.revoked_at IS NULL AND s.epoch >= u.epoch ORDER BY s.key DESC"
    );
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query([&user.as_bytes()[..]])?;
    while let Some(row) = rows.next()? {
        let standing = user_row::read_standing(row, SESSION_COLUMNS)?;
        if !visit(session_row::read(conn, row, user, cache)?, &standing) {
            break;
        }
    }
    Ok(())
}

fn exists(conn: &Connection, id: SessionId) -> Result<bool, Fault> {
    let parts = IdParts::of(id);
    let sql = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2)";
    Ok(conn.prepare_cached(sql)?.query_row((parts.start, &parts.rest[..]), |row| row.get(0))?)
}

const MOVE_HEAD: &str = "
    UPDATE sessions SET head = ?4
    WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2 AND substr(head, 1, 4) = ?3 AND revoked_at IS NULL
        AND EXISTS (
            SELECT 1 FROM users u
            WHERE u.key = sessions.user_key AND u.epoch <= sessions.epoch AND u.disabled_at IS NULL
        )";
