//! Users in SQL: made, listed, their password, coming back.

use crate::error::Fault;
use crate::feed::row_count;
use crate::user_row::user_columns;
use crate::{events, factors, links, user_row};
use relatch_core::RevokeReason;
use relatch_store::{CreateUser, NewEvent, NewUser, PasswordHash, StoreError, User};
use relatch_token::{Timestamp, UserId};
use rusqlite::{Connection, named_params};

pub(crate) fn create(conn: &Connection, new: &NewUser) -> Result<CreateUser, Fault> {
    let user = &new.user;
    let email = user.email.as_ref();
    let is_taken = |sql: &str, name: &str| -> Result<bool, Fault> {
        Ok(conn.prepare_cached(sql)?.query_row([name], |row| row.get(0))?)
    };
    if let Some(email) = email
        && is_taken("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = ?1)", &email.unique_key)?
    {
        return Ok(CreateUser::EmailTaken);
    }
    if let Some(name) = &user.external_id
        && is_taken("SELECT EXISTS (SELECT 1 FROM users WHERE external_id = ?1)", name)?
    {
        return Ok(CreateUser::ExternalIdTaken);
    }
    if user_row::key_of(conn, user.id)?.is_some() {
        return Err(StoreError::Unavailable("that user id is somebody's; draw another one".into()).into());
    }
    let moved = user.standing.moved;
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":id": &user.id.as_bytes()[..],
        ":email": email.map(|email| &email.address),
        ":email_key": email.map(|email| &email.unique_key),
        ":email_verified_at": email.and_then(|email| email.verified_at).map(|at| at.as_millis()),
        ":name": user.name,
        ":external_id": user.external_id,
        ":created_at": user.created_at.as_millis(),
        ":epoch": user.standing.not_before.0,
        ":moved_at": moved.map(|moved| moved.at.as_millis()),
        ":moved_reason": moved.map(|moved| moved.reason.number()),
        ":disabled_at": user.standing.disabled_at.map(|at| at.as_millis()),
        ":password": new.password.as_ref().map(|password| password.expose().as_str()),
    })?;
    events::add(conn, &new.event)?;
    if let Some((link, delivery)) = &new.welcome {
        links::post(conn, link, None, std::slice::from_ref(delivery))?;
    }
    Ok(CreateUser::Done)
}

/// Users in the order in which they were made; nobody after a user who isn't there.
pub(crate) fn list(conn: &Connection, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Fault> {
    let after = match after {
        None => 0,
        Some(last) => user_row::key_of(conn, last)?.unwrap_or(i64::MAX),
    };
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u WHERE u.key > ?1 AND u.deleted_at IS NULL ORDER BY u.key LIMIT ?2"
    );
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query((after, row_count(limit.min(PAGE_MAX))))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(user_row::read(row, 0)?);
    }
    Ok(users)
}

pub(crate) fn upgrade_password(
    conn: &Connection,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
    event: &NewEvent,
) -> Result<(), Fault> {
    let changed = conn
        .prepare_cached("UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2")?
        .execute((&user.as_bytes()[..], old.expose(), new.expose()))?;
    if changed == 1 { events::add(conn, event) } else { Ok(()) }
}

pub(crate) fn enable(conn: &Connection, user: UserId, event: &NewEvent) -> Result<(), Fault> {
    let changed = conn
        .prepare_cached("UPDATE users SET disabled_at = NULL WHERE id = ?1 AND disabled_at IS NOT NULL")?
        .execute([&user.as_bytes()[..]])?;
    if changed == 1 { events::add(conn, event) } else { Ok(()) }
}

/// Leaves of a user what their dead sessions and their events need: no more than an id. The caller moves the
/// epoch.
pub(crate) fn delete(conn: &Connection, user_key: i64, at: Timestamp) -> Result<(), Fault> {
    let at = at.as_millis();
    conn.prepare_cached("DELETE FROM links WHERE user_key = ?1")?.execute([user_key])?;
    conn.prepare_cached("DELETE FROM devices WHERE user_key = ?1")?.execute([user_key])?;
    conn.prepare_cached("DELETE FROM outbox WHERE user_key = ?1")?.execute([user_key])?;
    factors::forget(conn, user_key)?;
    conn.prepare_cached(FORGET_SESSIONS)?.execute((user_key, at, RevokeReason::UserDeleted.number()))?;
    conn.prepare_cached(FORGET_EVENTS)?.execute([user_key])?;
    conn.prepare_cached(FORGET_USER)?.execute((user_key, at))?;
    Ok(())
}

/// Removes what is left of users who were deleted before a time, where nothing speaks of them any more.
pub(crate) fn sweep(conn: &Connection, deleted_before: Timestamp, most: usize) -> Result<u64, Fault> {
    let left = conn.prepare_cached(SWEEP)?.execute((deleted_before.as_millis(), row_count(most)))?;
    Ok(left as u64)
}

const FORGET_SESSIONS: &str = concat!(
    "UPDATE sessions SET user_agent = NULL, device_name = NULL, claims = NULL, identity = ",
    crate::row::identity_without_address!(),
    ", revoked_at = coalesce(revoked_at, ?2), revoked_reason = coalesce(revoked_reason, ?3) WHERE user_key = ?1"
);
const FORGET_EVENTS: &str =
    "UPDATE events SET ip = NULL, user_agent = NULL, device_name = NULL WHERE user_key = ?1";
const FORGET_USER: &str = "
    UPDATE users SET email = NULL, email_key = NULL, email_verified_at = NULL, name = NULL, external_id = NULL,
        password = NULL, disabled_at = NULL, code_failures = 0, deleted_at = ?2
    WHERE key = ?1";
const SWEEP: &str = "
    DELETE FROM users WHERE key IN (
        SELECT u.key FROM users u
        WHERE u.deleted_at < ?1
            AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_key = u.key)
            AND NOT EXISTS (SELECT 1 FROM events e WHERE e.user_key = u.key)
        LIMIT ?2
    )";
const INSERT: &str = "
    INSERT INTO users (id, email, email_key, email_verified_at, name, external_id, created_at, epoch, moved_at,
        moved_reason, disabled_at, password)
    VALUES (:id, :email, :email_key, :email_verified_at, :name, :external_id, :created_at, :epoch, :moved_at,
        :moved_reason, :disabled_at, :password)";
/// Who wants more asks again.
const PAGE_MAX: usize = 1_000;
