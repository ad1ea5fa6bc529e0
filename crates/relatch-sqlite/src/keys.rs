//! Signing keys, API keys and OAuth clients in SQL.

use crate::error::{Fault, corrupt};
use crate::feed;
use relatch_store::{ApiKey, ClientKind, FeedSubject, OauthClient, SigningKeyRecord, StoreError};
use relatch_token::{ClientId, Timestamp};
use rusqlite::{Connection, Params, Row, named_params};

pub(crate) fn signing_keys(conn: &Connection) -> Result<Vec<SigningKeyRecord>, Fault> {
    let sql =
        "SELECT kid, algorithm, public_jwk, sealed_private, master_id, created_at, active_at, retires_at
               FROM signing_keys ORDER BY key";
    collect(conn, sql, [], |row| {
        Ok(SigningKeyRecord {
            kid: row.get(0)?,
            algorithm: row.get(1)?,
            public_jwk: row.get(2)?,
            sealed_private: row.get(3)?,
            master_id: row.get(4)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            active_at: Timestamp::from_millis(row.get(6)?),
            retires_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
        })
    })
}

pub(crate) fn add_signing_key(conn: &Connection, key: &SigningKeyRecord, seen: usize) -> Result<bool, Fault> {
    let sql = "INSERT OR IGNORE INTO signing_keys
                   (kid, algorithm, public_jwk, sealed_private, master_id, created_at, active_at, retires_at)
               SELECT :kid, :algorithm, :public_jwk, :sealed_private, :master_id, :created_at, :active_at,
                   :retires_at
               WHERE (SELECT count(*) FROM signing_keys) = :seen";
    let added = conn.prepare_cached(sql)?.execute(named_params! {
        ":kid": key.kid,
        ":algorithm": key.algorithm,
        ":public_jwk": key.public_jwk,
        ":sealed_private": key.sealed_private,
        ":master_id": key.master_id,
        ":created_at": key.created_at.as_millis(),
        ":active_at": key.active_at.as_millis(),
        ":retires_at": key.retires_at.map(|at| at.as_millis()),
        ":seen": feed::row_count(seen),
    })?;
    Ok(added == 1)
}

/// What the key is stays; when it signs and retires and who seals it may change.
pub(crate) fn update_signing_key(conn: &Connection, key: &SigningKeyRecord) -> Result<bool, Fault> {
    let sql = "UPDATE signing_keys SET active_at = ?2, retires_at = ?3, master_id = ?4, sealed_private = ?5
               WHERE kid = ?1";
    let changed = conn.prepare_cached(sql)?.execute((
        &key.kid,
        key.active_at.as_millis(),
        key.retires_at.map(|at| at.as_millis()),
        key.master_id,
        &key.sealed_private,
    ))?;
    Ok(changed == 1)
}

pub(crate) fn remove_signing_key(
    conn: &Connection,
    kid: &str,
    revoked_at: Option<Timestamp>,
) -> Result<bool, Fault> {
    let is_removed = conn.prepare_cached("DELETE FROM signing_keys WHERE kid = ?1")?.execute([kid])? == 1;
    if is_removed && let Some(at) = revoked_at {
        feed::add(conn, at, &FeedSubject::Key(kid.to_owned()))?;
    }
    Ok(is_removed)
}

pub(crate) fn add_api_key(conn: &Connection, key: &ApiKey) -> Result<(), Fault> {
    let sql = "INSERT OR IGNORE INTO api_keys (id, hash, name, scopes, created_at, revoked_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let added = conn.prepare_cached(sql)?.execute((
        &key.id,
        key.hash,
        &key.name,
        to_json(&key.scopes)?,
        key.created_at.as_millis(),
        key.revoked_at.map(|at| at.as_millis()),
    ))?;
    if added == 1 {
        return Ok(());
    }
    Err(StoreError::Unavailable("that API key exists; draw another one".into()).into())
}

pub(crate) fn api_key(conn: &Connection, hash: [u8; 32]) -> Result<Option<ApiKey>, Fault> {
    let sql = "SELECT id, hash, name, scopes, created_at, revoked_at FROM api_keys WHERE hash = ?1";
    Ok(collect(conn, sql, [hash], read_api_key)?.pop())
}

pub(crate) fn api_keys(conn: &Connection) -> Result<Vec<ApiKey>, Fault> {
    let sql = "SELECT id, hash, name, scopes, created_at, revoked_at FROM api_keys ORDER BY key";
    collect(conn, sql, [], read_api_key)
}

/// The time of the first revocation stays.
pub(crate) fn revoke_api_key(conn: &Connection, id: &str, at: Timestamp) -> Result<bool, Fault> {
    let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.execute((id, at.as_millis()))? == 1)
}

pub(crate) fn put_client(conn: &Connection, client: &OauthClient) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO clients (id, is_confidential, secret_hash, name, scopes, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute((
        client.id.as_ref(),
        client.kind == ClientKind::Confidential,
        client.secret_hash,
        &client.name,
        to_json(&client.scopes)?,
        client.created_at.as_millis(),
    ))?;
    Ok(())
}

pub(crate) fn client(conn: &Connection, id: &ClientId) -> Result<Option<OauthClient>, Fault> {
    let sql = "SELECT id, is_confidential, secret_hash, name, scopes, created_at FROM clients WHERE id = ?1";
    Ok(collect(conn, sql, [id.as_ref()], read_client)?.pop())
}

pub(crate) fn clients(conn: &Connection) -> Result<Vec<OauthClient>, Fault> {
    let sql = "SELECT id, is_confidential, secret_hash, name, scopes, created_at FROM clients ORDER BY id";
    collect(conn, sql, [], read_client)
}

pub(crate) fn remove_client(conn: &Connection, id: &ClientId) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("DELETE FROM clients WHERE id = ?1")?.execute([id.as_ref()])? == 1)
}

fn read_api_key(row: &Row<'_>) -> Result<ApiKey, Fault> {
    Ok(ApiKey {
        id: row.get(0)?,
        hash: row.get(1)?,
        name: row.get(2)?,
        scopes: from_json(row.get_ref(3)?.as_str().map_err(corrupt)?)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        revoked_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    })
}

fn read_client(row: &Row<'_>) -> Result<OauthClient, Fault> {
    let id: ClientId = row.get_ref(0)?.as_str().map_err(corrupt)?.parse().map_err(corrupt)?;
    Ok(OauthClient {
        id,
        kind: if row.get(1)? { ClientKind::Confidential } else { ClientKind::Public },
        secret_hash: row.get(2)?,
        name: row.get(3)?,
        scopes: from_json(row.get_ref(4)?.as_str().map_err(corrupt)?)?,
        created_at: Timestamp::from_millis(row.get(5)?),
    })
}

fn collect<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn to_json(scopes: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(scopes).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn from_json(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("a list of scopes: {error}")))
}
