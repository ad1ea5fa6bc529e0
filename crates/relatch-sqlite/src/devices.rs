//! Devices in SQL: met at a login, seen for the last time when a session ends, named and forgotten.

use crate::dictionary::{Cache, USER_AGENTS};
use crate::error::Fault;
use crate::feed::row_count;
use crate::row::IdParts;
use crate::sessions::{self, each_of};
use crate::{events, user_row};
use relatch_core::Session;
use relatch_store::{DEVICES_PER_USER_MAX, Device, ForgetDevice, RenameDevice};
use relatch_token::{DeviceHash, DeviceId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// What [`read`] needs of a device, in its order.
macro_rules! select {
    () => {
        "SELECT d.id, d.hash, d.name, d.is_renamed, d.user_agent, d.first_seen_at, d.last_seen_at, d.expires_at \
         FROM users u CROSS JOIN devices d ON d.user_key = u.key"
    };
}

pub(crate) fn find(
    conn: &Connection,
    user: UserId,
    hash: DeviceHash,
    cache: &Cache,
) -> Result<Option<Device>, Fault> {
    let mut select = conn.prepare_cached(concat!(select!(), " WHERE u.id = ?1 AND d.hash = ?2"))?;
    let mut rows = select.query((&user.as_bytes()[..], &hash.0[..]))?;
    rows.next()?.map(|row| read(conn, row, cache)).transpose()
}

/// The devices of a user, the last seen first.
pub(crate) fn list(conn: &Connection, user: UserId, cache: &Cache) -> Result<Vec<Device>, Fault> {
    let sql = concat!(select!(), " WHERE u.id = ?1 ORDER BY d.last_seen_at DESC, d.id");
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query([&user.as_bytes()[..]])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        devices.push(read(conn, row, cache)?);
    }
    Ok(devices)
}

/// A session has begun on a device, known or new.
pub(crate) fn meet(
    conn: &Connection,
    user_key: i64,
    session: &Session,
    id: Option<DeviceId>,
) -> Result<(), Fault> {
    let (Some(hash), Some(id)) = (session.device, id) else { return Ok(()) };
    let user_agent = session.origin.user_agent.as_deref();
    let user_agent = user_agent.map(|text| USER_AGENTS.intern(conn, text)).transpose()?;
    let known = conn.prepare_cached(MEET_AGAIN)?.execute(named_params! {
        ":user_key": user_key,
        ":hash": &hash.0[..],
        ":name": session.origin.device_name,
        ":user_agent": user_agent,
        ":at": session.created_at().as_millis(),
        ":expires_at": session.lifetime.expires_at.as_millis(),
    })?;
    if known > 0 {
        return Ok(());
    }
    let count: u32 = conn
        .prepare_cached("SELECT count(*) FROM devices WHERE user_key = ?1")?
        .query_row([user_key], |row| row.get(0))?;
    if count as usize >= DEVICES_PER_USER_MAX {
        conn.prepare_cached(FORGET_LEAST)?.execute([user_key])?;
    }
    conn.prepare_cached(MEET)?.execute(named_params! {
        ":user_key": user_key,
        ":hash": &hash.0[..],
        ":id": &id.as_bytes()[..],
        ":name": session.origin.device_name,
        ":user_agent": user_agent,
        ":at": session.created_at().as_millis(),
        ":expires_at": session.lifetime.expires_at.as_millis(),
    })?;
    Ok(())
}

/// A session ends: this is the last that was heard of it.
pub(crate) fn see(
    conn: &Connection,
    user_key: i64,
    device: Option<DeviceHash>,
    at: Timestamp,
) -> Result<(), Fault> {
    if let Some(hash) = device {
        let sql = "UPDATE devices SET last_seen_at = max(last_seen_at, ?3) WHERE user_key = ?1 AND hash = ?2";
        conn.prepare_cached(sql)?.execute((user_key, &hash.0[..], at.as_millis()))?;
    }
    Ok(())
}

pub(crate) fn rename(conn: &Connection, rename: &RenameDevice) -> Result<bool, Fault> {
    let RenameDevice { user_id, device_id, name, event } = rename;
    let Some(found) = sessions_of(conn, *user_id, *device_id, event.at)? else { return Ok(false) };
    for session in &found.live {
        let parts = IdParts::of(session.id);
        let sql = "UPDATE sessions SET device_name = ?3 WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2";
        conn.prepare_cached(sql)?.execute((parts.start, &parts.rest[..], name))?;
    }
    if let Some(key) = found.key {
        let sql = "UPDATE devices SET name = ?2, is_renamed = 1 WHERE key = ?1";
        conn.prepare_cached(sql)?.execute((key, name))?;
    }
    events::add(conn, event)?;
    Ok(true)
}

pub(crate) fn forget(conn: &Connection, forget: &ForgetDevice) -> Result<Option<u64>, Fault> {
    let Some(found) = sessions_of(conn, forget.user_id, forget.device_id, forget.event.at)? else {
        return Ok(None);
    };
    for session in &found.live {
        let (revocation, event) = forget.end_of(session);
        sessions::revoke(conn, session.id, session.version, revocation)?;
        events::add(conn, &event)?;
    }
    if let Some(key) = found.key {
        conn.prepare_cached("DELETE FROM devices WHERE key = ?1")?.execute([key])?;
    }
    events::add(conn, &forget.event)?;
    Ok(Some(found.live.len() as u64))
}

/// Removes devices all of whose sessions had to be over before a time.
pub(crate) fn sweep(conn: &Connection, expired_before: Timestamp, most: usize) -> Result<u64, Fault> {
    let sql = "DELETE FROM devices WHERE key IN (SELECT key FROM devices WHERE expires_at < ?1 LIMIT ?2)";
    Ok(conn.prepare_cached(sql)?.execute((expired_before.as_millis(), row_count(most)))? as u64)
}

/// A device, and its live sessions.
struct Found {
    /// Its row; none for a session that is a device by itself.
    key: Option<i64>,
    live: Vec<Session>,
}

fn sessions_of(
    conn: &Connection,
    user: UserId,
    id: DeviceId,
    now: Timestamp,
) -> Result<Option<Found>, Fault> {
    let Some(user_key) = user_row::living_key_of(conn, user)? else { return Ok(None) };
    let known: Option<(i64, [u8; 8])> = conn
        .prepare_cached("SELECT key, hash FROM devices WHERE user_key = ?1 AND id = ?2")?
        .query_row((user_key, &id.as_bytes()[..]), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut live = Vec::new();
    // A cache of its own: this transaction may see entries that are never committed.
    each_of(conn, user, &Cache::default(), |session, standing| {
        let is_its = match known {
            Some((_, hash)) => session.device == Some(DeviceHash(hash)),
            None => DeviceId::of_session(session.id) == id,
        };
        if is_its && session.check(standing, now).is_ok() {
            live.push(session);
        }
        true
    })?;
    if let Some((key, _)) = known {
        return Ok(Some(Found { key: Some(key), live }));
    }
    let Some(session) = live.first() else { return Ok(None) };
    let is_by_itself = match session.device {
        Some(hash) => find(conn, user, hash, &Cache::default())?.is_none(),
        None => true,
    };
    Ok(is_by_itself.then_some(Found { key: None, live }))
}

fn read(conn: &Connection, row: &Row<'_>, cache: &Cache) -> Result<Device, Fault> {
    let time = |column| row.get(column).map(Timestamp::from_millis);
    Ok(Device {
        id: DeviceId::from_bytes(row.get(0)?),
        hash: DeviceHash(row.get(1)?),
        name: row.get(2)?,
        is_renamed: row.get(3)?,
        user_agent: cache.user_agent(conn, row.get_ref(4)?)?,
        first_seen_at: time(5)?,
        last_seen_at: time(6)?,
        expires_at: time(7)?,
    })
}

const MEET_AGAIN: &str = "
    UPDATE devices SET last_seen_at = max(last_seen_at, :at), expires_at = max(expires_at, :expires_at),
        name = CASE WHEN is_renamed THEN name ELSE coalesce(:name, name) END,
        user_agent = coalesce(:user_agent, user_agent)
    WHERE user_key = :user_key AND hash = :hash";
const MEET: &str = "
    INSERT INTO devices (user_key, hash, id, name, user_agent, first_seen_at, last_seen_at, expires_at)
    VALUES (:user_key, :hash, :id, :name, :user_agent, :at, :at, :expires_at)";
const FORGET_LEAST: &str = "
    DELETE FROM devices WHERE key =
        (SELECT key FROM devices WHERE user_key = ?1 ORDER BY last_seen_at, id LIMIT 1)";
