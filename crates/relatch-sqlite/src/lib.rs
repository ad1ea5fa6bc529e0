//! The embedded store: SQLite behind one writer thread that commits in groups.
//!
//! Reads run where they are asked, on a small pool of connections; writes wait in a bounded queue for the one
//! thread that takes all that waits, commits once and answers all. Another thread moves the write-ahead log
//! into the database. How rows are laid out is told in `migrations/0001_initial.sql`.

mod accounts;
mod checkpoint;
mod devices;
mod dictionary;
mod error;
mod events;
mod factors;
mod feed;
mod job;
mod keys;
mod links;
mod maintenance;
mod metric;
mod migrate;
mod open;
mod outbox;
mod profile;
mod readers;
mod row;
mod session_row;
mod sessions;
mod store;
mod subject;
mod sweep;
#[cfg(test)]
mod tests;
mod user_row;
mod users;
mod writer;

pub use error::OpenError;
pub use store::{Durability, Options, SqliteStore};
