//! What crosses the wire: identifiers, the refresh token and its seal, the claims of an access token.
//!
//! No I/O, no clock and no source of randomness: whoever calls brings the time, the bytes and the keys.
#![no_std]
extern crate alloc;

mod claims;
mod id;
mod keyring;
mod refresh_token;
mod secret;
mod time;

pub use claims::{AccessClaims, Audience, REGISTERED_CLAIMS};
pub use id::{ClientId, DeviceHash, DeviceId, FactorId, IdError, SessionId, UserId};
pub use keyring::{KeyRing, KeyRingError, MasterKey, SessionKeys, SessionSecret};
pub use refresh_token::{
    AttemptHash, Generation, Nonce, REFRESH_TOKEN_PREFIX, RefreshToken, SealedToken, TokenError,
};
pub use secret::Secret;
pub use time::{Seconds, Timestamp};
