//! How long signing keys wait, sign and stay published, and which settings would break verifiers.

use super::{Algorithm, RsaSize};
use relatch_token::Seconds;

/// How long until every node of ours has seen a change of the keys and agrees that it is in force: the
/// longest time between two calls of `SigningKeys::tend`, and the difference of two clocks, a minute each.
pub const SPREAD: Seconds = Seconds(120);

/// The life of signing keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The algorithm of the first key. Later keys keep the algorithm of the key that they follow, until
    /// somebody rotates to another one.
    pub algorithm: Algorithm,
    /// The size of new RSA keys.
    pub rsa_size: RsaSize,
    /// How long a key signs before the next one takes over; 0 turns the schedule off.
    pub rotate_every: Seconds,
    /// How long a key is published before it signs.
    pub publish_before: Seconds,
    /// How long the slowest verifier keeps a copy of the published keys.
    pub verifier_cache: Seconds,
    /// The longest life of an access token.
    pub access_token_life: Seconds,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Es256,
            rsa_size: RsaSize::Bits2048,
            rotate_every: Seconds(30 * 86_400),
            publish_before: Seconds(86_400),
            verifier_cache: Seconds(3600),
            access_token_life: Seconds(900),
        }
    }
}

/// Why a policy can't be followed without tokens being refused somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A new key would sign before the last verifier has seen it.
    #[error(
        "keys are published {publish_before} s before they sign, but verifiers keep the published keys for \
         {verifier_cache} s and our nodes need {spread} s to agree: tokens would be refused; set \
         publish_before_seconds to {} or more", .verifier_cache.saturating_add(*.spread)
    )]
    OutrunsVerifiers {
        /// As configured.
        publish_before: u32,
        /// As configured.
        verifier_cache: u32,
        /// [`SPREAD`].
        spread: u32,
    },
    /// The next key would be due before the last one signs, or retired keys would pile up.
    #[error(
        "keys are rotated every {rotate_every} s, which is too often for one that is published \
         {publish_before} s before it signs and kept {kept_for} s after; set rotate_every_seconds to {} or \
         more, or to 0 to rotate by hand", 1 + (*.publish_before).max(*.kept_for)
    )]
    TooOften {
        /// As configured.
        rotate_every: u32,
        /// As configured.
        publish_before: u32,
        /// How long a key stays published after its last signature.
        kept_for: u32,
    },
}

impl KeyPolicy {
    /// Refuses what would make verifiers refuse good tokens, or the published set grow without bound.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.publish_before.0 < self.seen_by_all_after().0 {
            return Err(PolicyError::OutrunsVerifiers {
                publish_before: self.publish_before.0,
                verifier_cache: self.verifier_cache.0,
                spread: SPREAD.0,
            });
        }
        let shortest = self.publish_before.0.max(self.kept_for().0);
        if self.rotate_every.0 != 0 && self.rotate_every.0 <= shortest {
            return Err(PolicyError::TooOften {
                rotate_every: self.rotate_every.0,
                publish_before: self.publish_before.0,
                kept_for: self.kept_for().0,
            });
        }
        Ok(())
    }

    /// How long after it was made the last verifier knows a key: another node may have answered the
    /// verifier just before it saw the key itself.
    pub fn seen_by_all_after(&self) -> Seconds {
        Seconds(self.verifier_cache.0.saturating_add(SPREAD.0))
    }

    /// How long a key stays published once the next one signs: until the last token of a node that noticed
    /// late has expired.
    pub fn kept_for(&self) -> Seconds {
        Seconds(self.access_token_life.0.saturating_add(SPREAD.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_outruns_the_caches_of_verifiers_is_refused() {
        let policy = KeyPolicy { verifier_cache: Seconds(3600), ..KeyPolicy::default() };
        let with = |publish_before| KeyPolicy { publish_before: Seconds(publish_before), ..policy.clone() };
        assert_eq!(with(3720).check(), Ok(()));
        let refused = with(3719).check().unwrap_err();
        assert!(refused.to_string().contains("set publish_before_seconds to 3720 or more"), "{refused}");
    }

    #[test]
    fn a_key_signs_for_longer_than_its_successor_waits_and_its_forerunner_stays() {
        let policy = KeyPolicy::default();
        let with = |rotate_every| KeyPolicy { rotate_every: Seconds(rotate_every), ..policy.clone() };
        assert_eq!(with(0).check(), Ok(()));
        assert_eq!(with(86_401).check(), Ok(()));
        let refused = with(86_400).check().unwrap_err();
        assert!(refused.to_string().contains("set rotate_every_seconds to 86401 or more"), "{refused}");
        let long_lived = KeyPolicy { access_token_life: Seconds(100_000), ..with(90_000) };
        assert!(matches!(long_lived.check(), Err(PolicyError::TooOften { kept_for: 100_120, .. })));
    }
}
