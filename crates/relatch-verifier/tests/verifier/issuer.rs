//! A fake issuer: real keys, a real socket, and faults on demand.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router, response::IntoResponse};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_verifier::{Clock, Timestamp, Verifier, VerifierBuilder};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When every test begins, in Unix seconds.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// An issuer with one ES256 key, published.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) clock: TestClock,
    pub(crate) key: TestKey,
    desk: Arc<Desk>,
}

struct Desk {
    fetches: AtomicUsize,
    answer: Mutex<Answer>,
}

/// What the issuer says when asked for its keys.
#[derive(Clone)]
pub(crate) enum Answer {
    Document(Value),
    Text(String),
    Status(u16),
    /// A document that the status disowns.
    Disowned(u16, Value),
    RedirectTo(String),
    /// The document after a pause.
    Slow(Value, Duration),
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let key = TestKey::es256("k1");
        let desk = Arc::new(Desk {
            fetches: AtomicUsize::new(0),
            answer: Mutex::new(Answer::Document(json!({ "keys": [key.jwk] }))),
        });
        let app = Router::new()
            .route("/.well-known/jwks.json", get(serve_keys))
            .route("/elsewhere", get(serve_keys))
            .with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, clock: TestClock::default(), key, desk }
    }

    pub(crate) fn publish(&self, keys: &[&TestKey]) {
        self.answer(Answer::Document(jwks(keys)));
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.desk.answer.lock().unwrap() = answer;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.desk.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn builder(&self) -> VerifierBuilder {
        Verifier::builder(&self.url).audience(AUDIENCE).clock(self.clock.clone())
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.builder().build().unwrap()
    }

    /// The claims of a good token, issued now.
    pub(crate) fn claims(&self) -> Value {
        let iat = self.clock.now().as_seconds();
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "usr_1", "iat": iat, "exp": iat + 900, "jti": "j1",
            "client_id": "spa", "sid": "ses_1", "auth_time": iat, "amr": ["pwd"], "acr": "1",
        })
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.key.token(&self.claims())
    }
}

pub(crate) fn jwks(keys: &[&TestKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
}

async fn serve_keys(State(desk): State<Arc<Desk>>) -> Response {
    desk.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = desk.answer.lock().unwrap().clone();
    match answer {
        Answer::Document(document) => Json(document).into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status) => Response::builder().status(status).body(Body::empty()).unwrap(),
        Answer::Disowned(status, document) => {
            Response::builder().status(status).body(Body::from(document.to_string())).unwrap()
        }
        Answer::RedirectTo(place) => {
            Response::builder().status(302).header("location", place).body(Body::empty()).unwrap()
        }
        Answer::Slow(document, pause) => {
            tokio::time::sleep(pause).await;
            Json(document).into_response()
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// To a second relative to the start.
    pub(crate) fn set(&self, seconds: i64) {
        self.0.store((NOW + seconds) * 1000, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NOW * 1000)))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A key pair and its public half as published.
pub(crate) struct TestKey {
    pub(crate) kid: &'static str,
    pub(crate) alg: &'static str,
    pub(crate) jwk: Value,
    signer: Signer,
}

enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    pub(crate) fn es256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "kid": kid, "alg": "ES256", "use": "sig",
        });
        Self { kid, alg: "ES256", jwk, signer: Signer::Ec(pair) }
    }

    pub(crate) fn eddsa(kid: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = encode(pair.public_key().as_ref());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" });
        Self { kid, alg: "EdDSA", jwk, signer: Signer::Ed(pair) }
    }

    pub(crate) fn rs256(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let (n, e) = (public.modulus().big_endian_without_leading_zero(), public.exponent());
        let (n, e) = (encode(n), encode(e.big_endian_without_leading_zero()));
        let jwk = json!({ "kty": "RSA", "n": n, "e": e, "kid": kid, "alg": "RS256", "use": "sig" });
        Self { kid, alg: "RS256", jwk, signer: Signer::Rsa(pair) }
    }

    /// A token with these claims and the header of an access token.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with_header(&json!({ "alg": self.alg, "typ": "at+jwt", "kid": self.kid }), claims)
    }

    pub(crate) fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        self.token_of_text(&header.to_string(), &claims.to_string())
    }

    /// For JSON that no value can hold, such as a repeated name.
    pub(crate) fn token_of_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        format!("{message}.{}", encode(&self.sign(message.as_bytes())))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
