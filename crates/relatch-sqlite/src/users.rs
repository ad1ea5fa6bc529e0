//! Users in SQL: made, listed, their password, coming back.

use crate::error::Fault;
use crate::feed::row_count;
use crate::user_row::user_columns;
use crate::{events, user_row};
use relatch_store::{CreateUser, NewEvent, NewUser, PasswordHash, StoreError, User};
use relatch_token::UserId;
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
    Ok(CreateUser::Done)
}

/// Users in the order in which they were made; nobody after a user who isn't there.
pub(crate) fn list(conn: &Connection, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Fault> {
    let after = match after {
        None => 0,
        Some(last) => user_row::key_of(conn, last)?.unwrap_or(i64::MAX),
    };
    let sql = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.key > ?1 ORDER BY u.key LIMIT ?2");
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

const INSERT: &str = "
    INSERT INTO users (id, email, email_key, email_verified_at, name, external_id, created_at, epoch, moved_at,
        moved_reason, disabled_at, password)
    VALUES (:id, :email, :email_key, :email_verified_at, :name, :external_id, :created_at, :epoch, :moved_at,
        :moved_reason, :disabled_at, :password)";
/// Who wants more asks again.
const PAGE_MAX: usize = 1_000;
