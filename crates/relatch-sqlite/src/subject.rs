//! Ending all sessions of a user: the epoch moves, and with it whatever else the caller changes.

use crate::dictionary::Cache;
use crate::error::Fault;
use crate::row::{IdParts, pack_head};
use crate::sessions::each_of;
use crate::{devices, events, feed, links, user_row, users};
use relatch_core::{Epoch, Session, Version};
use relatch_store::{FeedSubject, LinkPurpose, SubjectChange, SubjectEnd, SubjectUpdate};
use rusqlite::{Connection, named_params};

pub(crate) fn revoke(conn: &Connection, change: &SubjectChange) -> Result<SubjectEnd, Fault> {
    let Some((user_key, standing)) = user_row::standing_of(conn, change.user_id)? else {
        return Ok(SubjectEnd::Conflict);
    };
    if change.expected.is_some_and(|expected| expected != standing.not_before) {
        return Ok(SubjectEnd::Conflict);
    }
    if let Some(SubjectUpdate::PasswordByLink(_, hash)) = &change.update {
        let link = links::good(conn, *hash, LinkPurpose::ResetPassword, change.at)?;
        if link.is_none_or(|link| link.user_id != change.user_id) {
            return Ok(SubjectEnd::Conflict);
        }
        links::remove(conn, *hash)?;
    }

    let epoch = Epoch(standing.not_before.0 + 1);
    let (live, kept) = count_live(conn, user_key, change)?;
    if let Some(session) = &kept {
        carry_over(conn, session, epoch)?;
    }
    move_epoch(conn, user_key, epoch, change)?;
    events::add(conn, &change.event)?;
    if let Some(SubjectUpdate::Delete) = change.update {
        users::delete(conn, user_key, change.at)?;
    }
    let keep = kept.map(|session| session.id);
    feed::add(conn, change.at, &FeedSubject::User { user_id: change.user_id, keep })?;
    Ok(SubjectEnd::Done { revoked: live - u64::from(keep.is_some()), epoch })
}

/// How many sessions are live, and among them the one that goes on, where the user may stay. What was last heard
/// of them their devices keep.
fn count_live(
    conn: &Connection,
    user_key: i64,
    change: &SubjectChange,
) -> Result<(u64, Option<Session>), Fault> {
    let keep = match change.update {
        Some(SubjectUpdate::Disable | SubjectUpdate::Delete) => None,
        _ => change.keep,
    };
    let (mut live, mut kept, mut seen) = (0, None, Vec::new());
    // A cache of its own: this transaction may see entries that are never committed.
    each_of(conn, change.user_id, &Cache::default(), |session, standing| {
        if session.check(standing, change.at).is_ok() {
            live += 1;
            seen.extend(session.device.map(|device| (device, session.head.at)));
            if keep == Some(session.id) {
                kept = Some(session);
            }
        }
        true
    })?;
    for (device, at) in seen {
        devices::see(conn, user_key, Some(device), at)?;
    }
    Ok((live, kept))
}

/// Lets a session go on in the new epoch.
fn carry_over(conn: &Connection, session: &Session, epoch: Epoch) -> Result<(), Fault> {
    let parts = IdParts::of(session.id);
    conn.prepare_cached(
        "UPDATE sessions SET epoch = ?3, head = ?4 WHERE id_start = ?1 AND substr(identity, 1, 10) = ?2",
    )?
    .execute((
        parts.start,
        &parts.rest[..],
        epoch.0,
        &pack_head(Version(session.version.0 + 1), &session.head)?[..],
    ))?;
    Ok(())
}

fn move_epoch(conn: &Connection, user_key: i64, epoch: Epoch, change: &SubjectChange) -> Result<(), Fault> {
    let at = change.at.as_millis();
    let (password, verified_at, disabled_at) = match &change.update {
        None | Some(SubjectUpdate::Delete) => (None, None, None),
        Some(SubjectUpdate::Password(password)) => (Some(password), None, None),
        Some(SubjectUpdate::PasswordByLink(password, _)) => (Some(password), Some(at), None),
        Some(SubjectUpdate::Disable) => (None, None, Some(at)),
    };
    conn.prepare_cached(MOVE_EPOCH)?.execute(named_params! {
        ":key": user_key,
        ":epoch": epoch.0,
        ":at": at,
        ":reason": change.reason.number(),
        ":password": password.map(|password| password.expose().as_str()),
        ":verified_at": verified_at,
        ":disabled_at": disabled_at,
    })?;
    Ok(())
}

const MOVE_EPOCH: &str = "
    UPDATE users SET epoch = :epoch, moved_at = :at, moved_reason = :reason,
        password = coalesce(:password, password),
        email_verified_at = CASE WHEN email IS NOT NULL THEN coalesce(email_verified_at, :verified_at) END,
        disabled_at = coalesce(:disabled_at, disabled_at)
    WHERE key = :key";
