//! The keys of the server: the master key, and the keys that sign access tokens.
//!
//! A master key ([`MasterKeySource`]) seals the signing keys, so that nodes share them through the store and
//! a dump of it signs nothing. [`SigningKeys`] signs, verifies and publishes from an immutable [`KeySet`];
//! what changes keys (`load`, `tend`, `rotate`, `revoke`) writes to the store first and then swaps the set.
//! Why the published set holds one type of key: `docs/decisions/0003-one-key-type.md`.

pub(crate) mod aead;
mod error;
mod key_set;
mod master;
mod policy;
mod schedule;
mod seal;
mod signing;
mod signing_keys;
#[cfg(test)]
mod timeline_tests;
mod vault;

pub use error::{KeysError, RotationRefused, SignError, TokenProblem};
pub use key_set::{Expectations, KeySet, KeyState, KeyView};
pub use master::{MasterKeyError, MasterKeySource, parse_master_keys};
pub use policy::{KeyPolicy, PolicyError, SPREAD};
pub use signing::{Algorithm, RsaSize, UnknownAlgorithm};
pub use signing_keys::{RELOAD_COOL_DOWN, RotateOrder, SigningKeys, TEND_EVERY, Takeover};
