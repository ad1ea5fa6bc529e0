//! A session as SQL sees it: its columns, written and read.

use crate::dictionary::{Cache, PROFILES, USER_AGENTS};
use crate::error::{Fault, corrupt};
use crate::profile::Profile;
use crate::row::{IdParts, Identity, pack_head, unpack_head};
use relatch_core::{Epoch, Origin, Revocation, RevokeReason, Session, State};
use relatch_token::{Timestamp, UserId};
use rusqlite::{Connection, Row, named_params};

/// What [`read`] needs of a session, in its order.
macro_rules! session_columns {
    () => {
        "s.id_start, s.identity, s.head, s.epoch, s.profile, s.user_agent, s.device_name, s.claims, \
         s.revoked_at, s.revoked_reason"
    };
}
pub(crate) use session_columns;

/// How many columns that are.
pub(crate) const SESSION_COLUMNS: usize = 10;

/// Reads a session from the first [`SESSION_COLUMNS`] columns of a row.
pub(crate) fn read(
    conn: &Connection,
    row: &Row<'_>,
    user_id: UserId,
    cache: &Cache,
) -> Result<Session, Fault> {
    let identity = Identity::unpack(row.get(0)?, row.get_ref(1)?.as_blob().map_err(corrupt)?)?;
    let (version, head) = unpack_head(row.get_ref(2)?.as_blob().map_err(corrupt)?)?;
    let profile = cache.profile(conn, row.get_ref(4)?)?;
    let claims = match row.get_ref(7)?.as_str_or_null().map_err(corrupt)? {
        None => serde_json::Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|e| corrupt(format!("a session's claims: {e}")))?,
    };
    let state = match read_revocation(row, 8)? {
        None => State::Live,
        Some(revocation) => State::Revoked(revocation),
    };
    Ok(Session {
        id: identity.id,
        version,
        user_id,
        epoch: Epoch(row.get(3)?),
        client_id: profile.client_id()?,
        scope: profile.scope(),
        transport: profile.transport(),
        device: identity.device,
        secret: identity.secret,
        authentication: profile.authentication(identity.authenticated_at),
        lifetime: profile.lifetime(identity.authenticated_at),
        head,
        state,
        origin: Origin {
            ip: identity.ip,
            user_agent: cache.user_agent(conn, row.get_ref(5)?)?,
            device_name: row.get(6)?,
        },
        remember: profile.remember(),
        claims,
    })
}

/// Reads when and why from two columns, both of which may be null.
pub(crate) fn read_revocation(row: &Row<'_>, column: usize) -> Result<Option<Revocation>, Fault> {
    let (Some(at), Some(number)) =
        (row.get::<_, Option<i64>>(column)?, row.get::<_, Option<u8>>(column + 1)?)
    else {
        return Ok(None);
    };
    let reason = RevokeReason::from_number(number)
        .ok_or_else(|| corrupt(format!("{number} is no reason to revoke")))?;
    Ok(Some(Revocation { at: Timestamp::from_millis(at), reason }))
}

/// Adds a row for a session of the user with that key.
pub(crate) fn insert(conn: &Connection, user_key: i64, session: &Session) -> Result<(), Fault> {
    let identity = Identity {
        id: session.id,
        secret: session.secret.clone(),
        authenticated_at: session.authentication.at,
        device: session.device,
        ip: session.origin.ip,
    };
    let profile = PROFILES.intern(conn, &Profile::of(session).to_text()?)?;
    let user_agent =
        session.origin.user_agent.as_deref().map(|text| USER_AGENTS.intern(conn, text)).transpose()?;
    let claims = (!session.claims.is_empty())
        .then(|| serde_json::to_string(&session.claims))
        .transpose()
        .map_err(|error| relatch_store::StoreError::Unavailable(error.to_string()))?;
    let revocation = match session.state {
        State::Live => None,
        State::Revoked(revocation) => Some(revocation),
    };
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":id_start": IdParts::of(session.id).start,
        ":user_key": user_key,
        ":epoch": session.epoch.0,
        ":identity": identity.pack()?,
        ":head": pack_head(session.version, &session.head)?,
        ":profile": profile,
        ":user_agent": user_agent,
        ":device_name": session.origin.device_name,
        ":claims": claims,
        ":revoked_at": revocation.map(|revocation| revocation.at.as_millis()),
        ":revoked_reason": revocation.map(|revocation| revocation.reason.number()),
    })?;
    Ok(())
}

const INSERT: &str = "
    INSERT INTO sessions (id_start, user_key, epoch, identity, head, profile, user_agent, device_name, claims,
        revoked_at, revoked_reason)
    VALUES (:id_start, :user_key, :epoch, :identity, :head, :profile, :user_agent, :device_name, :claims,
        :revoked_at, :revoked_reason)";
