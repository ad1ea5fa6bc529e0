//! A refresh: the token is opened with its row, the rule decides, and what it changes is committed first.

use super::{COMMIT_TRIES_MAX, Door, Doubt, Sessions, Tokens, Weighing};
use metrics::counter;
use relatch_core::{
    Action, Ended, EventKind, Evidence, Origin, RefreshDecision, Refusal, ReuseScope, Revocation,
    RevokeReason, Rule, Session, Update, check_binding, refresh,
};
use relatch_store::{Change, Commit, Loaded, NewEvent, SubjectChange, SubjectEnd};
use relatch_token::{SealedToken, Seconds, Timestamp};

/// A refresh as it was asked for. The token's edge tag has been checked.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// The presented token.
    pub token: SealedToken,
    /// How it came.
    pub door: Door,
    /// The `Idempotency-Key` that came with it.
    pub attempt_id: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// Why a refresh is refused: for good, where the answer is 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// Not a token of ours.
    Invalid,
    /// A token of ours, but not for this door: the rule says whether by transport or by client.
    WrongDoor(Rule),
    /// The device cookie is missing or another's.
    WrongDevice,
    /// Browser or address are not those of the login, and the binding refuses that; the session lives on.
    WrongPlace(Rule),
    /// It was too unlike the login, by the rules of risk; the session lives on.
    TooRisky,
    /// The session's time is over. `Idle` and `TooOld`, or `None` where its row has left already.
    Expired(Option<Ended>),
    /// The session was ended before.
    Revoked(Revocation),
    /// The token had been exchanged before: this request ended the session.
    Reused(Evidence),
    /// Too often in too short a time; try again later.
    TooMany {
        /// When.
        retry_after: Seconds,
    },
}

impl Sessions {
    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// [`Doubt`] where the store could not answer or its answer is in doubt; nothing may be concluded then.
    pub async fn refresh(&self, request: &RefreshRequest) -> Result<Result<Tokens, RefreshRefusal>, Doubt> {
        let outcome = self.decide_until_committed(request).await;
        counter!("relatch_refreshes_total", "verdict" => verdict_word(&outcome)).increment(1);
        match outcome? {
            Ok((tokens, _)) => Ok(Ok(tokens)),
            Err(refused) => {
                self.note(&refused, &request.origin).await;
                Ok(Err(refused.refusal))
            }
        }
    }

    /// Leaves an event of a refusal in the session's history, while there is room for it. The refusal stands
    /// whether or not it could be noted.
    async fn note(&self, refused: &Refused, origin: &Origin) {
        let (Some(notes), Some(session), Some(rule)) =
            (&self.refusal_notes, &refused.session, refused.refusal.rule())
        else {
            return;
        };
        let now = self.now();
        if !notes.has_room(session.id, rule, now) {
            return;
        }
        let event = self.event(EventKind::RefreshRefused, session, origin, Some(rule.as_str()), now);
        if let Err(error) = self.store.record(event).await {
            tracing::warn!(%error, session_id = %session.id, rule = rule.as_str(), "a refusal was not noted");
        }
    }

    async fn decide_until_committed(&self, request: &RefreshRequest) -> Outcome {
        let session_id = request.token.session_id();
        let mut seen = Seen::default();
        for _ in 0..COMMIT_TRIES_MAX {
            let Some(loaded) = self.store.load(session_id).await? else {
                // The edge tag was right, so it was a session of ours, and its row has been swept away.
                return Ok(Err(RefreshRefusal::Expired(None).unnoted()));
            };
            let Ok(token) = request.token.clone().open(&self.ring, &loaded.session.secret) else {
                return Ok(Err(RefreshRefusal::Invalid.unnoted()));
            };
            let presented = request.door.presenting(token);
            let now = self.now();
            // Only who is rightly bound counts towards the limit: a copy without its device cookie must not
            // be able to keep the owner waiting.
            if check_binding(&loaded.session, &presented).is_ok() {
                if let Err(limited) = self.limits.check(session_id, now) {
                    let refusal = RefreshRefusal::TooMany { retry_after: limited.retry_after };
                    return Ok(Err(refusal.of(loaded.session)));
                }
                let risk = self.risk.as_ref();
                if let Some(rule) = risk.and_then(|risk| risk.refuses(&loaded.session, &request.origin)) {
                    return Ok(Err(RefreshRefusal::WrongPlace(rule).of(loaded.session)));
                }
            }
            let attempt = request.attempt_id.as_deref().and_then(|id| {
                let keys = self.ring.session(self.ring.current_id(), &loaded.session.secret)?;
                Some(keys.attempt_hash(id.as_bytes()))
            });
            let decision =
                refresh(&loaded.session, &loaded.user.standing, &presented, attempt, &self.policy, now);
            let (decision, note) = self.weigh(decision, &loaded.session, &request.origin, &mut seen, now);
            if let Some(outcome) = self.carry_out(decision, loaded, &request.origin, note, now).await? {
                return Ok(outcome);
            }
        }
        Err(Doubt::Contended)
    }

    /// Lets the rules of risk have their say about a refresh that would be served: what is to be done, and what
    /// is to be noted of it.
    fn weigh(
        &self,
        decision: RefreshDecision,
        session: &Session,
        origin: &Origin,
        seen: &mut Seen,
        now: Timestamp,
    ) -> (Decision, Option<NewEvent>) {
        let is_sibling = match decision {
            RefreshDecision::Answer { repeat, .. } => !repeat,
            RefreshDecision::Advance { .. } => false,
            _ => return (Decision::ByRule(decision), None),
        };
        let Some(risk) = &self.risk else { return (Decision::ByRule(decision), None) };
        let window = self.policy.reuse_window.of(session.transport);
        let has_moved =
            *seen.has_moved.get_or_insert_with(|| risk.has_moved(session.id, origin, window, now));
        let weighed = risk.weigh_refresh(Weighing {
            session,
            origin,
            has_two_networks: is_sibling && has_moved,
            is_fast: !risk.is_off() && self.limits.is_fast(session.id, now),
            now,
        });
        let note = weighed.note.filter(|note| {
            // What ends the session is told in any case, and once.
            weighed.action == Action::Revoke
                || *seen.has_room.get_or_insert_with(|| risk.has_room(&session.id, note, now))
        });
        let kind =
            if weighed.action == Action::Revoke { EventKind::SessionRevoked } else { EventKind::RiskNoticed };
        let note = note.map(|note| self.event(kind, session, origin, Some(&note.to_string()), now));
        let decision = match weighed.action {
            Action::Allow | Action::Notify => Decision::ByRule(decision),
            // The configuration takes no threshold for it in earnest, so nobody gets here.
            Action::StepUp | Action::Refuse => Decision::Refuse,
            Action::Revoke => Decision::Revoke(Revocation { at: now, reason: RevokeReason::Risk }),
        };
        (decision, note)
    }

    /// Writes what is notable about a refresh that commits nothing it could be written with. Whatever was decided
    /// stands whether or not it could be noted.
    async fn record_note(&self, note: Option<NewEvent>) {
        let Some(note) = note else { return };
        if let Err(error) = self.store.record(note).await {
            tracing::warn!(%error, "something unusual about a refresh was not noted");
        }
    }

    /// Commits a decision and makes its answer; `None` where somebody was faster.
    async fn carry_out(
        &self,
        decision: Decision,
        loaded: Loaded,
        origin: &Origin,
        note: Option<NewEvent>,
        now: Timestamp,
    ) -> Result<Option<Result<(Tokens, &'static str), Refused>>, Doubt> {
        let Loaded { mut session, user } = loaded;
        let decision = match decision {
            Decision::ByRule(decision) => decision,
            Decision::Refuse => {
                self.record_note(note).await;
                return Ok(Some(Err(RefreshRefusal::TooRisky.unnoted())));
            }
            Decision::Revoke(revocation) => {
                let update = Update::Revoke(revocation);
                let change =
                    Change { session_id: session.id, expected: session.version, update, event: note };
                let is_done = self.store.commit(change).await? == Commit::Done;
                return Ok(is_done.then_some(Err(RefreshRefusal::Revoked(revocation).unnoted())));
            }
        };
        match decision {
            RefreshDecision::Answer { child, repeat } => {
                self.record_note(note).await;
                let word = if repeat { "repeat" } else { "sibling" };
                Ok(Some(Ok((self.issue(session, user, child, now)?, word))))
            }
            RefreshDecision::Advance { child, healed, .. } => {
                let Some(update) = decision.update() else { return Ok(None) };
                let event = (healed > 0).then(|| {
                    let reason = format!("{healed} generations");
                    self.event(EventKind::SessionHealed, &session, origin, Some(&reason), now)
                });
                // One write tells one story; that the store had lost something is the greater one.
                let event = event.or(note);
                let expected = session.version;
                update.apply(&mut session);
                let change = Change { session_id: session.id, expected, update, event };
                // Signed before it is committed: a signature that fails must not cost the client its token.
                let tokens = self.issue(session, user, child, now)?;
                match self.store.commit(change).await? {
                    Commit::Done => Ok(Some(Ok((tokens, if healed > 0 { "heal" } else { "advance" })))),
                    Commit::Conflict => Ok(None),
                }
            }
            RefreshDecision::Reuse { revocation, scope, evidence } => {
                let event =
                    self.event(EventKind::RefreshReuse, &session, origin, Some(evidence.as_str()), now);
                let is_done = match (scope, decision.update()) {
                    (ReuseScope::Session, Some(update)) => {
                        let expected = session.version;
                        let change = Change { session_id: session.id, expected, update, event: Some(event) };
                        self.store.commit(change).await? == Commit::Done
                    }
                    _ => {
                        let end = SubjectChange {
                            user_id: user.id,
                            expected: Some(user.standing.not_before),
                            at: revocation.at,
                            reason: RevokeReason::TokenReused,
                            keep: None,
                            update: None,
                            event,
                        };
                        self.store.revoke_subject(end).await? != SubjectEnd::Conflict
                    }
                };
                if let Some(risk) = self.risk.as_ref().filter(|_| is_done) {
                    risk.remember_reuse(user.id, now);
                }
                // Its event was written with it.
                Ok(is_done.then_some(Err(RefreshRefusal::Reused(evidence).unnoted())))
            }
            RefreshDecision::Refuse(refusal) => Ok(Some(Err(RefreshRefusal::from(refusal).of(session)))),
            RefreshDecision::InDoubt { lost } => {
                let reason = format!("{lost} generations");
                let event = self.event(EventKind::SessionInDoubt, &session, origin, Some(&reason), now);
                self.store.record(event).await?;
                tracing::error!(session_id = %session.id, lost, "a token is further ahead than lost writes explain");
                Err(Doubt::LostWrites { session_id: session.id, lost })
            }
        }
    }
}

type Outcome = Result<Result<(Tokens, &'static str), Refused>, Doubt>;

/// What is to be done, once the rules of risk have had their say.
enum Decision {
    /// What the refresh rule says.
    ByRule(RefreshDecision),
    /// Refuse; nothing changes.
    Refuse,
    /// Commit the end of the session, then refuse.
    Revoke(Revocation),
}

/// What was seen of a request, once, however often it is decided anew.
#[derive(Default)]
struct Seen {
    has_moved: Option<bool>,
    has_room: Option<bool>,
}

/// A refusal, and the session whose history it belongs into.
struct Refused {
    refusal: RefreshRefusal,
    session: Option<Box<Session>>,
}

impl RefreshRefusal {
    /// The rule that refused a genuine token; none where the token was not genuine, or its session is forgotten.
    pub fn rule(&self) -> Option<Rule> {
        match *self {
            Self::Invalid | Self::Expired(None) => None,
            Self::WrongDoor(rule) => Some(rule),
            Self::WrongDevice => Some(Rule::WrongDevice),
            Self::Expired(Some(Ended::Idle)) => Some(Rule::Idle),
            Self::Expired(Some(Ended::TooOld)) => Some(Rule::TooOld),
            Self::Expired(Some(Ended::Revoked(_))) | Self::Revoked(_) => Some(Rule::Ended),
            Self::Reused(evidence) => Some(Rule::Reuse(evidence)),
            Self::TooMany { .. } => Some(Rule::TooMany),
            Self::WrongPlace(rule) => Some(rule),
            Self::TooRisky => Some(Rule::Risk),
        }
    }

    fn unnoted(self) -> Refused {
        Refused { refusal: self, session: None }
    }

    fn of(self, session: Session) -> Refused {
        Refused { refusal: self, session: Some(Box::new(session)) }
    }
}

impl From<Refusal> for RefreshRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongTransport | Refusal::WrongClient => Self::WrongDoor(refusal.into()),
            Refusal::WrongDevice => Self::WrongDevice,
            Refusal::Ended(Ended::Revoked(revocation)) => Self::Revoked(revocation),
            Refusal::Ended(ended) => Self::Expired(Some(ended)),
        }
    }
}

fn verdict_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(Ok((_, word))) => word,
        Ok(Err(refused)) => match refused.refusal {
            RefreshRefusal::Invalid | RefreshRefusal::WrongDoor(_) => "invalid",
            RefreshRefusal::WrongDevice => "wrong_device",
            RefreshRefusal::Expired(_) => "expired",
            RefreshRefusal::Revoked(_) => "revoked",
            RefreshRefusal::Reused(_) => "reuse",
            RefreshRefusal::TooMany { .. } => "limited",
            RefreshRefusal::WrongPlace(_) => "wrong_place",
            RefreshRefusal::TooRisky => "risk",
        },
        Err(_) => "doubt",
    }
}
