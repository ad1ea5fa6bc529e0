//! `relatch sessions`: list, show, explain, end.

use super::print::{line, table};
use super::workshop::{BY_OPERATOR, Workshop};
use super::{Common, OpenStore, SessionsCommand};
use crate::sessions::{EndOne, Sessions};
use crate::wire_time::rfc3339;
use relatch_core::{Ended, Origin, RevokeReason, Session};
use relatch_store::{EventFilter, Loaded};
use relatch_token::SessionId;

pub(crate) fn run(common: &Common, command: SessionsCommand, open_store: &OpenStore) -> anyhow::Result<()> {
    let workshop = Workshop::open(common, open_store)?;
    match command {
        SessionsCommand::List { user } => {
            let user = workshop.user(&user)?;
            let sessions = workshop.runtime.block_on(workshop.app.sessions.list(user.id))?;
            let rows: Vec<_> = sessions.iter().map(row).collect();
            table(["ID", "TRANSPORT", "GENERATION", "BEGAN", "LAST SEEN", "DEVICE"], &rows);
            Ok(())
        }
        SessionsCommand::Show { session } => show(&workshop, session.parse()?),
        SessionsCommand::Explain { session } => explain(&workshop, session.parse()?),
        SessionsCommand::End { session } => {
            let end = EndOne {
                session_id: session.parse()?,
                owner: None,
                reason: RevokeReason::EndedByOperator,
                origin: Origin::default(),
                by: Some(BY_OPERATOR.to_owned()),
            };
            let ended = workshop.runtime.block_on(workshop.app.sessions.end_one(&end))?;
            anyhow::ensure!(
                ended,
                "there is no live session `{session}`; `relatch sessions show` tells more"
            );
            line(format!("{session} has ended"));
            Ok(())
        }
    }
}

fn show(workshop: &Workshop, id: SessionId) -> anyhow::Result<()> {
    let Some(Loaded { session, user }) = workshop.runtime.block_on(workshop.app.store.load(id))? else {
        anyhow::bail!("there is no session `{id}`; dead ones leave after a while (`store.sweep`)");
    };
    let state = match session.check(&user.standing, workshop.app.now()) {
        Ok(()) => "live".to_owned(),
        Err(Ended::Idle) => "ended: nobody came back in time".to_owned(),
        Err(Ended::TooOld) => "ended: its absolute life is over".to_owned(),
        Err(Ended::Revoked(revocation)) => {
            format!("ended: {} at {}", revocation.reason.as_str(), rfc3339(revocation.at))
        }
    };
    line(format!("session     {}", session.id));
    line(format!("user        {}", user.id));
    line(format!("state       {state}"));
    line(format!("transport   {}", session.transport.as_str()));
    line(format!("generation  {}", session.head.generation.0));
    line(format!("began       {}", rfc3339(session.created_at())));
    line(format!("last seen   {}", rfc3339(Sessions::last_seen_at(&session))));
    line(format!("idle until  {}", rfc3339(session.idle_expires_at())));
    line(format!("ends        {}", rfc3339(session.lifetime.expires_at)));
    let filter =
        EventFilter { session_id: Some(id), limit: EventFilter::LIMIT_MAX, ..EventFilter::default() };
    let events = workshop.runtime.block_on(workshop.app.store.events(filter))?;
    let rows: Vec<_> = events
        .into_iter()
        .map(|event| {
            let ip = event.event.origin.ip.map_or("-".to_owned(), |ip| ip.to_string());
            let reason = event.event.reason.unwrap_or_default();
            [rfc3339(event.event.at), event.event.kind.as_str().to_owned(), ip, reason]
        })
        .collect();
    line("");
    table(["AT", "EVENT", "FROM", "REASON"], &rows);
    Ok(())
}

fn explain(workshop: &Workshop, id: SessionId) -> anyhow::Result<()> {
    let Some(story) = workshop.runtime.block_on(workshop.app.sessions.explain(id))? else {
        anyhow::bail!(
            "there is no session `{id}`; dead ones and their events leave after a while (`store.sweep`)"
        );
    };
    line(format!("{} of {}", story.session_id, story.user_id));
    line(&story.state);
    line("");
    if story.is_cut {
        line("(older events are left out)");
    }
    for told in &story.lines {
        line(format!("{}  {}", rfc3339(told.at), told.says));
        if let Some(advice) = &told.advice {
            line(format!("                      What to do: {advice}"));
        }
    }
    Ok(())
}

fn row(session: &Session) -> [String; 6] {
    let device = session.origin.device_name.clone().or_else(|| session.origin.user_agent.clone());
    [
        session.id.to_string(),
        session.transport.as_str().to_owned(),
        session.head.generation.0.to_string(),
        rfc3339(session.created_at()),
        rfc3339(Sessions::last_seen_at(session)),
        device.unwrap_or_default(),
    ]
}
