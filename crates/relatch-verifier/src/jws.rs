//! Taking a compact JWS apart, and refusing every header that no access token needs (RFC 8725).

use crate::Flaw;
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_token::AccessClaims;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// The longest token that is looked at, in bytes. Ours have about 700; header lines end at 16 KiB.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// An algorithm that access tokens may be signed with. There is no symmetric one, and no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default of Relatch.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 bits and more.
    Rs256,
}

impl Algorithm {
    /// From its name in a header or a key (RFC 7518 §3.1, RFC 8037 §3.1), by exact spelling.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// A token taken apart. Nothing in it is to be believed before its signature was checked.
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
    /// What is signed: header and payload as they were sent.
    pub(crate) message: &'a str,
    pub(crate) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Jws<'a> {
    /// Reads header and signature, and refuses what `allowed` and RFC 9068 §4 do not allow.
    pub(crate) fn parse(token: &'a str, allowed: &[Algorithm]) -> Result<Self, Flaw> {
        let (message, signature) = token.rsplit_once('.').ok_or(Flaw::NotASignedJwt)?;
        let (header, payload) = message.split_once('.').ok_or(Flaw::NotASignedJwt)?;
        if payload.contains('.') {
            return Err(Flaw::NotASignedJwt);
        }
        let header_json = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header_json).map_err(|_| Flaw::Header)?;
        if header.has_forbidden_parameter() {
            return Err(Flaw::ForbiddenHeader);
        }
        let algorithm = Algorithm::from_name(&header.alg).filter(|algorithm| allowed.contains(algorithm));
        let algorithm = algorithm.ok_or(Flaw::Algorithm)?;
        if !header.typ.as_deref().is_some_and(is_access_token_type) {
            return Err(Flaw::Type);
        }
        let kid = header.kid.ok_or(Flaw::NoKeyId)?.into_owned();
        Ok(Self { algorithm, kid, message, signature: decode(signature)?, payload })
    }

    /// The claims; to be called once the signature was checked.
    pub(crate) fn claims(&self) -> Result<AccessClaims, Flaw> {
        serde_json::from_slice(&decode(self.payload)?).map_err(|_| Flaw::Claims)
    }
}

/// The header parameters that we read or refuse; others are ignored (RFC 7515 §4). A repeated one is an error.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(default)]
    jku: Presence,
    #[serde(default)]
    jwk: Presence,
    #[serde(default)]
    x5u: Presence,
    #[serde(default)]
    x5c: Presence,
    #[serde(default)]
    crit: Presence,
    #[serde(default)]
    b64: Presence,
    #[serde(default)]
    enc: Presence,
    #[serde(default)]
    zip: Presence,
}

impl Header<'_> {
    fn has_forbidden_parameter(&self) -> bool {
        [&self.jku, &self.jwk, &self.x5u, &self.x5c, &self.crit, &self.b64, &self.enc, &self.zip]
            .iter()
            .any(|parameter| parameter.0)
    }
}

/// Whether a parameter is there at all, even as `null`.
#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// RFC 9068 §4 with RFC 7515 §4.1.9: `at+jwt`, or with its full media type, in any case.
fn is_access_token_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

/// base64url without padding, and in one spelling only: unused bits must be zero.
fn decode(part: &str) -> Result<Vec<u8>, Flaw> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| Flaw::Base64)
}
