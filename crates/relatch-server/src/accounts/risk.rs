//! What is unusual about a login: asked once the password was right, so that its time tells nobody else anything.

use super::{Accounts, Visitor};
use crate::sessions::{Doubt, EndAll, REUSE_RECENT, Weighed, is_another_family};
use relatch_core::{
    Action, EventKind, Origin, RevokeReason, RiskNote, Session, Signal, Signals, Transport, is_same_network,
};
use relatch_store::{Event, EventFilter, NewEvent, User};
use relatch_token::{Seconds, SessionId, Timestamp};

impl Accounts {
    /// Weighs a login of `user` whose password was right.
    pub(super) async fn weigh_login(
        &self,
        user: &User,
        visitor: &Visitor,
        is_device_known: bool,
    ) -> Result<Weighed, Doubt> {
        let risk = &self.parts.risk;
        if risk.is_off() {
            return Ok(Weighed { action: Action::Allow, note: None });
        }
        let now = self.now();
        let filter = EventFilter { user_id: Some(user.id), limit: EVENTS_MAX, ..EventFilter::default() };
        let events = self.parts.store.events(filter).await?;
        let sessions = self.parts.store.list(user.id, now, SESSIONS_MAX).await?;
        Ok(risk.weigh_login(signals(visitor, is_device_known, &sessions, &events, now)))
    }

    /// Leaves a note of an unusual login that was served.
    pub(super) async fn note_login(
        &self,
        user: &User,
        session: SessionId,
        visitor: &Visitor,
        note: &RiskNote,
    ) {
        let event = NewEvent { session_id: Some(session), ..self.risk_event(user, visitor, note) };
        if let Err(error) = self.parts.store.record(event).await {
            tracing::warn!(%error, session_id = %session, "an unusual login was not noted");
        }
    }

    /// Leaves a note of an unusual login that still has its second factor to show: once a week for the same story,
    /// since a right password can be sent again and again.
    pub(super) fn note_challenged(&self, user: &User, visitor: &Visitor, note: &RiskNote) {
        if !self.parts.risk.has_room(&user.id, note, self.now()) {
            return;
        }
        let (store, event) = (self.parts.store.clone(), self.risk_event(user, visitor, note));
        self.afterwards("recording an unusual login", async move { Ok(store.record(event).await?) });
    }

    /// Refuses a login for its risk. Nothing shows but that it was refused, as if the password had been wrong.
    pub(super) async fn refuse_login(
        &self,
        user: User,
        visitor: &Visitor,
        weighed: &Weighed,
    ) -> Result<(), Doubt> {
        let Some(note) = &weighed.note else { return Ok(()) };
        let event = self.risk_event(&user, visitor, note);
        if weighed.action == Action::Revoke {
            let end = EndAll {
                user,
                is_conditional: false,
                keep: None,
                reason: RevokeReason::Risk,
                update: None,
                kind: EventKind::RiskNoticed,
                from: None,
                origin: event.origin,
                by: event.reason,
            };
            self.parts.sessions.end_all(end).await?;
            return Ok(());
        }
        let store = self.parts.store.clone();
        self.afterwards("recording a login that was refused", async move { Ok(store.record(event).await?) });
        Ok(())
    }

    fn risk_event(&self, user: &User, visitor: &Visitor, note: &RiskNote) -> NewEvent {
        self.event(EventKind::RiskNoticed, user.id, &visitor.origin, Some(&note.to_string()))
    }
}

/// What is unusual, as far as the account's sessions and newest events tell.
fn signals(
    visitor: &Visitor,
    is_device_known: bool,
    sessions: &[Session],
    events: &[Event],
    now: Timestamp,
) -> Signals {
    let came = &visitor.origin;
    let logins = events.iter().map(|event| &event.event).filter(|event| event.kind == EventKind::Login);
    let known: Vec<&Origin> =
        sessions.iter().map(|session| &session.origin).chain(logins.map(|event| &event.origin)).collect();
    let since = |kind: EventKind, span: Seconds| {
        let is_recent = |at: Timestamp| now.millis_since(at) < span.as_millis();
        events.iter().filter(|event| event.event.kind == kind && is_recent(event.event.at)).count()
    };
    let has_agents = known.iter().any(|origin| origin.user_agent.is_some());
    let is_known_agent =
        known.iter().any(|origin| origin.user_agent.is_some() && !is_another_family(origin, came));
    let addresses: Vec<_> = known.iter().filter_map(|origin| origin.ip).collect();
    let is_known_network =
        came.ip.is_some_and(|ip| addresses.iter().any(|known| is_same_network(*known, ip)));
    let is_known_app = visitor.transport == Transport::Body
        && sessions.iter().any(|session| {
            session.transport == Transport::Body
                && session.origin.user_agent.is_some()
                && !is_another_family(&session.origin, came)
        });
    let mut signals = Signals::NONE;
    signals.add(Signal::NewDevice, !known.is_empty() && !is_device_known && !is_known_app);
    signals.add(Signal::UserAgentChanged, has_agents && !is_known_agent);
    signals.add(Signal::NetworkChanged, !addresses.is_empty() && !is_known_network);
    signals.add(Signal::FailuresBefore, since(EventKind::LoginFailed, FAILURES_WITHIN) >= FAILURES_MANY);
    signals.add(Signal::ReuseBefore, since(EventKind::RefreshReuse, REUSE_RECENT) > 0);
    signals
}

/// How far back the history is read: weeks of a busy person.
const EVENTS_MAX: usize = 100;
/// More devices than a person uses.
const SESSIONS_MAX: usize = 50;
/// As many failures as are no slip of the fingers.
const FAILURES_MANY: usize = 5;
const FAILURES_WITHIN: Seconds = Seconds(3600);
