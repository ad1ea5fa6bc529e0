//! One signing key: made, opened, named by its thumbprint, and put to work on compact JWS (RFC 7515 §3.1).
//!
//! The pair is parsed once and signs for itself: `jsonwebtoken`, which does the rest, would parse and check the
//! private key at every signature (`docs/decisions/0004-keys-parsed-once.md`).

use super::seal::PrivateDer;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use relatch_token::{AccessClaims, Secret};
use std::fmt;
use std::str::FromStr;

/// How access tokens are signed: each algorithm has one type of key and the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4), understood by every verifier.
    #[default]
    Es256,
    /// Ed25519 (RFC 8037 §3.1).
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

impl Algorithm {
    /// Its name in a header, a JWK and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    fn in_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no algorithm of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signing algorithm; choose ES256, EdDSA or RS256")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// By exact spelling, as everywhere in JOSE (RFC 7515 §4.1.1).
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let all = [Self::Es256, Self::EdDsa, Self::Rs256];
        all.into_iter().find(|one| one.name() == name).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// The size of an RSA key. A longer one signs several times slower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaSize {
    /// 2048 bits: enough for keys that live a month and tokens that live minutes.
    #[default]
    Bits2048,
    /// 3072 bits, where a policy asks for 128 bits of security (SP 800-57 part 1 §5.6.1).
    Bits3072,
}

/// A key that can sign, and that knows its own name.
pub(super) struct SigningKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    /// The public part as a JWK (RFC 7517), with `kid`, `alg` and `use`.
    pub(super) public_jwk: String,
    /// The header of every token of this key, encoded.
    header: String,
    pair: Pair,
    public: DecodingKey,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// The cryptographic library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library refused to {0}")]
pub(super) struct CryptoRefused(&'static str);

/// Makes the private part of a new key. RSA takes a good part of a second: not for an async worker.
pub(super) fn generate(algorithm: Algorithm, rsa_size: RsaSize) -> Result<PrivateDer, CryptoRefused> {
    let rng = SystemRandom::new();
    let pkcs8 = |made: Result<Vec<u8>, Unspecified>| {
        made.map(Secret::new).map_err(|_| CryptoRefused("make a signing key"))
    };
    match algorithm {
        Algorithm::Es256 => pkcs8(
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                .map(|der| der.as_ref().to_vec()),
        ),
        // Version 1 of PKCS #8, which other tools read too, should an operator ever have to.
        Algorithm::EdDsa => pkcs8(Ed25519KeyPair::generate_pkcs8v1(&rng).map(|der| der.as_ref().to_vec())),
        Algorithm::Rs256 => pkcs8(
            RsaKeyPair::generate(rsa_size.in_aws_lc())
                .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|der| der.as_ref().to_vec())),
        ),
    }
}

impl RsaSize {
    fn in_aws_lc(self) -> KeySize {
        match self {
            Self::Bits2048 => KeySize::Rsa2048,
            Self::Bits3072 => KeySize::Rsa3072,
        }
    }
}

impl SigningKey {
    /// Parses a private part and derives everything else from it, its name included.
    pub(super) fn from_private(algorithm: Algorithm, private: &PrivateDer) -> Result<Self, CryptoRefused> {
        let pair = Pair::parse(algorithm, private).map_err(|_| CryptoRefused("read a signing key"))?;
        let refused = |_| CryptoRefused("read the public part of a signing key");
        let public = pair.decoding_key();
        let mut jwk = Jwk::from_decoding_key(&public, Some(algorithm.in_jsonwebtoken())).map_err(refused)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(refused)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public_jwk = serde_json::to_string(&jwk)
            .unwrap_or_else(|_| unreachable!("a JWK is made of strings and nothing else"));
        let header = header(algorithm, &kid);
        Ok(Self { kid, algorithm, public_jwk, header, pair, public })
    }

    /// The claims as a signed token in compact form.
    pub(super) fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoRefused> {
        let claims = serde_json::to_vec(claims)
            .unwrap_or_else(|_| unreachable!("claims have string keys and values that JSON knows"));
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + SIGNATURE_ROOM);
        token.push_str(&self.header);
        push_part(&mut token, &claims);
        let signature = self.pair.sign(token.as_bytes()).map_err(|_| CryptoRefused("sign"))?;
        push_part(&mut token, &signature);
        Ok(token)
    }

    /// The claims of a token that this key signed; `None` for anything else, or for claims that aren't ours.
    ///
    /// The header has to be ours to the last byte. That is stricter than a list of what is allowed
    /// (RFC 8725 §3.1, §3.11; RFC 9068 §4): another `alg` or `typ`, `none`, `crit`, `jku`, `jwk`, `x5c` and
    /// whatever else can be put into a header never get as far as being parsed.
    pub(super) fn open(&self, token: &str) -> Option<AccessClaims> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        if header != self.header {
            return None;
        }
        let algorithm = self.algorithm.in_jsonwebtoken();
        if !jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.public, algorithm).ok()? {
            return None;
        }
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).ok()?).ok()
    }

    /// Whether a token says, in our own words, that this key signed it.
    pub(super) fn is_named_by(&self, token: &str) -> bool {
        token.strip_prefix(self.header.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn parse(algorithm: Algorithm, private: &PrivateDer) -> Result<Self, KeyRejected> {
        let der = private.expose();
        Ok(match algorithm {
            Algorithm::Es256 => Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?),
            Algorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::from_pkcs8(der)?),
            Algorithm::Rs256 => Self::Rs256(RsaKeyPair::from_pkcs8(der)?),
        })
    }

    fn decoding_key(&self) -> DecodingKey {
        match self {
            Self::Es256(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::EdDsa(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Self::Rs256(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                DecodingKey::from_rsa_raw_components(&parts.n, &parts.e)
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let rng = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&rng, message).map(|signature| signature.as_ref().to_vec()),
            Self::EdDsa(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

fn header(algorithm: Algorithm, kid: &str) -> String {
    let mut header = jsonwebtoken::Header::new(algorithm.in_jsonwebtoken());
    header.typ = Some("at+jwt".into());
    header.kid = Some(kid.into());
    let json = serde_json::to_vec(&header)
        .unwrap_or_else(|_| unreachable!("a header is made of strings and nothing else"));
    Base64UrlUnpadded::encode_string(&json)
}

fn push_part(token: &mut String, part: &[u8]) {
    token.push('.');
    token.push_str(&Base64UrlUnpadded::encode_string(part));
}

/// Two dots, and 384 bytes of the longest signature in base64.
const SIGNATURE_ROOM: usize = 520;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, Validation};
    use relatch_token::Audience;

    const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

    pub(in crate::keys) fn claims(iat: i64, exp: i64) -> AccessClaims {
        AccessClaims {
            iss: "https://id.example".into(),
            aud: Audience::One("https://api.example".into()),
            sub: "usr_1".into(),
            iat,
            exp,
            jti: "j".into(),
            client_id: "web".into(),
            sid: "ses_1".into(),
            auth_time: iat,
            amr: vec!["pwd".into()],
            acr: "1".into(),
            scope: None,
            custom: serde_json::Map::from_iter([("plan".into(), "prö".into())]),
        }
    }

    /// What another implementation makes of a token, given the published key; times are not its business.
    pub(in crate::keys) fn claims_by_another_verifier(token: &str, jwk: &Jwk) -> Option<AccessClaims> {
        let algorithm = jwk.common.key_algorithm?.to_string().parse().ok()?;
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_audience(&["https://api.example"]);
        let key = DecodingKey::from_jwk(jwk).ok()?;
        jsonwebtoken::decode::<AccessClaims>(token, &key, &validation).ok().map(|data| data.claims)
    }

    fn es256() -> (PrivateDer, SigningKey) {
        let private = generate(Algorithm::Es256, RsaSize::Bits2048).unwrap();
        let key = SigningKey::from_private(Algorithm::Es256, &private).unwrap();
        (private, key)
    }

    #[test]
    fn every_algorithm_signs_what_another_implementation_verifies() {
        for algorithm in ALL {
            let private = generate(algorithm, RsaSize::Bits2048).unwrap();
            let key = SigningKey::from_private(algorithm, &private).unwrap();
            let jwk: Jwk = serde_json::from_str(&key.public_jwk).unwrap();
            assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), key.kid);
            let token = key.sign(&claims(1, 2)).unwrap();
            assert_eq!(claims_by_another_verifier(&token, &jwk), Some(claims(1, 2)));
            assert_eq!(key.open(&token), Some(claims(1, 2)));

            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!((header.typ.as_deref(), header.kid), (Some("at+jwt"), Some(key.kid.clone())));
            let published: serde_json::Value = serde_json::from_str(&key.public_jwk).unwrap();
            assert_eq!(published["use"], "sig");
            assert_eq!(published["alg"], algorithm.name());
            assert!(published.get("d").is_none() && published.get("p").is_none());
            let again = SigningKey::from_private(algorithm, &private).unwrap();
            assert_eq!(again.open(&token), Some(claims(1, 2)), "opened again, it is the same key");
        }
    }

    #[test]
    fn rsa_keys_have_the_size_that_was_asked_for() {
        for (size, characters) in [(RsaSize::Bits2048, 342), (RsaSize::Bits3072, 512)] {
            let private = generate(Algorithm::Rs256, size).unwrap();
            let key = SigningKey::from_private(Algorithm::Rs256, &private).unwrap();
            let token = key.sign(&claims(1, 2)).unwrap();
            assert_eq!(token.rsplit('.').next().unwrap().len(), characters);
        }
    }

    /// Every header here carries a signature that the right key really made (RFC 8725 §2).
    #[test]
    fn no_header_but_our_own_is_accepted_even_where_the_signature_is_good() {
        let (private, key) = es256();
        let encoding = EncodingKey::from_ec_der(private.expose());
        let ours = jsonwebtoken::decode_header(key.sign(&claims(1, 2)).unwrap()).unwrap();
        let signed = |header: &Header| jsonwebtoken::encode(header, &claims(1, 2), &encoding).unwrap();
        assert_eq!(key.open(&signed(&ours)), Some(claims(1, 2)), "the forger's tool works");

        type Change = fn(&mut Header);
        let changes: [(&str, Change); 11] = [
            ("typ JWT", |header| header.typ = Some("JWT".into())),
            ("no typ", |header| header.typ = None),
            ("no kid", |header| header.kid = None),
            ("another kid", |header| header.kid = Some("other".into())),
            ("crit", |header| header.crit = Some(vec!["exp".into()])),
            ("jku", |header| header.jku = Some("https://evil.example/jwks".into())),
            ("x5u", |header| header.x5u = Some("https://evil.example/x5u".into())),
            ("x5c", |header| header.x5c = Some(vec!["MII".into()])),
            ("x5t", |header| header.x5t = Some("t".into())),
            ("cty", |header| header.cty = Some("JWT".into())),
            ("b64", |header| header.extras.insert("b64", false)),
        ];
        for (name, change) in changes {
            let mut header = ours.clone();
            change(&mut header);
            assert_eq!(key.open(&signed(&header)), None, "{name}");
        }
        let mut header = ours.clone();
        header.jwk = Some(serde_json::from_str(&key.public_jwk).unwrap());
        assert_eq!(key.open(&signed(&header)), None, "jwk");
    }

    #[test]
    fn no_other_algorithm_is_accepted_under_the_name_of_a_key() {
        let (_, key) = es256();
        let token = key.sign(&claims(1, 2)).unwrap();
        let ours = jsonwebtoken::decode_header(&token).unwrap();
        let payload = token.split('.').nth(1).unwrap();

        // The public key as an HMAC secret (RFC 8725 §2.1).
        let secret = EncodingKey::from_secret(key.public_jwk.as_bytes());
        let symmetric = Header { alg: jsonwebtoken::Algorithm::HS256, ..ours.clone() };
        assert_eq!(key.open(&jsonwebtoken::encode(&symmetric, &claims(1, 2), &secret).unwrap()), None);

        let none = Base64UrlUnpadded::encode_string(
            format!(r#"{{"typ":"at+jwt","alg":"none","kid":"{}"}}"#, key.kid).as_bytes(),
        );
        let header = token.split('.').next().unwrap();
        for forged in [
            format!("{none}.{payload}."),
            format!("{none}.{payload}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}..{}", token.rsplit('.').next().unwrap()),
            // All zeros, which broken verifiers took for a signature of anything.
            format!("{header}.{payload}.{}", "A".repeat(86)),
        ] {
            assert_eq!(key.open(&forged), None, "{forged}");
        }
        // A key of another type with a good signature of its own.
        let other = generate(Algorithm::EdDsa, RsaSize::Bits2048).unwrap();
        let other = SigningKey::from_private(Algorithm::EdDsa, &other).unwrap().sign(&claims(1, 2)).unwrap();
        let spliced = [header, other.split_once('.').unwrap().1].join(".");
        assert_eq!(key.open(&spliced), None);
    }

    #[test]
    fn a_token_with_any_character_changed_cut_or_added_is_refused() {
        let (_, key) = es256();
        let token = key.sign(&claims(1, 2)).unwrap();
        for at in 0..token.len() {
            for other in ['A', 'B', '.', '=', ' ', '\u{0}'] {
                let changed = [&token[..at], &other.to_string(), &token[at + 1..]].concat();
                assert!(changed == token || key.open(&changed).is_none(), "{at} {other:?}");
            }
            assert_eq!(key.open(&token[..at]), None);
        }
        for added in ["A", "=", "==", ".", " ", "\n"] {
            assert_eq!(key.open(&format!("{token}{added}")), None, "{added:?}");
            assert_eq!(key.open(&format!("{added}{token}")), None, "{added:?}");
        }
    }

    #[test]
    fn nothing_private_is_in_debug_output() {
        let (private, key) = es256();
        assert_eq!(format!("{private:?}"), "[redacted]");
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.kid) && shown.len() < 120, "{shown}");
    }

    /// `cargo test --release -p relatch-server keys::signing -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn signatures_per_second() {
        use crate::environment::Stopwatch;
        let rate = |name: &str, work: &dyn Fn()| {
            let times: u32 = if name.starts_with("RS256 s") { 50 } else { 1000 };
            let mut rates: Vec<f64> = (0..7)
                .map(|_| {
                    let watch = Stopwatch::start();
                    (0..times).for_each(|_| work());
                    f64::from(times) / watch.elapsed().as_secs_f64()
                })
                .collect();
            rates.sort_by(f64::total_cmp);
            println!("{name:<40} {:>9.0}/s  {:>7.1} µs", rates[3], 1e6 / rates[3]);
        };
        for algorithm in ALL {
            let private = generate(algorithm, RsaSize::Bits2048).unwrap();
            let key = SigningKey::from_private(algorithm, &private).unwrap();
            let (name, token, claims) = (algorithm.name(), key.sign(&claims(1, 2)).unwrap(), claims(1, 2));
            rate(&format!("{name} signature alone"), &|| drop(key.pair.sign(&[7; 500]).unwrap()));
            rate(&format!("{name} sign, parsed once"), &|| drop(key.sign(&claims).unwrap()));
            rate(&format!("{name} verify, header compared"), &|| drop(key.open(&token).unwrap()));
            let encoding = match algorithm {
                Algorithm::Es256 => EncodingKey::from_ec_der(private.expose()),
                Algorithm::EdDsa => EncodingKey::from_ed_der(private.expose()),
                // PKCS #1 inside PKCS #8: the last field, behind a header of 26 bytes for these sizes.
                Algorithm::Rs256 => EncodingKey::from_rsa_der(&private.expose()[26..]),
            };
            let header = jsonwebtoken::decode_header(&token).unwrap();
            rate(&format!("{name} sign, jsonwebtoken"), &|| {
                drop(jsonwebtoken::encode(&header, &claims, &encoding).unwrap());
            });
            let jwk: Jwk = serde_json::from_str(&key.public_jwk).unwrap();
            let decoding = DecodingKey::from_jwk(&jwk).unwrap();
            let mut validation = Validation::new(header.alg);
            validation.validate_exp = false;
            validation.set_audience(&["https://api.example"]);
            rate(&format!("{name} verify, jsonwebtoken"), &|| {
                drop(jsonwebtoken::decode::<AccessClaims>(&token, &decoding, &validation).unwrap());
            });
        }
    }
}
