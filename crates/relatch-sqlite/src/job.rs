//! One write on its way through the writer: what to do, how it went, whom to tell.

use crate::error::Fault;
use crate::metric;
use relatch_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// What a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A head moves: one statement, undone by itself when it fails, and not worth waiting for the disk where
    /// that is configured so.
    MoveHead,
    /// Anything else, by its name in the metrics.
    Change(&'static str),
}

/// A write that waits for the writer, whatever it answers with.
pub(crate) trait Job: Send {
    fn kind(&self) -> Kind;

    /// Does it, inside the group's transaction.
    fn run(&mut self, conn: &Connection);

    /// Why it failed, where it did.
    fn failure(&self) -> String;

    /// Tells the caller, now that the group's commit has ended.
    fn answer(self: Box<Self>, committed: &Result<(), StoreError>);
}

/// The [`Job`] that answers with a `T`.
pub(crate) struct Task<T, W> {
    kind: Kind,
    work: Option<W>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Task<T, W> {
    pub(crate) fn new(kind: Kind, work: W, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { kind, work: Some(work), outcome: None, answer }
    }
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, conn: &Connection) {
        let Some(work) = self.work.take() else { return };
        let outcome = match self.kind {
            Kind::MoveHead => work(conn),
            Kind::Change(_) => within_savepoint(conn, work),
        };
        self.outcome = Some(outcome.map_err(StoreError::from));
    }

    fn failure(&self) -> String {
        match &self.outcome {
            Some(Err(StoreError::Unavailable(why) | StoreError::Corrupt(why))) => why.clone(),
            _ => "SQLite gave the transaction up".into(),
        }
    }

    fn answer(self: Box<Self>, committed: &Result<(), StoreError>) {
        let answer = match (committed, self.outcome) {
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(writer_is_gone()),
        };
        let operation = match self.kind {
            Kind::MoveHead => "move_head",
            Kind::Change(operation) => operation,
        };
        metric::count(operation, answer.is_ok());
        // Who asked may have gone away; the write stands.
        let _ = self.answer.send(answer);
    }
}

/// So that a write that fails half-way leaves nothing behind and the others of its group go on.
fn within_savepoint<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    conn.prepare_cached("SAVEPOINT job")?.execute([])?;
    let outcome = work(conn);
    if outcome.is_err() && !conn.is_autocommit() {
        conn.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    if !conn.is_autocommit() {
        conn.prepare_cached("RELEASE job")?.execute([])?;
    }
    outcome
}

/// The answer where there is nobody who could give one.
pub(crate) fn writer_is_gone() -> StoreError {
    StoreError::Unavailable(
        "the thread that writes to the database has ended; restart the server, and look for the reason in its \
         log"
            .into(),
    )
}
