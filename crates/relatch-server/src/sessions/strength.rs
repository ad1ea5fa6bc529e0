//! How strongly a person proved who they are (`acr`), told by how they did (`amr`, RFC 8176).

/// "1" for one factor, "2" for two: the numbers of common OpenID providers.
///
/// Two methods of one kind, such as a password and a PIN, are one factor.
pub(super) fn acr_of(amr: &[String]) -> &'static str {
    let has = |words: &[&str]| amr.iter().any(|word| words.contains(&word.as_str()));
    let kinds = [has(KNOWN), has(HELD), has(BODILY)].into_iter().filter(|is_there| *is_there).count();
    if kinds >= 2 || has(&["mfa"]) { TWO_FACTORS } else { ONE_FACTOR }
}

const ONE_FACTOR: &str = "1";
const TWO_FACTORS: &str = "2";
/// What one knows.
const KNOWN: &[&str] = &["pwd", "pin", "kba"];
/// What one has.
const HELD: &[&str] = &["otp", "hwk", "swk", "pop", "sc", "sms", "tel"];
/// What one is.
const BODILY: &[&str] = &["face", "fpt", "iris", "retina", "vbm"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kinds_are_two_factors_and_two_of_a_kind_are_not() {
        for (amr, expected) in [
            (&[][..], "1"),
            (&["pwd"], "1"),
            (&["otp"], "1"),
            (&["pwd", "pin"], "1"),
            (&["otp", "sms"], "1"),
            (&["pwd", "otp"], "2"),
            (&["pin", "hwk"], "2"),
            (&["fpt", "hwk"], "2"),
            (&["mfa"], "2"),
            (&["saml"], "1"),
        ] {
            let words: Vec<String> = amr.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(acr_of(&words), expected, "{amr:?}");
        }
    }
}
