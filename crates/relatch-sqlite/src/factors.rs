//! Second factors in SQL: each verb is one transaction of the writer, or one reading statement after the other.

use crate::error::{Fault, corrupt};
use crate::feed::row_count;
use crate::{events, user_row};
use relatch_core::Epoch;
use relatch_store::{
    Commit, ConfirmFactor, Factor, FactorKind, FactorState, NewEvent, RecoveryHash, SealedSeed, SecondFactors,
};
use relatch_token::{FactorId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// What [`read`] needs, in its order.
macro_rules! factor_columns {
    () => {
        "u.id, f.id, f.kind, f.name, f.seed, f.master_id, f.created_at, f.expires_at, f.confirmed_at, f.last_step"
    };
}

/// What a user has, as one statement sees it.
pub(crate) fn of_user(conn: &Connection, user: UserId) -> Result<SecondFactors, Fault> {
    let mut find = conn.prepare_cached(OF_USER)?;
    let mut rows = find.query([&user.as_bytes()[..]])?;
    let mut found = SecondFactors::default();
    while let Some(row) = rows.next()? {
        found.failures = row.get(FACTOR_COLUMNS)?;
        found.recovery_codes = row.get(FACTOR_COLUMNS + 1)?;
        if row.get::<_, Option<i64>>(2)?.is_some() {
            found.factors.push(read(row)?);
        }
    }
    Ok(found)
}

pub(crate) fn add(conn: &Connection, factor: &Factor, epoch: Epoch, most: u32) -> Result<Commit, Fault> {
    let Some(user_key) = key_at(conn, factor.user_id, epoch)? else { return Ok(Commit::Conflict) };
    if confirmed(conn, user_key)? >= most {
        return Ok(Commit::Conflict);
    }
    conn.prepare_cached("DELETE FROM factors WHERE user_key = ?1 AND confirmed_at IS NULL")?
        .execute([user_key])?;
    let (expires_at, confirmed_at, last_step) = match factor.state {
        FactorState::Pending { expires_at } => (expires_at, None, 0),
        FactorState::Confirmed { at, last_step } => (at, Some(at.as_millis()), step_to_sql(last_step)),
    };
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":id": &factor.id.as_bytes()[..],
        ":user_key": user_key,
        ":kind": number(factor.kind),
        ":name": factor.name,
        ":seed": factor.seed.bytes,
        ":master_id": factor.seed.master_id,
        ":created_at": factor.created_at.as_millis(),
        ":expires_at": expires_at.as_millis(),
        ":confirmed_at": confirmed_at,
        ":last_step": last_step,
    })?;
    Ok(Commit::Done)
}

pub(crate) fn confirm(conn: &Connection, confirm: &ConfirmFactor) -> Result<Commit, Fault> {
    let Some(user_key) = user_row::living_key_of(conn, confirm.user_id)? else { return Ok(Commit::Conflict) };
    let changed = conn
        .prepare_cached(
            "UPDATE factors SET confirmed_at = ?3, last_step = ?4
             WHERE id = ?1 AND user_key = ?2 AND confirmed_at IS NULL AND ?3 < expires_at",
        )?
        .execute((
            &confirm.factor_id.as_bytes()[..],
            user_key,
            confirm.at.as_millis(),
            step_to_sql(confirm.step),
        ))?;
    if changed == 0 {
        return Ok(Commit::Conflict);
    }
    if let Some(codes) = &confirm.recovery_codes {
        set_codes(conn, user_key, codes)?;
    }
    events::add(conn, &confirm.event)?;
    Ok(Commit::Done)
}

pub(crate) fn accept_step(
    conn: &Connection,
    user: UserId,
    factor: FactorId,
    step: u64,
) -> Result<Commit, Fault> {
    let Some(user_key) = user_row::living_key_of(conn, user)? else { return Ok(Commit::Conflict) };
    let changed = conn
        .prepare_cached(
            "UPDATE factors SET last_step = ?3
             WHERE id = ?1 AND user_key = ?2 AND confirmed_at IS NOT NULL AND last_step < ?3",
        )?
        .execute((&factor.as_bytes()[..], user_key, step_to_sql(step)))?;
    if changed == 0 {
        return Ok(Commit::Conflict);
    }
    forget_failures(conn, user_key)?;
    Ok(Commit::Done)
}

pub(crate) fn use_recovery_code(
    conn: &Connection,
    user: UserId,
    code: RecoveryHash,
    event: &NewEvent,
) -> Result<Commit, Fault> {
    let Some(user_key) = user_row::living_key_of(conn, user)? else { return Ok(Commit::Conflict) };
    let changed = conn
        .prepare_cached("DELETE FROM recovery_codes WHERE user_key = ?1 AND hash = ?2")?
        .execute((user_key, code.0))?;
    if changed == 0 {
        return Ok(Commit::Conflict);
    }
    forget_failures(conn, user_key)?;
    events::add(conn, event)?;
    Ok(Commit::Done)
}

pub(crate) fn count_wrong_code(conn: &Connection, user: UserId, event: &NewEvent) -> Result<u32, Fault> {
    let count = conn
        .prepare_cached(
            "UPDATE users SET code_failures = min(code_failures + 1, 4294967295)
             WHERE id = ?1 AND deleted_at IS NULL RETURNING code_failures",
        )?
        .query_row([&user.as_bytes()[..]], |row| row.get(0))
        .optional()?;
    events::add(conn, event)?;
    Ok(count.unwrap_or_default())
}

pub(crate) fn replace_recovery_codes(
    conn: &Connection,
    user: UserId,
    epoch: Epoch,
    codes: &[RecoveryHash],
    event: &NewEvent,
) -> Result<Commit, Fault> {
    let Some(user_key) = key_at(conn, user, epoch)? else { return Ok(Commit::Conflict) };
    if confirmed(conn, user_key)? == 0 {
        return Ok(Commit::Conflict);
    }
    set_codes(conn, user_key, codes)?;
    events::add(conn, event)?;
    Ok(Commit::Done)
}

pub(crate) fn remove(
    conn: &Connection,
    user: UserId,
    epoch: Epoch,
    factor: FactorId,
    event: &NewEvent,
) -> Result<Commit, Fault> {
    let Some(user_key) = key_at(conn, user, epoch)? else { return Ok(Commit::Conflict) };
    let removed = conn
        .prepare_cached("DELETE FROM factors WHERE id = ?1 AND user_key = ?2")?
        .execute((&factor.as_bytes()[..], user_key))?;
    if removed == 0 {
        return Ok(Commit::Conflict);
    }
    if confirmed(conn, user_key)? == 0 {
        set_codes(conn, user_key, &[])?;
        forget_failures(conn, user_key)?;
    }
    events::add(conn, event)?;
    Ok(Commit::Done)
}

pub(crate) fn remove_all(conn: &Connection, user: UserId, event: &NewEvent) -> Result<u32, Fault> {
    let Some(user_key) = user_row::living_key_of(conn, user)? else { return Ok(0) };
    let confirmed = confirmed(conn, user_key)?;
    if forget(conn, user_key)? > 0 {
        events::add(conn, event)?;
    }
    forget_failures(conn, user_key)?;
    Ok(confirmed)
}

/// Removes everything of a user, and says how many rows those were.
pub(crate) fn forget(conn: &Connection, user_key: i64) -> Result<usize, Fault> {
    let factors = conn.prepare_cached("DELETE FROM factors WHERE user_key = ?1")?.execute([user_key])?;
    let codes = conn.prepare_cached("DELETE FROM recovery_codes WHERE user_key = ?1")?.execute([user_key])?;
    Ok(factors + codes)
}

pub(crate) fn not_under(conn: &Connection, master_id: u8, limit: usize) -> Result<Vec<Factor>, Fault> {
    let mut find = conn.prepare_cached(concat!(
        "SELECT ",
        factor_columns!(),
        " FROM factors f JOIN users u ON u.key = f.user_key WHERE f.master_id <> ?1 ORDER BY f.key LIMIT ?2"
    ))?;
    let mut rows = find.query((master_id, row_count(limit)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(crate) fn reseal(
    conn: &Connection,
    factor: FactorId,
    old: &SealedSeed,
    new: &SealedSeed,
) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE factors SET seed = ?4, master_id = ?5 WHERE id = ?1 AND seed = ?2 AND master_id = ?3",
    )?
    .execute((&factor.as_bytes()[..], &old.bytes, old.master_id, &new.bytes, new.master_id))?;
    Ok(())
}

/// The number of a user whose epoch is still that one.
fn key_at(conn: &Connection, user: UserId, epoch: Epoch) -> Result<Option<i64>, Fault> {
    let found = user_row::standing_of(conn, user)?;
    Ok(found.filter(|(_, standing)| standing.not_before == epoch).map(|(key, _)| key))
}

fn confirmed(conn: &Connection, user_key: i64) -> Result<u32, Fault> {
    let sql = "SELECT count(*) FROM factors WHERE user_key = ?1 AND confirmed_at IS NOT NULL";
    Ok(conn.prepare_cached(sql)?.query_row([user_key], |row| row.get(0))?)
}

fn set_codes(conn: &Connection, user_key: i64, codes: &[RecoveryHash]) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM recovery_codes WHERE user_key = ?1")?.execute([user_key])?;
    let mut insert =
        conn.prepare_cached("INSERT OR IGNORE INTO recovery_codes (user_key, hash) VALUES (?1, ?2)")?;
    for code in codes {
        insert.execute((user_key, code.0))?;
    }
    Ok(())
}

fn forget_failures(conn: &Connection, user_key: i64) -> Result<(), Fault> {
    let sql = "UPDATE users SET code_failures = 0 WHERE key = ?1 AND code_failures > 0";
    conn.prepare_cached(sql)?.execute([user_key])?;
    Ok(())
}

/// Reads a factor from [`factor_columns`].
fn read(row: &Row<'_>) -> Result<Factor, Fault> {
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
    };
    let state = match time(8)? {
        Some(at) => FactorState::Confirmed { at, last_step: row.get::<_, i64>(9)?.unsigned_abs() },
        None => FactorState::Pending { expires_at: time(7)?.unwrap_or_default() },
    };
    Ok(Factor {
        user_id: user_row::read_id(row, 0)?,
        id: FactorId::from_bytes(row.get(1)?),
        kind: match row.get::<_, i64>(2)? {
            0 => FactorKind::Totp,
            other => return Err(corrupt(format!("{other} is no kind of factor")).into()),
        },
        name: row.get(3)?,
        seed: SealedSeed { bytes: row.get(4)?, master_id: row.get(5)? },
        created_at: time(6)?.unwrap_or_default(),
        state,
    })
}

fn number(kind: FactorKind) -> i64 {
    match kind {
        FactorKind::Totp => 0,
    }
}

/// A time step of thirty seconds fits for longer than the sun shines.
fn step_to_sql(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

const FACTOR_COLUMNS: usize = 10;
const OF_USER: &str = concat!(
    "SELECT ",
    factor_columns!(),
    ", u.code_failures, (SELECT count(*) FROM recovery_codes r WHERE r.user_key = u.key)
     FROM users u LEFT JOIN factors f ON f.user_key = u.key
     WHERE u.id = ?1 AND u.deleted_at IS NULL ORDER BY f.key"
);
const INSERT: &str = "
    INSERT INTO factors (id, user_key, kind, name, seed, master_id, created_at, expires_at, confirmed_at, last_step)
    VALUES (:id, :user_key, :kind, :name, :seed, :master_id, :created_at, :expires_at, :confirmed_at, :last_step)";
