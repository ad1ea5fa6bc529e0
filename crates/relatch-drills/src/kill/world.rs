//! What all actors share: the way to the server, and the history that every request goes into.

use super::history::{Asked, AttemptNo, Call, Heard, History, Micros, Party, PasswordNo, UserNo};
use crate::wire::{Answer, Ask, Grant, Transport, Unanswered};
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The surroundings of an actor.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) window: Duration,
    pub(crate) api_key: String,
    client: reqwest::Client,
    begun: Instant,
    history: Mutex<History>,
    attempts: AtomicU64,
    is_over: AtomicBool,
    /// Sessions that must be dead, for probers.
    graves: Mutex<Vec<Grant>>,
}

/// A person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) no: UserNo,
    pub(crate) password: PasswordNo,
}

/// An answer, as its asker goes on with it.
pub(crate) enum Reply {
    Tokens(Grant),
    Done,
    Refused,
}

impl World {
    pub(crate) fn new(url: &str, api_key: &str, window: Duration) -> Result<Self> {
        Ok(Self {
            url: url.to_owned(),
            window,
            api_key: api_key.to_owned(),
            client: crate::wire::client()?,
            begun: Instant::now(),
            history: Mutex::default(),
            attempts: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            graves: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> Micros {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether actors shall come to an end.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn new_attempt(&self) -> AttemptNo {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// Buries a session: from now on probers try it.
    pub(crate) fn bury(&self, grants: impl IntoIterator<Item = Grant>) {
        self.graves.lock().unwrap_or_else(PoisonError::into_inner).extend(grants);
    }

    /// Some dead session, `pick` being given how many there are.
    pub(crate) fn grave(&self, pick: impl FnOnce(usize) -> usize) -> Option<Grant> {
        let graves = self.graves.lock().unwrap_or_else(PoisonError::into_inner);
        if graves.is_empty() { None } else { graves.get(pick(graves.len())).cloned() }
    }

    /// Asks once. [`None`] where the answer was lost or put off.
    pub(crate) async fn once(&self, party: Party, asked: Asked, ask: &Ask) -> Result<Option<Reply>> {
        loop {
            let begun = self.now();
            let answered = ask.send(&self.client, &self.url).await;
            let ended = self.now();
            if matches!(answered, Err(Unanswered::NotSent)) {
                // The server is down: nothing has happened that a history would tell of.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let (heard, reply) = self.hear(answered.ok())?;
            self.history().calls.push(Call { begun, ended, party, asked, heard });
            return Ok(reply);
        }
    }

    /// Asks until there is an answer.
    pub(crate) async fn surely(&self, party: Party, asked: Asked, ask: &Ask) -> Result<Reply> {
        for _ in 0..TRIES_MAX {
            if let Some(reply) = self.once(party, asked.clone(), ask).await? {
                return Ok(reply);
            }
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("no answer to {asked:?} in {TRIES_MAX} tries; the server's log says why")
    }

    fn hear(&self, answer: Option<Answer>) -> Result<(Heard, Option<Reply>)> {
        let Some(answer) = answer else { return Ok((Heard::Nothing, None)) };
        Ok(match answer.status {
            200 | 201 if answer.body.contains("\"access_token\"") => {
                let grant = answer.grant()?;
                let mut history = self.history();
                let session = history.session(&grant.session);
                let token = history.token(&grant.refresh_token);
                (Heard::Tokens { session, token, generation: grant.generation }, Some(Reply::Tokens(grant)))
            }
            200..300 => (Heard::Done, Some(Reply::Done)),
            429 | 503 => (Heard::Later, None),
            status @ 500.. => (Heard::Fault(status), None),
            status => (Heard::Refused(status, answer.code()), Some(Reply::Refused)),
        })
    }

    /// A refresh of `grant` as the request and what the history calls it.
    pub(crate) fn refresh(&self, grant: &Grant, attempt: AttemptNo) -> (Asked, Ask) {
        let mut history = self.history();
        let (session, token) = (history.session(&grant.session), history.token(&grant.refresh_token));
        let ask = Ask::post("/auth/refresh")
            .presenting(grant.transport, &grant.refresh_token, &grant.device)
            .header("idempotency-key", format!("attempt-{attempt}"));
        (Asked::Refresh { session, token, attempt }, ask)
    }

    /// `/auth/me`, the same way.
    pub(crate) fn me(&self, grant: &Grant) -> (Asked, Ask) {
        let session = self.history().session(&grant.session);
        (Asked::Me { session }, Ask::get("/auth/me").bearer(&grant.access_token))
    }

    /// Refreshes until there is an answer, under one attempt id. [`None`] where it is a refusal.
    pub(crate) async fn surely_refresh(&self, party: Party, grant: &Grant) -> Result<Option<Grant>> {
        let (asked, ask) = self.refresh(grant, self.new_attempt());
        Ok(self.surely(party, asked, &ask).await?.successor(grant))
    }

    /// Logs in. [`None`] where the password is refused.
    pub(crate) async fn log_in(&self, user: User, transport: Transport) -> Result<Option<Grant>> {
        let ask = Ask::login(&user.email(), &password_text(user.no, user.password), transport);
        let asked = Asked::Open { user: user.no, password: user.password };
        Ok(self.surely(Party::Owner, asked, &ask).await?.grant())
    }

    /// A person who signs up while nothing goes wrong yet.
    pub(crate) async fn sign_up(&self, no: UserNo, transport: Transport) -> Result<(User, Grant)> {
        let user = User { no, password: 0 };
        let ask = Ask::signup(&user.email(), &password_text(no, 0), transport);
        let reply = self.surely(Party::Owner, Asked::Open { user: no, password: 0 }, &ask).await?;
        Ok((user, reply.grant().context("a sign-up was refused")?))
    }
}

impl User {
    fn email(self) -> String {
        format!("user{}@example.com", self.no)
    }
}

impl Reply {
    fn grant(self) -> Option<Grant> {
        match self {
            Self::Tokens(grant) => Some(grant),
            Self::Done | Self::Refused => None,
        }
    }

    /// The tokens that follow on `before`, which keep its device cookie.
    pub(crate) fn successor(self, before: &Grant) -> Option<Grant> {
        Some(Grant { device: before.device.clone(), ..self.grant()? })
    }
}

pub(crate) fn password_text(user: UserNo, password: PasswordNo) -> String {
    format!("the {password}th password of user {user}")
}

/// About what clients wait before they try again.
const PAUSE: Duration = Duration::from_millis(15);
/// Lost answers in a row: the server is killed a few times in a request's life, not hundreds of times.
const TRIES_MAX: usize = 1000;
