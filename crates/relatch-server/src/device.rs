//! The device cookie: a random name for a browser, no credential on its own.

use crate::environment::{Entropy, EntropyExt};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_token::{DeviceHash, Secret};
use sha2::{Digest, Sha256};

/// The value of a device cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCookie(Secret<[u8; 16]>);

impl DeviceCookie {
    /// Draws a new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Secret::new(entropy.array()))
    }

    /// Reads a cookie's value; `None` where it is none of ours.
    pub fn parse(value: &str) -> Option<Self> {
        let mut bytes = [0u8; 16];
        match Base64UrlUnpadded::decode(value, &mut bytes) {
            Ok(decoded) if decoded.len() == 16 => Some(Self(Secret::new(bytes))),
            _ => None,
        }
    }

    /// The value to set.
    pub fn value(&self) -> Secret<String> {
        Secret::new(Base64UrlUnpadded::encode_string(self.0.expose()))
    }

    /// What a session keeps of it. No key: the cookie has 128 random bits, and its hash has to outlive every
    /// rotation of the master key.
    pub fn hash(&self) -> DeviceHash {
        let digest =
            Sha256::new().chain_update(b"relatch/1 device cookie").chain_update(self.0.expose()).finalize();
        DeviceHash(std::array::from_fn(|i| digest[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn a_cookie_survives_its_text_and_foreign_ones_are_told_apart() {
        let cookie = DeviceCookie::draw(&OsEntropy::open().unwrap());
        let text = cookie.value();
        let same = DeviceCookie::parse(text.expose()).unwrap();
        assert_eq!(same.hash(), cookie.hash());
        for foreign in ["", "x", &text.expose()[1..], &format!("{}A", text.expose()), "äöü"] {
            assert!(DeviceCookie::parse(foreign).is_none(), "{foreign}");
        }
        assert_ne!(DeviceCookie(Secret::new([0; 16])).hash(), cookie.hash());
    }
}
