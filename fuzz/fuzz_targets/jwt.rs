//! Access tokens: what verifies was signed by us, in the one spelling in which we wrote it.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use libfuzzer_sys::fuzz_target;
use relatch_fuzz::{edited, edited_text, text};
use relatch_server::environment::OsEntropy;
use relatch_server::keys::{Algorithm, Expectations, KeyPolicy, SigningKeys, TokenProblem};
use relatch_store::memory::MemoryStore;
use relatch_token::{AccessClaims, Audience, KeyRing, MasterKey, Secret, Timestamp};
use std::sync::{Arc, LazyLock};

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (signer, way, rest) = input;
    let issued = &ISSUED[usize::from(signer) % ISSUED.len()];
    let presented = match way % 5 {
        0 => text(rest),
        1 => edited_text(&issued.token, rest),
        // Behind the alphabet: the header, the claims or the signature, changed and encoded as it should be.
        part => {
            let mut parts: Vec<String> = issued.token.split('.').map(str::to_owned).collect();
            let chosen = &mut parts[usize::from(part - 2)];
            let bytes = Base64UrlUnpadded::decode_vec(chosen).expect("our own encoding");
            *chosen = Base64UrlUnpadded::encode_string(&edited(&bytes, rest));
            parts.join(".")
        }
    };
    let verdict = issued.keys.verify(&presented, &EXPECTED, at(ISSUED_AT));
    match &verdict {
        Ok(claims) => {
            assert_eq!(claims, &issued.claims);
            assert!(issued.signed(&presented), "{presented} is another text than the token that was signed");
        }
        Err(TokenProblem::Invalid | TokenProblem::UnknownKey) => assert_ne!(presented, issued.token),
        Err(problem) => panic!("{problem:?} would send the owner of a forged token refreshing"),
    }
    let late = issued.keys.verify(&presented, &EXPECTED, at(ISSUED_AT + LIFE_SECONDS));
    assert_eq!(late, verdict.and(Err(TokenProblem::Expired)));
});

/// A token, and who signed it.
struct Issued {
    algorithm: Algorithm,
    keys: SigningKeys,
    claims: AccessClaims,
    token: String,
}

impl Issued {
    fn by(algorithm: Algorithm) -> Self {
        let master = MasterKey { id: 1, secret: Secret::new([1; 32]) };
        let ring = KeyRing::new(b"fuzz", vec![master]).expect("one key");
        let policy = KeyPolicy { algorithm, ..KeyPolicy::default() };
        let entropy = Arc::new(OsEntropy::open().expect("random bytes"));
        let store = MemoryStore::new([0; 16]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let load = SigningKeys::load(&store, ring, policy, entropy, at(ISSUED_AT));
        let keys = runtime.block_on(load).expect("a new key");
        let claims = AccessClaims {
            iss: EXPECTED.issuer.into(),
            aud: Audience::One(EXPECTED.audience.into()),
            sub: "usr_1".into(),
            iat: ISSUED_AT,
            exp: ISSUED_AT + LIFE_SECONDS,
            jti: "j".into(),
            client_id: "relatch".into(),
            sid: "ses_1".into(),
            auth_time: ISSUED_AT,
            amr: vec!["pwd".into()],
            acr: "1".into(),
            scope: None,
            custom: serde_json::Map::from_iter([("plan".into(), "prö".into())]),
        };
        let token = keys.sign(&claims, at(ISSUED_AT)).expect("the key signs at once");
        Self { algorithm, keys, claims, token }
    }

    /// Whether a text that verifies is the token. Who holds an ECDSA signature can write a twin of it, `n - s` in
    /// place of `s`, under the same header and claims, which is of no use to anybody; but no signature may have a
    /// second spelling, such as other bits behind the last whole byte of its base64.
    fn signed(&self, text: &str) -> bool {
        let signed_part = |text: &str| text.rsplit_once('.').map(|(part, _)| part.to_owned());
        let but_last = |text: &str| text.get(..text.len() - 1).map(str::to_owned);
        let may_be_twin = self.algorithm == Algorithm::Es256
            && signed_part(text) == signed_part(&self.token)
            && text.len() == self.token.len()
            && but_last(text) != but_last(&self.token);
        text == self.token || may_be_twin
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

static ISSUED: LazyLock<[Issued; 3]> =
    LazyLock::new(|| [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].map(Issued::by));
const EXPECTED: Expectations<'_> =
    Expectations { issuer: "https://id.example", audience: "https://api.example" };
const ISSUED_AT: i64 = 1_800_000_000;
const LIFE_SECONDS: i64 = 900;
