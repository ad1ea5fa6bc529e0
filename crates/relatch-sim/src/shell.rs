//! Our rule: the real shell of `relatch-server`, over a store that fails, under the simulated clock.

use crate::clock::SimClock;
use crate::dice::{Dice, Room};
use crate::plant::Plant;
use crate::rule::{Answer, DoorKind, EndReason, Grant, Reply, Request, RowView, Rule, Why};
use crate::store::{Backend, Faults, FaultyStore, Meter, StoreKind};
use crate::timeline::{Stage, Timeline, wait_here};
use anyhow::{Result, ensure};
use relatch_core::{EventKind, Origin, Policy, ReuseScope, RevokeReason, Transport, Windows};
use relatch_server::limits::RefreshLimits;
use relatch_server::sessions::{
    Bearer, BearerProblem, Door, Doubt, EndAll, LifetimePolicy, Opening, RefreshRefusal, RefreshRequest,
    Sessions, SessionsParts, Surroundings,
};
use relatch_server::tokens::{AccessPolicy, AccessSigner, AccessTokens};
use relatch_store::{
    AccountStore, EventFilter, EventStore, NewEvent, NewUser, SubjectEnd, SubjectUpdate, User, UserKey,
};
use relatch_token::{
    Audience, DeviceHash, KeyRing, MasterKey, SealedToken, Seconds, Secret, SessionId, UserId,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// What a simulated server is made of.
#[derive(Clone)]
pub(crate) struct ShellOptions {
    /// How many people have an account.
    pub(crate) users: usize,
    /// The reuse windows.
    pub(crate) windows: Windows,
    /// Where sessions are kept.
    pub(crate) store: StoreKind,
    /// Who signs access tokens.
    pub(crate) signer: Arc<dyn AccessSigner>,
    /// A bug, planted on purpose.
    pub(crate) plant: Option<Plant>,
}

/// The real shell.
pub(crate) struct Shell {
    stage: Stage,
    timeline: Timeline,
    backend: Arc<Backend>,
    faults: Arc<Faults>,
    clock: Arc<SimClock>,
    ring: Arc<KeyRing>,
    access: AccessTokens,
    policy: Policy,
    limits: Arc<RefreshLimits>,
    surroundings: Surroundings,
    plant: Option<Plant>,
    stale: Arc<std::sync::Mutex<std::collections::BTreeMap<SessionId, relatch_store::Loaded>>>,
    /// Counts crashes, so that a request notices one.
    crashes: Arc<AtomicU64>,
}

/// The master keys of every simulated server.
pub(crate) fn ring() -> Result<KeyRing> {
    Ok(KeyRing::new(b"relatch-sim", vec![MasterKey { id: 1, secret: Secret::new([7; 32]) }])?)
}

impl Shell {
    /// A server with an empty store but for its users.
    pub(crate) fn new(
        seed: u64,
        options: &ShellOptions,
        faults: Arc<Faults>,
        stage: Stage,
        timeline: Timeline,
    ) -> Result<Self> {
        let entropy = Arc::new(Dice::new(seed, Room::Entropy));
        let clock = Arc::new(SimClock::new(timeline.clone()));
        let policy = AccessPolicy {
            issuer: "https://sim.invalid".to_owned(),
            audience: Audience::One("sim".to_owned()),
            life: Seconds(900),
            first_party_client_id: "sim".to_owned(),
            claims: serde_json::Map::new(),
            clients: std::collections::BTreeMap::new(),
        };
        let shell = Self {
            stage,
            timeline,
            backend: Arc::new(Backend::open(options.store)?),
            faults,
            ring: Arc::new(ring()?),
            access: AccessTokens::new(Arc::clone(&options.signer), policy),
            policy: Policy { reuse_window: options.windows, on_reuse: ReuseScope::Session },
            limits: Arc::new(RefreshLimits::new(REFRESHES_MAX, SESSIONS_MAX, &*entropy)),
            surroundings: Surroundings { clock: clock.clone(), entropy },
            clock,
            plant: options.plant,
            stale: Arc::default(),
            crashes: Arc::default(),
        };
        for user in 0..options.users {
            shell.add_user(user)?;
        }
        Ok(shell)
    }

    /// The server's clock.
    pub(crate) fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// The server goes down and comes back at once: whatever it was doing is gone, and with it the newest
    /// `count` moves of heads.
    pub(crate) fn crash(&self, count: usize) -> usize {
        self.crashes.fetch_add(1, Ordering::Relaxed);
        let lost = self.backend.lose_last_moves(count);
        self.faults.note(|counts| {
            counts.crashes += 1;
            counts.moves_lost += lost as u64;
        });
        self.stage.wake_everyone();
        lost
    }

    fn add_user(&self, user: usize) -> Result<()> {
        let (id, at) = (user_id(user), self.surroundings.clock.now());
        let event = self.event(EventKind::SignedUp, id);
        let user = User {
            id,
            email: None,
            name: None,
            external_id: Some(id.to_string()),
            created_at: at,
            standing: Default::default(),
        };
        let made = wait_here(self.backend.store().create_user(NewUser {
            user,
            password: None,
            event,
            welcome: None,
        }))?;
        ensure!(made == relatch_store::CreateUser::Done, "a simulated user could not be made: {made:?}");
        Ok(())
    }

    /// The shell, over the store as one request sees it.
    fn furnish(&self, store: Arc<FaultyStore>) -> Sessions {
        Sessions::new(SessionsParts {
            store,
            ring: Arc::clone(&self.ring),
            access: self.access.clone(),
            policy: self.policy,
            lifetimes: LIFETIMES,
            room: None,
            limits: Arc::clone(&self.limits),
            // A refusal writes nothing to its session, which is what is judged here; the note of it is an event.
            refusal_notes: None,
            // A simulated device has neither an address nor a browser.
            risk: None,
            surroundings: self.surroundings.clone(),
        })
    }

    async fn answer(&self, request: Request, store: Arc<FaultyStore>) -> Result<Answer, Doubt> {
        let sessions = self.furnish(Arc::clone(&store));
        match request {
            Request::LogIn { user, door } => self.log_in(&sessions, &store, user, door).await,
            Request::Refresh { token, door, attempt } => {
                let Ok(token) = SealedToken::parse(&token, &self.ring) else {
                    return Ok(Answer::Refused(Why::Invalid));
                };
                self.refresh(&sessions, &store, token, door, attempt).await
            }
            Request::LogOut { token, door } => {
                if let Ok(token) = SealedToken::parse(&token, &self.ring) {
                    sessions.log_out(&token, &open(door), RevokeReason::Logout, &Origin::default()).await?;
                }
                Ok(Answer::Done)
            }
            Request::EndAll { user, reason } => self.end_all(&sessions, &store, user, reason).await,
            Request::Me { access_token } => Ok(match sessions.authenticate(&access_token).await? {
                Ok(Bearer { .. }) => Answer::Done,
                Err(BearerProblem::Expired) => Answer::Refused(Why::Expired),
                Err(BearerProblem::Revoked) => Answer::Refused(Why::Revoked),
                Err(BearerProblem::Invalid) => Answer::Refused(Why::Invalid),
            }),
        }
    }

    async fn log_in(
        &self,
        sessions: &Sessions,
        store: &FaultyStore,
        user: usize,
        door: DoorKind,
    ) -> Result<Answer, Doubt> {
        let Some(user) = store.user(&UserKey::Id(user_id(user))).await? else {
            return Ok(Answer::Refused(Why::NotWelcome));
        };
        let door = open(door);
        let opening = Opening {
            user,
            transport: door.transport,
            device: door.device,
            client_id: None,
            scope: None,
            amr: vec!["pwd".to_owned()],
            origin: Origin::default(),
            remember: true,
            claims: serde_json::Map::new(),
            kind: EventKind::Login,
            reason: None,
        };
        Ok(match sessions.open(opening).await? {
            Ok(tokens) => served(tokens),
            Err(_) => Answer::Refused(Why::NotWelcome),
        })
    }

    async fn refresh(
        &self,
        sessions: &Sessions,
        store: &FaultyStore,
        token: SealedToken,
        door: DoorKind,
        attempt: Option<String>,
    ) -> Result<Answer, Doubt> {
        let attempt_id = match self.plant {
            Some(Plant::SameChild) => Some("the same for everybody".to_owned()),
            _ => attempt,
        };
        let request = RefreshRequest { token, door: open(door), attempt_id, origin: Origin::default() };
        let outcome = sessions.refresh(&request).await?;
        if self.plant == Some(Plant::WritesTwice) && outcome.is_ok() {
            store.record(self.event(EventKind::SessionHealed, user_id(0))).await?;
        }
        if self.plant == Some(Plant::DeviceEndsSession) && matches!(outcome, Err(RefreshRefusal::WrongDevice))
        {
            let id = request.token.session_id();
            let end = relatch_server::sessions::EndOne {
                session_id: id,
                owner: None,
                reason: RevokeReason::TokenReused,
                origin: Origin::default(),
                by: None,
            };
            sessions.end_one(&end).await?;
        }
        Ok(match outcome {
            Ok(tokens) => served(tokens),
            Err(RefreshRefusal::TooMany { .. }) => Answer::TryLater,
            Err(refusal) => Answer::Refused(why(refusal)),
        })
    }

    async fn end_all(
        &self,
        sessions: &Sessions,
        store: &FaultyStore,
        user: usize,
        reason: EndReason,
    ) -> Result<Answer, Doubt> {
        let Some(user) = store.user(&UserKey::Id(user_id(user))).await? else { return Ok(Answer::Done) };
        let (reason, kind, update) = match reason {
            EndReason::LogOutAll => (RevokeReason::LogoutAll, EventKind::LogoutAll, None),
            EndReason::PasswordChanged => {
                let hash = Secret::new("not a real hash".to_owned());
                let update = Some(SubjectUpdate::Password(hash));
                (RevokeReason::PasswordChanged, EventKind::PasswordChanged, update)
            }
            EndReason::Disabled => {
                (RevokeReason::UserDisabled, EventKind::UserDisabled, Some(SubjectUpdate::Disable))
            }
        };
        let end = EndAll {
            user,
            is_conditional: reason == RevokeReason::PasswordChanged,
            keep: None,
            reason,
            update,
            kind,
            from: None,
            origin: Origin::default(),
            by: None,
        };
        Ok(match sessions.end_all(end).await? {
            SubjectEnd::Done { .. } => Answer::Done,
            SubjectEnd::Conflict => Answer::TryLater,
        })
    }

    fn event(&self, kind: EventKind, user_id: UserId) -> NewEvent {
        let at = self.surroundings.clock.now();
        NewEvent { kind, at, user_id, session_id: None, origin: Origin::default(), reason: None }
    }
}

#[async_trait::async_trait(?Send)]
impl Rule for Shell {
    async fn serve(&self, request: Request) -> Option<Reply> {
        let meter = Arc::new(Meter::default());
        let store = Arc::new(FaultyStore {
            backend: Arc::clone(&self.backend),
            faults: Arc::clone(&self.faults),
            timeline: self.timeline.clone(),
            meter: Arc::clone(&meter),
            plant: self.plant,
            stale: Arc::clone(&self.stale),
        });
        let begun = self.crashes.load(Ordering::Relaxed);
        let mut work = pin!(self.answer(request, store));
        let outcome = std::future::poll_fn(|context| {
            if self.crashes.load(Ordering::Relaxed) != begun {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await?;
        let doubt = match self.plant {
            Some(Plant::TroubleIs401) => Answer::Refused(Why::Revoked),
            // What the HTTP edge makes of every doubt: 503.
            _ => Answer::TryLater,
        };
        let answer = outcome.unwrap_or(doubt);
        Some(Reply { answer, writes: meter.writes() })
    }

    fn lose_last_moves(&self, count: usize) -> usize {
        self.crash(count)
    }

    fn row(&self, session: &str) -> RowView {
        let Some(id) = session.parse::<SessionId>().ok() else { return RowView::default() };
        let Ok(Some(loaded)) = wait_here(self.backend.store().load(id)) else { return RowView::default() };
        let session = loaded.session;
        let filter =
            EventFilter { session_id: Some(id), limit: EventFilter::LIMIT_MAX, ..Default::default() };
        let events = wait_here(self.backend.store().events(filter)).unwrap_or_default();
        let texts = [session.scope.as_deref(), session.origin.user_agent.as_deref()];
        let text_bytes: usize = texts.into_iter().flatten().map(str::len).sum();
        let claims = serde_json::to_string(&session.claims).map_or(0, |text| text.len());
        RowView {
            writes: session.version.0,
            bytes: size_of_val(&session) + text_bytes + claims,
            is_healed: events.iter().any(|event| event.event.kind == EventKind::SessionHealed),
        }
    }
}

fn served(tokens: relatch_server::sessions::Tokens) -> Answer {
    Answer::Served(Grant {
        session: tokens.session.id.to_string(),
        generation: tokens.generation.0,
        refresh_token: tokens.refresh_token.expose().clone(),
        access_token: tokens.access_token.expose().clone(),
    })
}

fn why(refusal: RefreshRefusal) -> Why {
    match refusal {
        RefreshRefusal::Invalid
        | RefreshRefusal::WrongDoor(_)
        | RefreshRefusal::WrongPlace(_)
        | RefreshRefusal::TooRisky
        | RefreshRefusal::TooMany { .. } => Why::Invalid,
        RefreshRefusal::WrongDevice => Why::WrongDevice,
        RefreshRefusal::Expired(_) => Why::Expired,
        RefreshRefusal::Revoked(_) => Why::Revoked,
        RefreshRefusal::Reused(_) => Why::Reused,
    }
}

fn open(door: DoorKind) -> Door {
    let (transport, device) = match door {
        DoorKind::Cookie(device) => (Transport::Cookie, device.map(DeviceHash)),
        DoorKind::Body => (Transport::Body, None),
    };
    Door { transport, client_id: None, device }
}

fn user_id(user: usize) -> UserId {
    UserId::from_bytes([u8::try_from(user).unwrap_or(u8::MAX); 16])
}

/// The defaults of DESIGN section 2.
pub(crate) const WINDOWS: Windows = Windows { cookie: Seconds(30), body: Seconds(10) };
/// The defaults of API.md.
const LIFETIMES: LifetimePolicy = LifetimePolicy {
    idle: Seconds(14 * 86_400),
    absolute: Seconds(90 * 86_400),
    idle_unremembered: Seconds(86_400),
};
/// The contract's least.
const REFRESHES_MAX: u32 = 100;
/// More than a simulation has.
const SESSIONS_MAX: usize = 512;
