//! The schemes of password hashes that are read: their texts, and the bounds on their cost.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params, Version};
use aws_lc_rs::pbkdf2;
use base64ct::{Base64, Base64Unpadded, Encoding};
use relatch_token::Secret;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most memory that one comparison may take, in KiB (1 GiB).
pub(super) const MEMORY_KIB_MAX: u32 = 1 << 20;
/// The most that Argon2 may walk, in KiB times passes: a few seconds of one core.
pub(super) const ARGON2_WORK_KIB_MAX: u64 = 4 << 20;
/// bcrypt doubles with each step; 15 is about two seconds of one core.
const BCRYPT_COST_MAX: u32 = 15;
/// The most that scrypt may walk, in KiB: its memory times `p`.
const SCRYPT_WORK_KIB_MAX: u64 = 1 << 20;
/// Some seconds of one core; OWASP asks for 600,000 with SHA-256.
const PBKDF2_ITERATIONS_MAX: u32 = 10_000_000;
/// A shorter hash could match by chance.
const OUTPUT_BYTES_MIN: usize = 16;
/// Longer PBKDF2 hashes multiply the work of checking them and no strength.
const PBKDF2_OUTPUT_BYTES_MAX: usize = 64;
/// No scheme that we read makes longer ones.
const TEXT_BYTES_MAX: usize = 512;

/// Why a text can't be used as a password hash. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No scheme that is known.
    #[error(
        "the password hash is of an unknown kind; Argon2, bcrypt ($2a, $2b, $2y), scrypt and PBKDF2 are read"
    )]
    Unknown,
    /// A known scheme, but not one of its hashes.
    #[error("the {0} hash is malformed; export it again, whole")]
    Malformed(&'static str),
    /// Comparing it would take more time or memory than a login may cost.
    #[error("the {0} hash asks for more work than a login may cost; have its owner set a new password")]
    TooExpensive(&'static str),
}

/// How a hash is computed again, and what must come out.
#[derive(Clone)]
pub(super) enum Scheme {
    Argon2 { algorithm: Algorithm, version: Version, params: Params, digest: Digest },
    Bcrypt,
    Scrypt { params: scrypt::Params, digest: Digest },
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, digest: Digest },
}

#[derive(Clone)]
pub(super) struct Digest {
    pub(super) salt: Vec<u8>,
    pub(super) output: Secret<Vec<u8>>,
}

impl Scheme {
    /// Reads the text of a hash.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(HashError::Unknown);
        }
        match text.trim_start_matches('$').split('$').next().unwrap_or_default() {
            "argon2id" | "argon2i" | "argon2d" => parse_argon2(text),
            "2a" | "2b" | "2y" => parse_bcrypt(text),
            "scrypt" => parse_scrypt(text),
            "pbkdf2-sha256" | "pbkdf2_sha256" => parse_pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA256),
            "pbkdf2-sha512" | "pbkdf2_sha512" => parse_pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA512),
            _ => Err(HashError::Unknown),
        }
    }
}

impl Digest {
    fn new(salt: Vec<u8>, output: Vec<u8>, scheme: &'static str) -> Result<Self, HashError> {
        if output.len() < OUTPUT_BYTES_MIN {
            return Err(HashError::Malformed(scheme));
        }
        Ok(Self { salt, output: Secret::new(output) })
    }

    fn of_phc(hash: &PasswordHash, scheme: &'static str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(scheme);
        let salt = hash.salt.as_ref().ok_or(malformed)?.to_vec();
        let output = hash.hash.as_ref().ok_or(malformed)?.as_bytes().to_vec();
        Self::new(salt, output, scheme)
    }

    /// Whether `compute`, given the salt, fills in the same output. Compares in constant time.
    pub(super) fn is_made_by<E>(
        &self,
        compute: impl FnOnce(&[u8], &mut [u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut output = Zeroizing::new(vec![0; self.output.expose().len()]);
        compute(&self.salt, &mut output)?;
        Ok(output.ct_eq(self.output.expose()).into())
    }
}

/// Whether logins may cost this much.
pub(super) fn is_affordable(params: &Params) -> bool {
    let work_kib = u64::from(params.m_cost()) * u64::from(params.t_cost());
    params.m_cost() <= MEMORY_KIB_MAX && work_kib <= ARGON2_WORK_KIB_MAX
}

fn parse_argon2(text: &str) -> Result<Scheme, HashError> {
    const NAME: &str = "Argon2";
    let malformed = |_| HashError::Malformed(NAME);
    let hash = PasswordHash::new(text).map_err(|_| HashError::Malformed(NAME))?;
    let algorithm = Algorithm::new(hash.algorithm.as_str()).map_err(|_| HashError::Malformed(NAME))?;
    // Hashes from before version 1.3 carry no version.
    let version = Version::try_from(hash.version.unwrap_or(0x10)).map_err(malformed)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Malformed(NAME))?;
    let digest = Digest::of_phc(&hash, NAME)?;
    // A key id names a key that we don't have.
    if digest.salt.len() < argon2::MIN_SALT_LEN || !params.keyid().is_empty() {
        return Err(HashError::Malformed(NAME));
    }
    if !is_affordable(&params) {
        return Err(HashError::TooExpensive(NAME));
    }
    Ok(Scheme::Argon2 { algorithm, version, params, digest })
}

fn parse_bcrypt(text: &str) -> Result<Scheme, HashError> {
    const NAME: &str = "bcrypt";
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashError::Malformed(NAME))?;
    match parts.get_cost() {
        4..=BCRYPT_COST_MAX => Ok(Scheme::Bcrypt),
        0..4 => Err(HashError::Malformed(NAME)),
        _ => Err(HashError::TooExpensive(NAME)),
    }
}

fn parse_scrypt(text: &str) -> Result<Scheme, HashError> {
    const NAME: &str = "scrypt";
    let hash = PasswordHash::new(text).map_err(|_| HashError::Malformed(NAME))?;
    let number = |name: &str| hash.params.get_decimal(name).ok_or(HashError::Malformed(NAME));
    let (log_n, r, p) = (number("ln")?, number("r")?, number("p")?);
    // RFC 7914 §2: 128 * N * r bytes of memory, walked p times. Bounded before anything is multiplied out.
    let walked_kib = |p: u32| (u64::from(r) * u64::from(p)).saturating_mul(1 << log_n.min(40)) / 8;
    if log_n > 40 || walked_kib(1) > u64::from(MEMORY_KIB_MAX) || walked_kib(p) > SCRYPT_WORK_KIB_MAX {
        return Err(HashError::TooExpensive(NAME));
    }
    let log_n = u8::try_from(log_n).map_err(|_| HashError::Malformed(NAME))?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashError::Malformed(NAME))?;
    Ok(Scheme::Scrypt { params, digest: Digest::of_phc(&hash, NAME)? })
}

/// `$pbkdf2-sha256$i=600000,l=32$salt$hash` (PHC), `$pbkdf2-sha256$29000$salt$hash` (passlib, with `.` for
/// `+`) and `pbkdf2_sha256$600000$salt$hash` (Django, with the salt as plain text).
fn parse_pbkdf2(text: &str, algorithm: pbkdf2::Algorithm) -> Result<Scheme, HashError> {
    const NAME: &str = "PBKDF2";
    const MALFORMED: HashError = HashError::Malformed(NAME);
    let (is_django, fields) = match text.strip_prefix('$') {
        Some(fields) => (false, fields),
        None => (true, text),
    };
    let mut fields = fields.split('$').skip(1);
    let (Some(cost), Some(salt), Some(output), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(MALFORMED);
    };
    let (salt, output) = if is_django {
        (salt.as_bytes().to_vec(), Base64::decode_vec(output).map_err(|_| MALFORMED)?)
    } else {
        let decode = |text: &str| Base64Unpadded::decode_vec(&text.replace('.', "+"));
        (decode(salt).map_err(|_| MALFORMED)?, decode(output).map_err(|_| MALFORMED)?)
    };
    let mut iterations = Some(cost);
    if cost.contains('=') {
        let parameter = |name| cost.split(',').find_map(|pair| pair.strip_prefix(name));
        iterations = parameter("i=");
        if parameter("l=").is_some_and(|length| length.parse() != Ok(output.len())) {
            return Err(MALFORMED);
        }
    }
    let iterations: NonZeroU32 = iterations.and_then(|number| number.parse().ok()).ok_or(MALFORMED)?;
    if iterations.get() > PBKDF2_ITERATIONS_MAX {
        return Err(HashError::TooExpensive(NAME));
    }
    if output.len() > PBKDF2_OUTPUT_BYTES_MAX {
        return Err(MALFORMED);
    }
    Ok(Scheme::Pbkdf2 { algorithm, iterations, digest: Digest::new(salt, output, NAME)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<HashError> {
        Scheme::parse(text).err()
    }

    const TAIL: &str = "MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

    #[test]
    fn the_dearest_hash_allowed_is_read_and_one_step_more_is_refused() {
        for (scheme, allowed, refused) in [
            ("Argon2", "$argon2id$v=19$m=1048576,t=4,p=1$", "$argon2id$v=19$m=1048576,t=5,p=1$"),
            ("Argon2", "$argon2id$v=19$m=64,t=65536,p=1$", "$argon2id$v=19$m=64,t=65537,p=1$"),
            ("Argon2", "$argon2id$v=19$m=1048576,t=1,p=1$", "$argon2id$v=19$m=1048577,t=1,p=1$"),
            ("Argon2", "$argon2id$v=19$m=64,t=1,p=1$", "$argon2id$v=19$m=4294967295,t=4294967295,p=1$"),
            ("scrypt", "$scrypt$ln=20,r=8,p=1$", "$scrypt$ln=21,r=8,p=1$"),
            ("scrypt", "$scrypt$ln=17,r=8,p=8$", "$scrypt$ln=17,r=8,p=9$"),
            ("scrypt", "$scrypt$ln=4,r=8,p=1$", "$scrypt$ln=63,r=8,p=1$"),
            ("scrypt", "$scrypt$ln=4,r=8,p=1$", "$scrypt$ln=4294967295,r=4294967295,p=4294967295$"),
            ("PBKDF2", "$pbkdf2-sha256$i=10000000$", "$pbkdf2-sha256$i=10000001$"),
        ] {
            assert_eq!(refusal(&format!("{allowed}{TAIL}")), None, "{allowed}");
            assert_eq!(
                refusal(&format!("{refused}{TAIL}")),
                Some(HashError::TooExpensive(scheme)),
                "{refused}"
            );
        }
        let bcrypt = |cost| format!("$2b${cost}$8zF2Yq.Qpb/lRrXUf2taIe95L2ijGxKGIsY4LFvPbnuVdkJhtgfbS");
        assert_eq!(refusal(&bcrypt("15")), None);
        assert_eq!(refusal(&bcrypt("16")), Some(HashError::TooExpensive("bcrypt")));
        assert_eq!(refusal(&bcrypt("99")), Some(HashError::TooExpensive("bcrypt")));
        assert_eq!(refusal(&bcrypt("03")), Some(HashError::Malformed("bcrypt")));
    }

    #[test]
    fn what_no_login_could_rest_on_is_malformed() {
        for (scheme, text) in [
            ("Argon2", "$argon2id$v=19$m=64,t=1,p=1$".into()),
            ("Argon2", format!("$argon2id$v=19$m=64,t=0,p=1${TAIL}")),
            ("Argon2", format!("$argon2id$v=18$m=64,t=1,p=1${TAIL}")),
            ("Argon2", format!("$argon2id$v=19$m=64,t=1,p=1,keyid=aGk${TAIL}")),
            ("Argon2", "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMw".into()),
            ("scrypt", format!("$scrypt$ln=4,r=0,p=1${TAIL}")),
            ("scrypt", format!("$scrypt$ln=4,p=1${TAIL}")),
            ("PBKDF2", format!("$pbkdf2-sha256$i=0${TAIL}")),
            ("PBKDF2", format!("$pbkdf2-sha256$i=1,l=31${TAIL}")),
            ("PBKDF2", format!("$pbkdf2-sha256$l=32${TAIL}")),
            ("PBKDF2", format!("$pbkdf2-sha256$-1${TAIL}")),
            ("PBKDF2", "pbkdf2_sha256$1$salt$".into()),
            ("PBKDF2", "pbkdf2_sha256$1$salt$MDEyMw==".into()),
            ("PBKDF2", "pbkdf2_sha256$1$salt".into()),
        ] {
            assert_eq!(refusal(&text), Some(HashError::Malformed(scheme)), "{text}");
        }
    }

    #[test]
    fn schemes_that_are_not_read_are_named_as_unknown() {
        for text in [
            "",
            "$",
            "plain",
            "$1$s$md5",
            "$5$s$h",
            "$2x$04$a",
            "$2$04$a",
            "$y$j9T$s$h",
            "{SSHA}h",
            "pbkdf2_sha1$1$s$h",
        ] {
            assert_eq!(refusal(text), Some(HashError::Unknown), "{text}");
        }
        assert_eq!(refusal(&format!("$2b${}", "x".repeat(1 << 20))), Some(HashError::Unknown));
    }
}
