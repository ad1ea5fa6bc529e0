//! What can go wrong with keys, in sentences for the operator; and the few answers that a request needs.

use super::PolicyError;
use super::signing::CryptoRefused;
use relatch_store::StoreError;

/// Why the signing keys can't be loaded or changed. Everything but `Store` needs an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The store didn't do it; nothing is concluded from that.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy would break verifiers.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The master key that seals a signing key wasn't given.
    #[error(
        "the signing key {kid} is sealed under master key {master_id}, which was not given (given: {given}); \
         add `{master_id}:…` to the master keys, or, if it is lost, run `relatch keys revoke {kid}`"
    )]
    MasterMissing {
        /// The signing key.
        kid: String,
        /// The number of the master key.
        master_id: u8,
        /// The numbers that were given.
        given: String,
    },
    /// A master key of the right number, but another key.
    #[error(
        "the signing key {kid} doesn't open: master key {master_id} is not the one that sealed it, or the \
         database is another instance's; give the master key that this database was made with, or, if it is \
         lost, run `relatch keys revoke {kid}`"
    )]
    MasterWrong {
        /// The signing key.
        kid: String,
        /// The number of the master key.
        master_id: u8,
    },
    /// The row of a key doesn't describe the key that it seals.
    #[error(
        "the signing key {kid} is damaged ({problem}); restore the database from a backup, or run \
         `relatch keys revoke {kid}`"
    )]
    Damaged {
        /// The signing key.
        kid: String,
        /// What doesn't fit.
        problem: &'static str,
    },
    /// The rotation would do harm.
    #[error(transparent)]
    Refused(#[from] RotationRefused),
    /// There is no such key.
    #[error("there is no signing key `{0}`; `relatch keys list` shows all of them")]
    NoSuchKey(String),
    /// Other nodes kept changing the keys while we tried.
    #[error("other nodes changed the signing keys at the same time; run `relatch keys list` and try again")]
    Contended,
    /// The library that does the cryptography failed.
    #[error("{0}; check the machine's memory and the build")]
    Crypto(String),
}

impl From<CryptoRefused> for KeysError {
    fn from(refused: CryptoRefused) -> Self {
        Self::Crypto(refused.to_string())
    }
}

/// Why a rotation was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefused {
    /// The next key is already published.
    #[error(
        "the next signing key {kid} is already published and takes over in {seconds} s; wait for it, or make \
         it sign at once with `relatch keys rotate --now`"
    )]
    Pending {
        /// The next key.
        kid: String,
        /// When it takes over.
        seconds: i64,
    },
    /// A key would sign that verifiers haven't seen.
    #[error(
        "verifiers would refuse a key that signs before it was published for {needed} s; {}, or \
         add --danger-now if the current key is in wrong hands", next_step(.wait)
    )]
    OutrunsVerifiers {
        /// How long a key has to be published first, in seconds.
        needed: u32,
        /// In how many seconds the pending key may sign; none where there is no pending key.
        wait: Option<i64>,
    },
    /// Keys of two types can't be published beside each other.
    #[error(
        "the current key is {current} and the published keys are of one type only, so {wanted} can't be \
         published beside it; add --danger-now to replace it at once: every access token is \
         refused once and refreshed, no session is lost (docs/decisions/0003-one-key-type.md)"
    )]
    OtherType {
        /// The algorithm of the current key.
        current: &'static str,
        /// The algorithm asked for.
        wanted: &'static str,
    },
    /// Too many keys are published.
    #[error(
        "{0} signing keys are published, and verifiers may read no more; wait until the oldest has retired \
         (`relatch keys list` says when)"
    )]
    TooMany(usize),
}

fn next_step(wait: &Option<i64>) -> String {
    match wait {
        Some(seconds) => format!("wait {seconds} s for the one that is published"),
        None => "run `relatch keys rotate` without --now".into(),
    }
}

/// Why a token wasn't signed: always our fault or the operator's, so the answer is a 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No key may sign now.
    #[error("no signing key is in force; run `relatch keys list`")]
    NoKey,
    /// The token would live longer than its key is published.
    #[error(
        "the token would outlive its signing key; the server has not seen the next key yet, or signs tokens \
         that live longer than keys.access_token_life"
    )]
    OutlivesKey,
    /// The library that does the cryptography failed.
    #[error("the cryptographic library refused to sign; check the machine's memory and the build")]
    Crypto,
}

/// What is wrong with an access token that came to one of our own routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// It is ours, and it was good until it expired.
    #[error("the access token has expired")]
    Expired,
    /// It names a key that we don't have: another node may have made it a moment ago.
    #[error("the access token names a key that is not known here")]
    UnknownKey,
    /// It isn't ours, isn't for us, or was changed.
    #[error("the access token is not valid here")]
    Invalid,
}
