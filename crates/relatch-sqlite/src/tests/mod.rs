//! The store under the suite that every store must pass, and under faults of its own.

mod conformance;
mod faults;
mod opening;
mod upkeep;

use crate::{Options, SqliteStore};
use relatch_store::conformance::{new_session, new_user, session, user};
use relatch_store::{AccountStore, SessionStore};
use relatch_store::{CreateSession, CreateUser, User};
use std::path::Path;
use std::time::Duration;

/// The usual options, less patient.
fn options() -> Options {
    Options { busy_for: Duration::from_millis(500), ..Options::new([7; 16]) }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, options()).unwrap()
}

async fn sign_up(store: &SqliteStore, n: u64) -> User {
    assert_eq!(store.create_user(new_user(user(n), n)).await, Ok(CreateUser::Done));
    user(n)
}

/// Session `n` of a user, begun.
async fn log_in(store: &SqliteStore, user: &User, n: u64) -> relatch_core::Session {
    let session = session(user, n);
    assert_eq!(store.create(new_session(session.clone())).await, Ok(CreateSession::Done));
    session
}
