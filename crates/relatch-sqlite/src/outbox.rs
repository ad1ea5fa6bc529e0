//! The outbox and the followers' marks in SQL.

use crate::error::{Fault, corrupt};
use crate::feed::{cursor_from_sql, cursor_to_sql, row_count};
use crate::user_row;
use relatch_store::{
    Channel, ChannelKind, Cursor, Delivery, DeliveryId, Enqueue, Follow, Settlement, Step, Waiting,
};
use relatch_token::{Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Keeps deliveries, all or none.
pub(crate) fn enqueue(conn: &Connection, deliveries: &[Delivery]) -> Result<Enqueue, Fault> {
    let mut kept = Vec::new();
    let mut counts = BTreeMap::new();
    for one in deliveries {
        match add(conn, one, &mut counts)? {
            Added::Kept(key) => kept.push(key),
            Added::LeftOut => {}
            Added::Full => {
                let mut remove = conn.prepare_cached("DELETE FROM outbox WHERE key = ?1")?;
                for key in kept {
                    remove.execute([key])?;
                }
                return Ok(Enqueue::Full);
            }
        }
    }
    Ok(Enqueue::Done)
}

pub(crate) fn take_due(
    conn: &Connection,
    kind: ChannelKind,
    now: Timestamp,
    lease_until: Timestamp,
    limit: usize,
) -> Result<Vec<Delivery>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT o.id, o.name, u.id, o.payload, o.created_at, o.attempts, o.key
         FROM outbox o LEFT JOIN users u ON u.key = o.user_key
         WHERE o.kind = ?1 AND o.due_at <= ?2 ORDER BY o.due_at, o.key LIMIT ?3",
    )?;
    let limit = row_count(limit.min(Delivery::TAKEN_MAX));
    let mut rows = select.query((number(kind), now.as_millis(), limit))?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        taken.push((row.get::<_, i64>(6)?, read(row, kind, lease_until)?));
    }
    let mut update = conn.prepare_cached("UPDATE outbox SET due_at = ?2, attempts = ?3 WHERE key = ?1")?;
    for (key, one) in &taken {
        update.execute((key, one.due_at.as_millis(), one.attempts))?;
    }
    Ok(taken.into_iter().map(|(_, one)| one).collect())
}

pub(crate) fn settle(
    conn: &Connection,
    id: DeliveryId,
    attempt: u32,
    settlement: Settlement,
) -> Result<bool, Fault> {
    let changed = match settlement {
        Settlement::Delivered => conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id.0])?,
        Settlement::GivenUp => conn
            .prepare_cached("DELETE FROM outbox WHERE id = ?1 AND attempts = ?2")?
            .execute((id.0, attempt))?,
        Settlement::Retry { at } => conn
            .prepare_cached("UPDATE outbox SET due_at = ?3 WHERE id = ?1 AND attempts = ?2")?
            .execute((id.0, attempt, at.as_millis()))?,
    };
    Ok(changed == 1)
}

pub(crate) fn waiting(conn: &Connection, kind: ChannelKind) -> Result<Waiting, Fault> {
    let sql = "SELECT count(*), min(created_at), min(due_at) FROM outbox WHERE kind = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([number(kind)], |row| {
        let time = |column| -> rusqlite::Result<_> {
            Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
        };
        Ok(Waiting {
            count: row.get::<_, i64>(0)?.unsigned_abs(),
            oldest_at: time(1)?,
            next_due_at: time(2)?,
        })
    })?)
}

/// A follower's mark, where it has one.
pub(crate) fn mark(conn: &Connection, follower: &str) -> Result<Option<Cursor>, Fault> {
    let mut select = conn.prepare_cached("SELECT mark FROM followers WHERE name = ?1")?;
    Ok(select.query_row([follower], |row| row.get(0)).optional()?.map(cursor_from_sql))
}

/// The same; a new follower begins behind the newest event.
pub(crate) fn begin(conn: &Connection, follower: &str) -> Result<Cursor, Fault> {
    if let Some(mark) = mark(conn, follower)? {
        return Ok(mark);
    }
    let mut select = conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
    let newest: i64 = select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
    conn.prepare_cached("INSERT INTO followers (name, mark) VALUES (?1, ?2)")?.execute((follower, newest))?;
    Ok(cursor_from_sql(newest))
}

pub(crate) fn follow(conn: &Connection, step: &Step) -> Result<Follow, Fault> {
    if mark(conn, &step.follower)? != Some(step.from) || step.to < step.from {
        return Ok(Follow::Conflict);
    }
    if enqueue(conn, &step.deliveries)? == Enqueue::Full {
        return Ok(Follow::Full);
    }
    conn.prepare_cached("UPDATE followers SET mark = ?2 WHERE name = ?1")?
        .execute((&step.follower, cursor_to_sql(step.to)))?;
    Ok(Follow::Done)
}

pub(crate) fn followers(conn: &Connection) -> Result<Vec<(String, Cursor)>, Fault> {
    let mut select = conn.prepare_cached("SELECT name, mark FROM followers ORDER BY name")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, cursor_from_sql(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn forget_follower(conn: &Connection, follower: &str) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("DELETE FROM followers WHERE name = ?1")?.execute([follower])? == 1)
}

/// What became of one delivery.
enum Added {
    Kept(i64),
    LeftOut,
    Full,
}

/// `counts` says how many wait in each channel, as far as was asked.
fn add<'a>(
    conn: &Connection,
    one: &'a Delivery,
    counts: &mut BTreeMap<&'a Channel, i64>,
) -> Result<Added, Fault> {
    let user_key = match one.user_id.map(|id| user_row::living_key_of(conn, id)).transpose()? {
        Some(None) => return Ok(Added::LeftOut),
        found => found.flatten(),
    };
    let (kind, name) = (number(one.channel.kind()), name(&one.channel));
    let is_there: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE id = ?1)")?
        .query_row([one.id.0], |row| row.get(0))?;
    if is_there {
        return Ok(Added::LeftOut);
    }
    let waiting = match counts.entry(&one.channel) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(
            conn.prepare_cached("SELECT count(*) FROM outbox WHERE kind = ?1 AND name = ?2")?
                .query_row((kind, name), |row| row.get(0))?,
        ),
    };
    if *waiting >= row_count(Delivery::WAITING_MAX) {
        return Ok(Added::Full);
    }
    *waiting += 1;
    conn.prepare_cached(INSERT)?.execute(named_params! {
        ":id": one.id.0,
        ":kind": kind,
        ":name": name,
        ":user_key": user_key,
        ":payload": one.payload,
        ":created_at": one.created_at.as_millis(),
        ":due_at": one.due_at.as_millis(),
        ":attempts": one.attempts,
    })?;
    Ok(Added::Kept(conn.last_insert_rowid()))
}

fn read(row: &Row<'_>, kind: ChannelKind, lease_until: Timestamp) -> Result<Delivery, Fault> {
    let name: String = row.get(1)?;
    let channel = match (kind, name.as_str()) {
        (ChannelKind::Mail, "") => Channel::Mail,
        (ChannelKind::Mail, _) => return Err(corrupt("a mail with the name of a webhook").into()),
        (ChannelKind::Webhook, _) => Channel::Webhook(name),
    };
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        channel,
        user_id: row.get::<_, Option<[u8; 16]>>(2)?.map(UserId::from_bytes),
        payload: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        due_at: lease_until,
        attempts: row.get::<_, u32>(5)?.saturating_add(1),
    })
}

fn name(channel: &Channel) -> &str {
    match channel {
        Channel::Mail => "",
        Channel::Webhook(name) => name,
    }
}

fn number(kind: ChannelKind) -> i64 {
    match kind {
        ChannelKind::Mail => 0,
        ChannelKind::Webhook => 1,
    }
}

const INSERT: &str = "
    INSERT INTO outbox (id, kind, name, user_key, payload, created_at, due_at, attempts)
    VALUES (:id, :kind, :name, :user_key, :payload, :created_at, :due_at, :attempts)";
