//! A stored password hash, ours or imported, and its comparison in constant time.

use super::scheme::{Digest, HashError, Scheme};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::pbkdf2;
use base64ct::{Base64Unpadded, Encoding};
use relatch_token::Secret;
use std::fmt;

/// What bcrypt reads of a password; it ignores the rest.
const BCRYPT_BYTES_READ: usize = 72;

/// Bytes of salt in the hashes that we make; an Argon2id hash with fewer is renewed.
pub(super) const SALT_BYTES: usize = 16;
/// Bytes of output in the hashes that we make; an Argon2id hash with another length is renewed.
pub(super) const OUTPUT_BYTES: usize = 32;

/// What a store keeps of a password.
///
/// Read are PHC strings of Argon2 and scrypt, bcrypt's `$2a$`, `$2b$` and `$2y$`, and PBKDF2 with SHA-256 or
/// SHA-512 as PHC string, as passlib and as Django write it.
///
/// ```
/// use relatch_server::password::{HashError, StoredHash};
/// let imported = "$2b$05$abcdefghijklmnopqrstuuWJ04T/tvafY0WfSj2mOQMT/6KPDhBda";
/// assert!(StoredHash::parse(imported).is_ok());
/// assert_eq!(StoredHash::parse("$1$salt$md5").err(), Some(HashError::Unknown));
/// ```
#[derive(Clone)]
pub struct StoredHash {
    text: Secret<String>,
    scheme: Scheme,
}

/// A comparison that could not be done, for want of memory: no verdict on the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory to compute a password hash; lower `passwords.argon2.memory_kib` or `passwords.threads`")]
pub(super) struct OutOfMemory;

impl StoredHash {
    /// Reads a hash from a store or an import.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        Ok(Self { text: Secret::new(text.to_owned()), scheme: Scheme::parse(text)? })
    }

    /// A hash of our own making: Argon2id, version 1.3.
    pub(super) fn argon2id(params: &Params, salt: [u8; SALT_BYTES], output: [u8; OUTPUT_BYTES]) -> Self {
        let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
        let text = format!(
            "$argon2id$v=19$m={m},t={t},p={p}${}${}",
            Base64Unpadded::encode_string(&salt),
            Base64Unpadded::encode_string(&output),
        );
        let digest = Digest { salt: salt.to_vec(), output: Secret::new(output.to_vec()) };
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let scheme = Scheme::Argon2 { algorithm, version, params: params.clone(), digest };
        Self { text: Secret::new(text), scheme }
    }

    /// The text for the store.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Whether the hash is of this very password. Takes as long as the hash asks for.
    pub(super) fn matches(&self, password: &str) -> Result<bool, OutOfMemory> {
        let password = password.as_bytes();
        match &self.scheme {
            Scheme::Argon2 { algorithm, version, params, digest } => {
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                let compute =
                    |salt: &[u8], output: &mut [u8]| argon2.hash_password_into(password, salt, output);
                digest.is_made_by(compute).map_err(|_| OutOfMemory)
            }
            Scheme::Bcrypt => Ok(bcrypt::verify(password, self.expose()).is_ok_and(|matches| matches)),
            Scheme::Scrypt { params, digest } => {
                let compute = |salt: &[u8], output: &mut [u8]| scrypt::scrypt(password, salt, params, output);
                Ok(digest.is_made_by(compute).is_ok_and(|matches| matches))
            }
            Scheme::Pbkdf2 { algorithm, iterations, digest } => {
                let Digest { salt, output } = digest;
                Ok(pbkdf2::verify(*algorithm, *iterations, salt, password, output.expose()).is_ok())
            }
        }
    }

    /// Whether the scheme looks at the whole of this password. bcrypt drops what follows 72 bytes.
    pub(super) fn reads_all_of(&self, password: &str) -> bool {
        !matches!(self.scheme, Scheme::Bcrypt) || password.len() <= BCRYPT_BYTES_READ
    }

    /// Whether it is an Argon2id hash of just these parameters.
    pub(super) fn is_argon2id(&self, wanted: &Params) -> bool {
        let Scheme::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, digest } =
            &self.scheme
        else {
            return false;
        };
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        cost(params) == cost(wanted)
            && digest.salt.len() >= SALT_BYTES
            && digest.output.expose().len() == OUTPUT_BYTES
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each made by another program (bcrypt 5, passlib 1.7, argon2-cffi 25, Django 5.2, hashlib) of `PASSWORD`.
    const FOREIGN: [&str; 12] = [
        "$2a$04$J4O7q6gYMyuqVqNr6j8x4.sqIwkyX0CgFoQCqZePhlc7sePUQXXYO",
        "$2b$04$8zF2Yq.Qpb/lRrXUf2taIe95L2ijGxKGIsY4LFvPbnuVdkJhtgfbS",
        "$2y$04$8zF2Yq.Qpb/lRrXUf2taIe95L2ijGxKGIsY4LFvPbnuVdkJhtgfbS",
        "$scrypt$ln=4,r=8,p=1$NcYYo/Q+h7BWaq1Vas1ZCw$EyEXzIwMosb+RKkUShwdqOjkJa80kZ9zKeSd5P1/JTg",
        "$pbkdf2-sha256$1000$fa9VCuE85/x/730PQagV4g$twqdL/5.6i6MhY.SPQNGM.NQZzOnKzgTp3fITjhA96M",
        "$pbkdf2-sha512$1000$ktK6915Lyfk/pzRmTOldSw$c4QxTTxKRf78KfBXIuhiQxOZCw6zgPFj3pQwWF/.NDXsDV4.YW1P.Fv.yZ40o.WlZKOt.GhEGAUsYf7iFsOPdw",
        "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$G2rwj2wTsXAluaoXygscAfSkvN5fzQu07XcfwY73WpnMX/jDEAeuQezNsWGk6Ug8ImZRH6fr5uKobRLgxrlyqQ",
        "pbkdf2_sha256$1000$saltsaltsalt12$47gYg9GGteCKgGkMaFnvzzUhLtsgZSKmp12t3nnX8Bk=",
        "$argon2d$v=19$m=64,t=1,p=1$MXmSxeKdYy1Lu6jcZ1vHgw$iq0qXpTfwLzfcNvieu9MQim5ctBzp3MJx01eqLQ05F4",
        "$argon2i$v=19$m=64,t=1,p=1$fRvL2g2gAdReOn4tcvd7/A$lT7JvWPACWbOAOHcuThv+Ebhnj0Nw/XhprGr2WOCw8M",
        "$argon2id$v=19$m=64,t=1,p=1$GtVkdaZ4qX/k5b2NuErugA$zsDt9KWn9+gRMgo68ZQE+483l2nYFzdRPG+OOEsmakQ",
        "$argon2id$v=16$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$M1Z5Q+vfoVqUyca0DxuCVuAq3ywFj0N7C1eplzyTQpk",
    ];
    const PASSWORD: &str = "correct horse ünïcode";

    #[test]
    fn hashes_of_other_programs_match_their_password_and_no_other() {
        for text in FOREIGN {
            let hash = StoredHash::parse(text).unwrap();
            assert_eq!(hash.expose(), text);
            assert_eq!(hash.matches(PASSWORD), Ok(true), "{text}");
            for wrong in ["", "correct horse unicode", "correct horse ünïcode ", "Correct horse ünïcode"]
            {
                assert_eq!(hash.matches(wrong), Ok(false), "{text} and {wrong:?}");
            }
        }
    }

    #[test]
    fn a_hash_cut_off_anywhere_is_refused_or_still_proves_128_bits() {
        for text in FOREIGN {
            for cut in (0..text.len()).map(|end| &text[..end]) {
                // The output of scrypt and PBKDF2 begins with their shorter outputs: 22 characters are 128 bits.
                let kept = cut.rsplit('$').next().unwrap_or_default().len();
                let matches = StoredHash::parse(cut).is_ok_and(|hash| hash.matches(PASSWORD) == Ok(true));
                assert!(!matches || kept >= 22, "{cut}");
            }
        }
    }

    #[test]
    fn a_hash_changed_anywhere_never_panics() {
        for text in FOREIGN {
            for replaced in ["$", "=", "9", "ü", "\0", " ", "$$$$"] {
                for at in 0..text.len() {
                    let changed = format!("{}{replaced}{}", &text[..at], &text[at + 1..]);
                    if let Ok(read) = StoredHash::parse(&changed) {
                        assert_eq!(read.expose(), changed);
                    }
                }
            }
        }
    }

    #[test]
    fn a_hash_we_make_reads_back_and_is_known_as_current() {
        let params = Params::new(64, 1, 1, Some(OUTPUT_BYTES)).unwrap();
        let made = StoredHash::argon2id(&params, [7; 16], [9; 32]);
        let read = StoredHash::parse(made.expose()).unwrap();
        assert!(made.is_argon2id(&params) && read.is_argon2id(&params));
        for other in [(128, 1, 1), (64, 2, 1), (64, 1, 2)] {
            let other = Params::new(other.0, other.1, other.2, Some(OUTPUT_BYTES)).unwrap();
            assert!(!read.is_argon2id(&other));
        }
        // Of the foreign ones only Argon2id of version 1.3 with these parameters is current.
        let current: Vec<bool> =
            FOREIGN.iter().map(|text| StoredHash::parse(text).unwrap().is_argon2id(&params)).collect();
        assert_eq!(current.iter().filter(|current| **current).count(), 1);
        assert!(current[10]);
    }

    #[test]
    fn a_stored_hash_does_not_print_itself() {
        let hash = StoredHash::parse(FOREIGN[3]).unwrap();
        assert_eq!(format!("{hash:?}"), "StoredHash([redacted])");
    }
}
