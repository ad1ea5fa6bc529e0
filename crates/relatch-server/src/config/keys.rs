//! `[keys]`: the master key, and the keys that sign access tokens.

use super::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the master key comes from, and how signing keys live. One of `master_key`, `master_key_file` and
/// `master_key_command` is needed to serve; `relatch dev` makes a key of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// The master keys, as `number:key` with a number from 0 to 255 and 32 random bytes in base64url.
    /// Several are separated by commas: the first one is the current one, the others only open what they
    /// sealed. Taken from the environment alone (`RELATCH_MASTER_KEY` is its short name); a secret has no
    /// place in a configuration file.
    #[schemars(extend("x-secret" = true))]
    pub master_key: Option<SecretText>,
    /// A file that holds the master keys, in the same form, separated by commas or lines.
    pub master_key_file: Option<PathBuf>,
    /// A program and its arguments that print the master keys, in the same form; run once at start.
    pub master_key_command: Vec<String>,
    /// The keys that sign access tokens.
    pub signing: SigningConfig,
}

/// How signing keys are made and rotated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// The algorithm of new keys. Several common verifiers refuse `EdDSA`; every one takes `ES256`.
    pub algorithm: SigningAlgorithm,
    /// How long a key signs before the next one takes over. 0 turns the schedule off, so that keys change
    /// only by `relatch keys rotate`.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub rotate_every_seconds: u32,
    /// How long a key is published before it signs, so that every verifier has seen it by then.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub publish_before_seconds: u32,
    /// How long the slowest verifier keeps a copy of the published keys. No key signs before it has been
    /// published for that long.
    #[schemars(range(min = 0, max = 604_800))]
    pub verifier_cache_seconds: u32,
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::Es256,
            rotate_every_seconds: 30 * 86_400,
            publish_before_seconds: 86_400,
            verifier_cache_seconds: 3600,
        }
    }
}

/// How access tokens are signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}
