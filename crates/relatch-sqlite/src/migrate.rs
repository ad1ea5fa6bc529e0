//! The schema: which version a database has, and bringing it to ours.

use crate::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Brings the database to the newest schema, all migrations in one transaction or none.
///
/// `instance_id` names a database that is made here and now.
pub(crate) fn migrate(conn: &mut Connection, path: &Path, instance_id: &[u8; 16]) -> Result<(), OpenError> {
    let failed = |error: &rusqlite::Error| OpenError::from_sqlite(path, error);
    if schema_version(conn, path)? == KNOWN {
        return check_tables(conn, path);
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| failed(&e))?;
    // Asked again under the lock: another process may have been faster.
    let found = schema_version(&tx, path)?;
    let apply = || -> rusqlite::Result<()> {
        for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
            tx.execute_batch(step)?;
        }
        if found == 0 {
            tx.execute("INSERT INTO instance (key, id) VALUES (1, ?1)", [&instance_id[..]])?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", KNOWN)
    };
    apply().map_err(|e| failed(&e))?;
    tx.commit().map_err(|e| failed(&e))?;
    tracing::info!(from = found, to = KNOWN, "brought the database to the current schema");
    check_tables(conn, path)
}

/// The schema's version, 0 for an empty database. Refuses what isn't ours or is newer than we are.
pub(crate) fn schema_version(conn: &Connection, path: &Path) -> Result<i64, OpenError> {
    let number = |pragma| {
        conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|e| OpenError::from_sqlite(path, &e))
    };
    let (application_id, found) = (number("application_id")?, number("user_version")?);
    let is_empty = count(conn, "SELECT count(*) FROM sqlite_schema", path)? == 0;
    match application_id {
        APPLICATION_ID if found > KNOWN => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: KNOWN })
        }
        APPLICATION_ID => Ok(found),
        0 if is_empty && found == 0 => Ok(0),
        _ => Err(OpenError::NotADatabase(path.to_owned())),
    }
}

/// A glance, for the start: it must stay fast with a million sessions. `relatch doctor` looks at every page.
fn check_tables(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let tables = count(conn, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", path)?;
    let named = count(conn, "SELECT count(*) FROM instance WHERE length(id) = 16", path)?;
    if tables < TABLES || named != 1 {
        let reason = format!("{tables} of {TABLES} tables and {named} of 1 names are there");
        return Err(OpenError::Damaged { path: path.to_owned(), reason });
    }
    Ok(())
}

fn count(conn: &Connection, sql: &str, path: &Path) -> Result<i64, OpenError> {
    conn.query_row(sql, [], |row| row.get(0)).map_err(|e| OpenError::from_sqlite(path, &e))
}

/// `RLT1`: what `file` and other programs can recognise the database by.
const APPLICATION_ID: i64 = 0x524C_5431;
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_people.sql"),
    include_str!("migrations/0003_outbox.sql"),
    include_str!("migrations/0004_factors.sql"),
    include_str!("migrations/0005_room.sql"),
    include_str!("migrations/0006_devices.sql"),
];
const KNOWN: i64 = MIGRATIONS.len() as i64;
/// Our own tables and SQLite's `sqlite_sequence`.
const TABLES: i64 = 17;
