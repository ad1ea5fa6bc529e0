//! Links that were mailed: single use, short-lived, one of a kind per user.

use crate::error::Fault;
use crate::feed::row_count;
use crate::{events, outbox, user_row};
use relatch_core::{Epoch, EventKind, Origin};
use relatch_store::{Delivery, EmailChange, Enqueue, Link, LinkAddress, LinkHash, LinkPurpose, NewEvent};
use relatch_token::{Timestamp, UserId};
use rusqlite::Connection;

/// Keeps a link in the place of the user's older one of the same purpose.
pub(crate) fn add(conn: &Connection, link: &Link) -> Result<(), Fault> {
    let Some(user_key) = user_row::living_key_of(conn, link.user_id)? else { return Ok(()) };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO links (hash, purpose, user_key, epoch, expires_at, email, email_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        link.hash.0,
        number(link.purpose),
        user_key,
        link.epoch.0,
        link.expires_at.as_millis(),
        &link.to.address,
        &link.to.unique_key,
    ))?;
    Ok(())
}

/// Keeps a link with the messages that carry it and the event that tells of it.
pub(crate) fn post(
    conn: &Connection,
    link: &Link,
    event: Option<&NewEvent>,
    deliveries: &[Delivery],
) -> Result<Enqueue, Fault> {
    if user_row::living_key_of(conn, link.user_id)?.is_none() {
        return Ok(Enqueue::Done);
    }
    let answer = outbox::enqueue(conn, deliveries)?;
    if answer == Enqueue::Done {
        add(conn, link)?;
        event.map(|event| events::add(conn, event)).transpose()?;
    }
    Ok(answer)
}

/// The link where it is of that purpose, unexpired, not from before the last password (but to prove an
/// address), and the account still at the address that it was mailed to (but to leave it).
pub(crate) fn good(
    conn: &Connection,
    hash: LinkHash,
    purpose: LinkPurpose,
    now: Timestamp,
) -> Result<Option<Link>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT u.id, l.epoch, l.expires_at, l.email, l.email_key, u.epoch, u.email_key
         FROM links l JOIN users u ON u.key = l.user_key WHERE l.hash = ?1 AND l.purpose = ?2",
    )?;
    let mut rows = select.query((hash.0, number(purpose)))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    // Without an address it is of a server of the version before, from the minutes of an upgrade.
    let (Some(address), Some(unique_key)) = (row.get(3)?, row.get(4)?) else { return Ok(None) };
    let to = LinkAddress { address, unique_key };
    let epoch = Epoch(row.get(1)?);
    let expires_at = Timestamp::from_millis(row.get(2)?);
    let is_of_epoch = purpose == LinkPurpose::VerifyEmail || epoch == Epoch(row.get(5)?);
    let is_there = row.get::<_, Option<String>>(6)?.is_some_and(|key| key == to.unique_key);
    let is_addressed = purpose == LinkPurpose::ChangeEmail || is_there;
    let link = Link { hash, purpose, user_id: user_row::read_id(row, 0)?, to, epoch, expires_at };
    Ok((now < expires_at && is_of_epoch && is_addressed).then_some(link))
}

pub(crate) fn remove(conn: &Connection, hash: LinkHash) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM links WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}

/// Uses up a link and marks the address as proved.
pub(crate) fn verify_email(
    conn: &Connection,
    hash: LinkHash,
    at: Timestamp,
) -> Result<Option<UserId>, Fault> {
    let Some(link) = good(conn, hash, LinkPurpose::VerifyEmail, at)? else { return Ok(None) };
    remove(conn, hash)?;
    conn.prepare_cached(
        "UPDATE users SET email_verified_at = coalesce(email_verified_at, ?2) WHERE id = ?1 AND email IS NOT NULL",
    )?
    .execute((&link.user_id.as_bytes()[..], at.as_millis()))?;
    let event = NewEvent {
        kind: EventKind::EmailVerified,
        at,
        user_id: link.user_id,
        session_id: None,
        origin: Origin::default(),
        reason: None,
    };
    events::add(conn, &event)?;
    Ok(Some(link.user_id))
}

/// Uses up a link and moves the account to the address that it was mailed to.
pub(crate) fn change_email(
    conn: &Connection,
    hash: LinkHash,
    at: Timestamp,
    origin: Origin,
) -> Result<EmailChange, Fault> {
    let Some(link) = good(conn, hash, LinkPurpose::ChangeEmail, at)? else { return Ok(EmailChange::BadLink) };
    let (user_id, id) = (link.user_id, &link.user_id.as_bytes()[..]);
    let is_taken: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = ?1 AND id <> ?2)")?
        .query_row((&link.to.unique_key, id), |row| row.get(0))?;
    if is_taken {
        return Ok(EmailChange::Taken);
    }
    conn.prepare_cached("UPDATE users SET email = ?2, email_key = ?3, email_verified_at = ?4 WHERE id = ?1")?
        .execute((id, &link.to.address, &link.to.unique_key, at.as_millis()))?;
    conn.prepare_cached("DELETE FROM links WHERE user_key = (SELECT key FROM users WHERE id = ?1)")?
        .execute([id])?;
    let kind = EventKind::EmailChanged;
    events::add(conn, &NewEvent { kind, at, user_id, session_id: None, origin, reason: None })?;
    Ok(EmailChange::Done(user_id))
}

/// Forgets links that have expired, at most `most`.
pub(crate) fn sweep(conn: &Connection, now: Timestamp, most: usize) -> Result<u64, Fault> {
    let sql = "DELETE FROM links WHERE hash IN (SELECT hash FROM links WHERE expires_at <= ?1 LIMIT ?2)";
    let left = conn.prepare_cached(sql)?.execute((now.as_millis(), row_count(most)))?;
    Ok(left as u64)
}

fn number(purpose: LinkPurpose) -> i64 {
    match purpose {
        LinkPurpose::ResetPassword => 0,
        LinkPurpose::VerifyEmail => 1,
        LinkPurpose::ChangeEmail => 2,
    }
}
