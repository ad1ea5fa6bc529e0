//! Codes of authenticator apps (RFC 6238): six digits, SHA-1, a new one every thirty seconds.
//!
//! SHA-1 since some apps take nothing else and quietly compute another code; HMAC doesn't rest on what is broken
//! about it.

use crate::environment::{Entropy, EntropyExt};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use relatch_token::{Secret, Timestamp};
use totp_rs::{Algorithm, Builder, Totp};

/// What server and app share: 160 bits, as RFC 4226 §4 recommends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed(Secret<[u8; SEED_BYTES]>);

/// A code as it was typed.
#[derive(Clone, Debug)]
pub struct TotpCode(Secret<String>);

/// What an app is told, in each of the ways that apps take.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The seed in base32 (RFC 4648 §6), to be typed.
    pub secret: Secret<String>,
    /// The same with the names of service and account.
    pub uri: Secret<String>,
    /// The same as a picture.
    pub qr_svg: Secret<String>,
}

impl Seed {
    /// Draws a new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Secret::new(entropy.array()))
    }

    /// From the bytes that were kept of it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Secret::new(bytes)))
    }

    /// The bytes, to be sealed.
    pub fn bytes(&self) -> &[u8; SEED_BYTES] {
        self.0.expose()
    }

    /// The time step whose code this is: the present one, or one to either side of it, since clocks differ and
    /// people type slowly (RFC 6238 §5.2). Whether that step was used before is for the store to say.
    pub fn step_of(&self, code: &TotpCode, now: Timestamp) -> Option<u64> {
        let now = u64::try_from(now.as_seconds()).ok()?;
        self.totp("", "").check(code.0.expose(), now)
    }

    /// What an app needs to show codes for that account.
    pub fn enrolment(&self, service: &str, account: &str) -> Option<Enrolment> {
        let totp = self.totp(service, account);
        let uri = totp.to_url().ok()?;
        // Level M, as is usual on screens; a URI of any sane length fits (ISO/IEC 18004).
        let qr = QrCode::with_error_correction_level(&uri, EcLevel::M).ok()?;
        let picture = qr.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
        // The declaration is for files; inside a page it would be an error.
        let svg = picture.find("<svg").map_or("", |at| &picture[at..]).to_owned();
        Some(Enrolment {
            secret: Secret::new(totp.secret().to_base32()),
            uri: Secret::new(uri),
            qr_svg: Secret::new(svg),
        })
    }

    fn totp(&self, service: &str, account: &str) -> Totp {
        // A colon divides the two names in the URI, so it may stand in neither.
        let plain = |name: &str| name.replace(':', ".").into_boxed_str();
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(*self.0.expose())
            .with_issuer(Some(plain(service)).filter(|name| !name.is_empty()))
            .with_account_name(plain(account))
            .build_noncompliant()
    }
}

impl TotpCode {
    /// Six digits, with or without spaces between them; `None` for anything else.
    pub fn parse(typed: &Secret<String>) -> Option<Self> {
        let digits: String = typed.expose().chars().filter(|c| !c.is_whitespace()).collect();
        let is_code = digits.len() == usize::from(DIGITS) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| Self(Secret::new(digits)))
    }
}

const SEED_BYTES: usize = 20;
const DIGITS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    /// The seed of RFC 6238 appendix B for SHA-1: the ASCII string "12345678901234567890".
    fn rfc_seed() -> Seed {
        Seed::from_bytes(b"12345678901234567890").unwrap()
    }

    fn code(text: &str) -> TotpCode {
        TotpCode::parse(&Secret::new(text.to_owned())).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// The vectors have eight digits; codes of six are their ends (RFC 4226 §5.3: the value modulo 10^digits).
    #[test]
    fn rfc_6238_appendix_b() {
        let vectors = [
            (59, 0x1, "94287082"),
            (1_111_111_109, 0x0235_23EC, "07081804"),
            (1_111_111_111, 0x0235_23ED, "14050471"),
            (1_234_567_890, 0x0273_EF07, "89005924"),
            (2_000_000_000, 0x03F9_40AA, "69279037"),
            (20_000_000_000, 0x27BC_86AA, "65353130"),
        ];
        for (seconds, step, eight) in vectors {
            assert_eq!(rfc_seed().step_of(&code(&eight[2..]), at(seconds)), Some(step), "at {seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_to_either_side_and_no_further() {
        // Of step 0x23523EC, which lasts from 1_111_111_080 to 1_111_111_109.
        let (code, step) = (code("081804"), Some(0x0235_23EC));
        for (seconds, expected) in [
            (1_111_111_049, None),
            (1_111_111_050, step),
            (1_111_111_080, step),
            (1_111_111_109, step),
            (1_111_111_139, step),
            (1_111_111_140, None),
            (-1, None),
        ] {
            assert_eq!(rfc_seed().step_of(&code, at(seconds)), expected, "at {seconds}");
        }
    }

    #[test]
    fn six_digits_are_a_code_and_nothing_else_is() {
        for good in ["081804", "081 804", " 081804\n", "0 8 1 8 0 4"] {
            assert!(rfc_seed().step_of(&code(good), at(1_111_111_109)).is_some(), "{good:?}");
        }
        for bad in ["", "81804", "0081804", "08180a", "٠٨١٨٠٤", "-81804", "+81804", "081804;"] {
            assert!(TotpCode::parse(&Secret::new(bad.to_owned())).is_none(), "{bad:?}");
        }
        assert!(rfc_seed().step_of(&code("081805"), at(1_111_111_109)).is_none());
    }

    #[test]
    fn an_app_is_told_the_seed_in_three_ways_whatever_the_names_are() {
        let seed = rfc_seed();
        let told = seed.enrolment("id.example.com", "ada+2fa@example.com").unwrap();
        assert_eq!(told.secret.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            told.uri.expose(),
            "otpauth://totp/id.example.com:ada%2B2fa%40example.com?\
             secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=id.example.com"
        );
        let svg = told.qr_svg.expose();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{}", &svg[..60]);
        assert!(!svg.contains("style") && !svg.contains("<script"), "the pages' policy forbids it");
        for (service, account) in [("[::1]", "\"a:b\"@example.com"), ("ö", &"x".repeat(254)), ("s", "\"<&\n")]
        {
            let told = seed.enrolment(service, account).unwrap();
            assert_eq!(told.uri.expose().matches(':').count(), 2, "{}", told.uri.expose());
        }
    }

    #[test]
    fn no_two_seeds_are_alike_and_none_is_printed() {
        let entropy = OsEntropy::open().unwrap();
        let seed = Seed::draw(&entropy);
        assert_ne!(seed, Seed::draw(&entropy));
        assert_eq!(Seed::from_bytes(seed.bytes()), Some(seed.clone()));
        assert_eq!(Seed::from_bytes(&[0; 19]), None);
        let told = seed.enrolment("service", "ada").unwrap();
        let shown = format!("{seed:?} {:?} {told:?}", code("123456"));
        assert!(!shown.contains("123456") && !shown.contains(told.secret.expose()), "{shown}");
    }
}
