//! Identifiers: opaque strings to callers, types to us.

use alloc::borrow::ToOwned;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt;
use core::str::FromStr;

/// A text that is not an identifier of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier that starts with `{expected}`")]
pub struct IdError {
    /// The prefix that the identifier should have had.
    pub expected: &'static str,
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;

            /// From 128 random bits.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 128 bits.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0u8; 22];
                let text = Base64UrlUnpadded::encode(&self.0, &mut text).map_err(|_| fmt::Error)?;
                f.write_str(Self::PREFIX)?;
                f.write_str(text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let refusal = IdError { expected: Self::PREFIX };
                let encoded = text.strip_prefix(Self::PREFIX).ok_or(refusal)?;
                let mut bytes = [0u8; 16];
                match Base64UrlUnpadded::decode(encoded, &mut bytes) {
                    Ok(decoded) if decoded.len() == 16 => Ok(Self(bytes)),
                    _ => Err(refusal),
                }
            }
        }
    };
}

random_id!(
    /// A session: one device that logged in once.
    SessionId,
    "ses_"
);
random_id!(
    /// A device that a person has logged in with.
    DeviceId,
    "dev_"
);

impl DeviceId {
    /// The name of a session that is a device by itself.
    pub const fn of_session(session: SessionId) -> Self {
        Self(session.0)
    }
}

random_id!(
    /// A person (the `sub` of access tokens).
    UserId,
    "usr_"
);

random_id!(
    /// A second factor of a person: an authenticator app.
    FactorId,
    "fac_"
);

/// An OAuth client (RFC 6749 §2.2), named by the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// The longest name a client may have, in bytes.
    pub const MAX_BYTES: usize = 64;
}

impl FromStr for ClientId {
    type Err = IdError;

    /// Accepts letters, digits, `-`, `_`, `.`, `:` and `/`: RFC 6749 appendix A.1 less what needs quoting.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let sane = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.chars().all(sane) {
            return Err(IdError { expected: "a client id of letters, digits and -_.:/" });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ClientId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What the server keeps of a device cookie: 64 bits of a hash of its 128 random bits.
///
/// Guessing a cookie that fits takes 2^63 requests on average, each of which also needs the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceHash(pub [u8; 8]);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_survives_its_text() {
        let id = SessionId::from_bytes([0xA5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("ses_"));
    }

    #[test]
    fn an_id_of_another_kind_or_length_or_spelling_is_refused() {
        let text = SessionId::from_bytes([0xFF; 16]).to_string();
        assert!(text.parse::<UserId>().is_err());
        assert!(text[..text.len() - 1].parse::<SessionId>().is_err());
        assert!((text.clone() + "A").parse::<SessionId>().is_err());
        // The last character carries 4 unused bits; only one spelling counts.
        let mut other = text;
        other.pop();
        other.push('x');
        assert!(other.parse::<SessionId>().is_err());
    }

    #[test]
    fn a_client_id_is_plain_ascii_and_bounded() {
        assert!("spa-web.v2:eu/1".parse::<ClientId>().is_ok());
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad:?}");
        }
    }
}
