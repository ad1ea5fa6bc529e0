//! A user as SQL sees them: their columns, found and read.

use crate::error::Fault;
use crate::session_row::read_revocation;
use relatch_core::{Epoch, Standing};
use relatch_store::{User, UserEmail, UserKey};
use relatch_token::{Timestamp, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql};

/// What [`read`] needs of a user, in its order.
macro_rules! user_columns {
    () => {
        "u.id, u.epoch, u.moved_at, u.moved_reason, u.disabled_at, u.email, u.email_key, u.email_verified_at, \
         u.name, u.external_id, u.created_at"
    };
}
/// The first of [`user_columns`], which are all that [`read_standing`] needs.
macro_rules! standing_columns {
    () => {
        "u.id, u.epoch, u.moved_at, u.moved_reason, u.disabled_at"
    };
}
pub(crate) use {standing_columns, user_columns};

/// How many columns [`user_columns`] are.
pub(crate) const USER_COLUMNS: usize = 11;

/// Reads a user from the columns of a row that begin at `first`.
pub(crate) fn read(row: &Row<'_>, first: usize) -> Result<User, Fault> {
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(first + column)?.map(Timestamp::from_millis))
    };
    let email = match (row.get(first + 5)?, row.get(first + 6)?) {
        (Some(address), Some(unique_key)) => Some(UserEmail { address, unique_key, verified_at: time(7)? }),
        _ => None,
    };
    Ok(User {
        id: read_id(row, first)?,
        email,
        name: row.get(first + 8)?,
        external_id: row.get(first + 9)?,
        created_at: Timestamp::from_millis(row.get(first + 10)?),
        standing: read_standing(row, first)?,
    })
}

pub(crate) fn read_standing(row: &Row<'_>, first: usize) -> Result<Standing, Fault> {
    Ok(Standing {
        not_before: Epoch(row.get(first + 1)?),
        moved: read_revocation(row, first + 2)?,
        disabled_at: row.get::<_, Option<i64>>(first + 4)?.map(Timestamp::from_millis),
    })
}

pub(crate) fn read_id(row: &Row<'_>, column: usize) -> Result<UserId, Fault> {
    Ok(UserId::from_bytes(row.get(column)?))
}

/// The number by which other tables know a user, deleted ones included.
pub(crate) fn key_of(conn: &Connection, id: UserId) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT key FROM users WHERE id = ?1")?;
    Ok(find.query_row([&id.as_bytes()[..]], |row| row.get(0)).optional()?)
}

/// The number of a user who isn't deleted.
pub(crate) fn living_key_of(conn: &Connection, id: UserId) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT key FROM users WHERE id = ?1 AND deleted_at IS NULL")?;
    Ok(find.query_row([&id.as_bytes()[..]], |row| row.get(0)).optional()?)
}

/// That number and the user's standing.
pub(crate) fn standing_of(conn: &Connection, id: UserId) -> Result<Option<(i64, Standing)>, Fault> {
    let sql = concat!(
        "SELECT ",
        standing_columns!(),
        ", u.key FROM users u WHERE u.id = ?1 AND u.deleted_at IS NULL"
    );
    let mut find = conn.prepare_cached(sql)?;
    let mut rows = find.query([&id.as_bytes()[..]])?;
    match rows.next()? {
        Some(row) => Ok(Some((row.get(5)?, read_standing(row, 0)?))),
        None => Ok(None),
    }
}

/// The user whom `key` finds, and what `more` reads from the column behind theirs, the password.
pub(crate) fn find<T>(
    conn: &Connection,
    key: &UserKey,
    more: impl FnOnce(&Row<'_>, usize) -> Result<T, Fault>,
) -> Result<Option<(User, T)>, Fault> {
    macro_rules! by {
        ($column:literal) => {
            concat!(
                "SELECT ",
                user_columns!(),
                ", u.password FROM users u WHERE u.deleted_at IS NULL AND u.",
                $column,
                " = ?1"
            )
        };
    }
    let (sql, value): (_, &dyn ToSql) = match key {
        UserKey::Id(id) => (by!("id"), &id.as_bytes().as_slice()),
        UserKey::Email(unique_key) => (by!("email_key"), unique_key),
        UserKey::External(name) => (by!("external_id"), name),
    };
    let mut find: CachedStatement<'_> = conn.prepare_cached(sql)?;
    let mut rows = find.query([value])?;
    match rows.next()? {
        Some(row) => Ok(Some((read(row, 0)?, more(row, USER_COLUMNS)?))),
        None => Ok(None),
    }
}
