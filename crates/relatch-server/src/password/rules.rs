//! What may become a password (NIST SP 800-63B §3.1.1.2), and the one spelling it is hashed in.

use super::common::is_common;
use icu_normalizer::ComposingNormalizerBorrowed;
use relatch_token::Secret;
use std::borrow::Cow;

/// The longest attempt that is compared, in bytes: what [`PasswordRules`] may allow at most. More is no
/// password of anybody, and the bound is there because normalising and hashing cost time by the byte.
pub const ATTEMPT_BYTES_MAX: usize = 4 * 4096;

/// How long a password must and may be, in characters (code points, once normalised).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters.
    pub chars_min: usize,
    /// The most characters; more is refused, never cut off. At most a quarter of [`ATTEMPT_BYTES_MAX`] counts.
    pub chars_max: usize,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { chars_min: 8, chars_max: 1024 }
    }
}

/// A password that keeps every rule, in the spelling it is hashed in.
#[derive(Clone, Debug)]
pub struct NewPassword(Secret<String>);

/// Words that the person's own password must not consist of, since they are the first that is guessed.
#[derive(Clone, Copy, Debug)]
pub struct OwnWords<'a> {
    /// The address of the account, in any spelling.
    pub email: &'a str,
    /// What the service is called.
    pub service: &'a str,
}

/// Why a text may not become a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefusal {
    /// Fewer characters than the rules ask for.
    #[error("the password needs at least {chars_min} characters")]
    TooShort {
        /// How many are asked for.
        chars_min: usize,
    },
    /// More characters than the rules allow.
    #[error("the password may have at most {chars_max} characters")]
    TooLong {
        /// How many are allowed.
        chars_max: usize,
    },
    /// NUL, a line break or another control character, which other systems cut off or cannot type.
    #[error("the password holds a control character, such as a line break; leave it out")]
    ControlCharacter,
    /// On the embedded list of the commonest passwords, or one character over and over.
    #[error("this password is among the first that attackers try; choose another")]
    TooCommon,
    /// The address, its local part or the name of the service, alone or with digits and signs around it.
    #[error("the password is made of your address or the name of this service; choose another")]
    OwnWord,
    /// In the operator's list of passwords that were in breaches.
    #[error("this password was in a data breach, so attackers try it; choose another")]
    Breached,
}

impl PasswordRefusal {
    /// The stable slug for `errors[].code`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::ControlCharacter => "control_character",
            Self::TooCommon => "too_common",
            Self::OwnWord => "own_word",
            Self::Breached => "breached",
        }
    }
}

impl PasswordRules {
    /// Checks a password that somebody chose. There are no rules on composition: length and rarity count.
    ///
    /// ```
    /// use relatch_server::password::{OwnWords, PasswordRefusal, PasswordRules};
    /// let rules = PasswordRules::default();
    /// let own = OwnWords { email: "ada@example.com", service: "Relatch" };
    /// assert!(rules.check("correct horse", own).is_ok());
    /// assert_eq!(rules.check("Password1", own).err(), Some(PasswordRefusal::TooCommon));
    /// ```
    pub fn check(&self, typed: &str, own: OwnWords<'_>) -> Result<NewPassword, PasswordRefusal> {
        let Self { chars_min, chars_max } = *self;
        if typed.len() > ATTEMPT_BYTES_MAX {
            return Err(PasswordRefusal::TooLong { chars_max });
        }
        if typed.chars().any(char::is_control) {
            return Err(PasswordRefusal::ControlCharacter);
        }
        let password = Secret::new(normalise(typed).into_owned());
        let chars = password.expose().chars().count();
        if chars < chars_min {
            return Err(PasswordRefusal::TooShort { chars_min });
        }
        if chars > chars_max {
            return Err(PasswordRefusal::TooLong { chars_max });
        }
        let folded = Secret::new(password.expose().to_lowercase());
        if is_common(folded.expose()) || is_one_character(folded.expose()) {
            return Err(PasswordRefusal::TooCommon);
        }
        if is_own_word(folded.expose(), own) {
            return Err(PasswordRefusal::OwnWord);
        }
        Ok(NewPassword(password))
    }
}

impl NewPassword {
    /// The spelling to hash.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// A typed password that is worth comparing, in the spellings that a stored hash may have been made of.
pub(super) struct Attempt {
    normalised: Secret<String>,
    /// As typed, where that differs: an imported hash comes from a system that perhaps did not normalise.
    typed: Option<Secret<String>>,
}

impl Attempt {
    /// `None` where the text can be nobody's password: decided without a look at any account.
    ///
    /// NUL is refused because bcrypt repeats its key with a NUL between: `a\0a` would match `a`.
    pub(super) fn parse(typed: Secret<String>) -> Option<Self> {
        if typed.expose().len() > ATTEMPT_BYTES_MAX || typed.expose().contains('\0') {
            return None;
        }
        let normalised = Secret::new(normalise(typed.expose()).into_owned());
        let typed = (typed != normalised).then_some(typed);
        Some(Self { normalised, typed })
    }

    /// The one or two spellings, the one we hash ourselves first.
    pub(super) fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.normalised).chain(&self.typed).map(|secret| secret.expose().as_str())
    }

    /// The password to hash anew once the attempt has matched: rules are for choosing, not for upgrading.
    pub(super) fn into_password(self) -> NewPassword {
        NewPassword(self.normalised)
    }
}

/// The OpaqueString profile of RFC 8265 §4.2: every other space is U+0020, then NFC. Thus the same keys
/// pressed on another keyboard or system give the same bytes, and no two passwords that look different do
/// (NFKC, which merges `①` and `1`, would). Case and width stay.
fn normalise(typed: &str) -> Cow<'_, str> {
    if typed.is_ascii() {
        return Cow::Borrowed(typed);
    }
    let spaced = Secret::new(typed.replace(is_other_space, " "));
    Cow::Owned(ComposingNormalizerBorrowed::new_nfc().normalize(spaced.expose()).into_owned())
}

/// Unicode category Zs apart from U+0020.
fn is_other_space(c: char) -> bool {
    matches!(c, '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}')
}

fn is_one_character(folded: &str) -> bool {
    folded.chars().min() == folded.chars().max()
}

fn is_own_word(folded: &str, own: OwnWords<'_>) -> bool {
    let email = own.email.trim().to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let core = bare(folded);
    [email.as_str(), local, own.service.to_lowercase().as_str()]
        .into_iter()
        .any(|word| folded == word || (!core.is_empty() && core == bare(word)))
}

/// What is left without digits and signs at both ends: `ada` of `ada2026!`.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: OwnWords<'static> = OwnWords { email: "Ada.Byron@example.com", service: "Engine Room" };

    fn refusal(typed: &str) -> Option<PasswordRefusal> {
        PasswordRules::default().check(typed, OWN).err()
    }

    #[test]
    fn eight_characters_are_enough_and_seven_are_not() {
        assert_eq!(refusal("tq9xkfw"), Some(PasswordRefusal::TooShort { chars_min: 8 }));
        assert_eq!(refusal("tq9xkfwb"), None);
        // Characters, not bytes: these are 7 and 8 of three bytes each.
        assert_eq!(refusal("木星火星土星金"), Some(PasswordRefusal::TooShort { chars_min: 8 }));
        assert_eq!(refusal("木星火星土星金星"), None);
        // A letter and its accent are one character once composed.
        assert_eq!(refusal("tq9xkfe\u{301}"), Some(PasswordRefusal::TooShort { chars_min: 8 }));
    }

    #[test]
    fn long_passwords_are_kept_whole_up_to_the_bound_and_refused_above() {
        let long = "🦀木".repeat(64);
        assert_eq!(long.chars().count(), 128);
        assert_eq!(PasswordRules::default().check(&long, OWN).unwrap().expose(), long);
        assert_eq!(refusal(&"木z".repeat(512)), None);
        let too_long = Some(PasswordRefusal::TooLong { chars_max: 1024 });
        assert_eq!(refusal(&("木z".repeat(512) + "z")), too_long);
        assert_eq!(refusal(&"z木".repeat(ATTEMPT_BYTES_MAX)), too_long);
    }

    #[test]
    fn an_attempt_is_compared_up_to_the_bound() {
        let longest = "z".repeat(ATTEMPT_BYTES_MAX);
        assert!(Attempt::parse(Secret::new(longest.clone() + "z")).is_none());
        assert!(Attempt::parse(Secret::new(longest)).is_some());
    }

    #[test]
    fn there_are_no_composition_rules_and_spaces_count() {
        for fine in ["tqxkfwbmz", "83920174658", "  tqxkfw  ", "ünïcödé wörds", "🦀🐌🦑🐙🐠🐡🦐🦞"]
        {
            assert_eq!(refusal(fine), None, "{fine}");
        }
        assert_eq!(PasswordRules::default().check("  tqxkfw  ", OWN).unwrap().expose(), "  tqxkfw  ");
    }

    #[test]
    fn control_characters_are_refused() {
        for bad in ["tqxkf\0wbmz", "tqxkf\nwbmz", "tqxkf\u{7f}wbmz", "tqxkf\u{85}wbmz"] {
            assert_eq!(refusal(bad), Some(PasswordRefusal::ControlCharacter), "{bad:?}");
        }
        assert!(Attempt::parse(Secret::new("tqxkf\0wbmz".into())).is_none());
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for bad in
            ["password", "PassWord", "12345678", "1q2w3e4r5t", "iloveyou", "TRUSTNO1", "aaaaaaaaaaaaaaa"]
        {
            assert_eq!(refusal(bad), Some(PasswordRefusal::TooCommon), "{bad}");
        }
        assert_eq!(refusal("password of a clockmaker"), None);
    }

    #[test]
    fn own_words_are_refused_with_decoration_too() {
        for bad in ["ada.byron@EXAMPLE.com", "Ada.Byron", "ada.byron1815!", "engine room", "**Engine Room**7"]
        {
            assert_eq!(refusal(bad), Some(PasswordRefusal::OwnWord), "{bad}");
        }
        assert_eq!(refusal("engine room and boiler"), None);
        // An address without letters in its local part must not refuse every password of digits.
        let numeric = OwnWords { email: "007@example.com", service: "" };
        assert!(PasswordRules::default().check("83920174658", numeric).is_ok());
    }

    #[test]
    fn one_spelling_whatever_the_keyboard() {
        for typed in ["caf\u{e9} au lait", "cafe\u{301} au\u{a0}lait", "caf\u{e9}\u{3000}au lait"] {
            assert_eq!(PasswordRules::default().check(typed, OWN).unwrap().expose(), "café au lait");
        }
        let attempt = Attempt::parse(Secret::new("cafe\u{301} au lait".into())).unwrap();
        assert_eq!(attempt.spellings().collect::<Vec<_>>(), ["café au lait", "cafe\u{301} au lait"]);
        let attempt = Attempt::parse(Secret::new("café au lait".into())).unwrap();
        assert_eq!(attempt.spellings().count(), 1);
        // Compatibility forms stay apart.
        assert_ne!(normalise("①②③④⑤⑥⑦⑧"), "12345678");
    }
}
