//! Recovery codes: for when the phone is lost. Each works once.

use crate::environment::{Entropy, EntropyExt};
use relatch_store::RecoveryHash;
use relatch_token::{Secret, UserId};
use sha2::{Digest, Sha256};

/// A recovery code: 80 random bits.
///
/// So many that nobody guesses one, neither here nor from a stolen database: there lies no more than a hash, for
/// which no master key is needed, so that codes on paper outlive every change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCode(Secret<String>);

impl RecoveryCode {
    /// Draws a whole set.
    pub fn draw_set(entropy: &dyn Entropy) -> Vec<Self> {
        (0..RECOVERY_CODES).map(|_| Self::of(entropy.array())).collect()
    }

    /// Reads what was typed: with or without hyphens and spaces, in any case, and with the letters that stand for
    /// the digits that they look like.
    pub fn parse(typed: &Secret<String>) -> Option<Self> {
        let mut text = String::with_capacity(SYMBOLS);
        for c in typed.expose().chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let c = match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            if text.len() == SYMBOLS || !ALPHABET.contains(&u8::try_from(c).ok()?) {
                return None;
            }
            text.push(c);
        }
        (text.len() == SYMBOLS).then(|| Self(Secret::new(text)))
    }

    /// As people write it down: `abcd-efgh-jkmn-pqrs`.
    pub fn text(&self) -> Secret<String> {
        let groups: Vec<&str> =
            (0..SYMBOLS).step_by(4).filter_map(|start| self.0.expose().get(start..start + 4)).collect();
        Secret::new(groups.join("-"))
    }

    /// What the store keeps of it, for this user.
    pub fn hash(&self, user: UserId) -> RecoveryHash {
        let hash = Sha256::new()
            .chain_update(b"relatch/1 recovery code")
            .chain_update(user.as_bytes())
            .chain_update(self.0.expose());
        RecoveryHash(hash.finalize().into())
    }

    /// Five bits a symbol.
    fn of(bytes: [u8; SYMBOLS]) -> Self {
        let symbol = |byte: u8| char::from(ALPHABET[usize::from(byte & 31)]);
        Self(Secret::new(bytes.into_iter().map(symbol).collect()))
    }
}

/// As many as fit a card.
pub const RECOVERY_CODES: usize = 10;
const SYMBOLS: usize = 16;
/// Crockford's base32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    fn typed(text: &str) -> Option<RecoveryCode> {
        RecoveryCode::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn a_code_survives_paper_and_careless_typing() {
        let code = RecoveryCode::of(std::array::from_fn(|i| i as u8));
        assert_eq!(code.text().expose(), "0123-4567-89ab-cdef");
        for text in
            ["0123-4567-89ab-cdef", "0123456789ABCDEF", " o12 3 4567 89ab\tcdef", "ol23-4567-89ab-cdef"]
        {
            assert_eq!(typed(text), Some(code.clone()), "{text}");
        }
        for bad in
            ["", "0123-4567-89ab-cde", "0123-4567-89ab-cdef0", "u123-4567-89ab-cdef", "0123_4567_89ab_cdef"]
        {
            assert_eq!(typed(bad), None, "{bad}");
        }
        assert_eq!(typed(&"é".repeat(100_000)), None);
    }

    #[test]
    fn a_set_has_ten_codes_none_twice_and_each_is_its_users_alone() {
        let entropy = OsEntropy::open().unwrap();
        let mut codes = RecoveryCode::draw_set(&entropy);
        codes.extend(RecoveryCode::draw_set(&entropy));
        let (ada, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let hashes: std::collections::BTreeSet<_> =
            codes.iter().flat_map(|code| [code.hash(ada), code.hash(bob)]).collect();
        assert_eq!(hashes.len(), 2 * 2 * RECOVERY_CODES);
        for code in &codes {
            assert_eq!(RecoveryCode::parse(&code.text()).as_ref(), Some(code));
            assert!(!format!("{code:?}").contains(code.text().expose()));
        }
    }
}
