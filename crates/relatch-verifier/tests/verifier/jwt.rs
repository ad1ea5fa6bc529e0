//! Every trick of RFC 8725, and every rule of RFC 9068 §4: the refusal beside the success.

use crate::issuer::{AUDIENCE, Issuer, NOW, TestKey, encode};
use relatch_verifier::{Algorithm, ConfigError, Flaw, Seconds, TOKEN_BYTES_MAX, Verifier, VerifyError};
use serde::Deserialize;
use serde_json::{Value, json};

/// Refuses `token` for `flaw`, where the same verifier takes a good one.
async fn assert_flaw(issuer: &Issuer, token: &str, flaw: Flaw) {
    let verifier = issuer.verifier();
    assert_eq!(verifier.verify(token).await, Err(VerifyError::InvalidToken(flaw)), "{token}");
    assert!(verifier.verify(&issuer.token()).await.is_ok());
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

#[tokio::test]
async fn a_good_token_gives_its_claims() {
    let issuer = Issuer::start().await;
    let claims = issuer.verifier().verify(&issuer.token()).await.unwrap();
    assert_eq!((claims.sub.as_str(), claims.sid.as_str()), ("usr_1", "ses_1"));
}

#[tokio::test]
async fn custom_claims_come_as_a_type() {
    #[derive(Deserialize)]
    struct Plan {
        plan: String,
    }
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.key.token(&with(issuer.claims(), "plan", json!("pro")));
    let claims = verifier.verify_as::<Plan>(&token).await.unwrap();
    assert_eq!((claims.sub.as_str(), claims.custom.plan.as_str()), ("usr_1", "pro"));
    let error = verifier.verify_as::<Plan>(&issuer.token()).await.err();
    assert_eq!(error, Some(VerifyError::InvalidToken(Flaw::CustomClaims)));
}

#[tokio::test]
async fn alg_none_is_refused_in_every_spelling() {
    let issuer = Issuer::start().await;
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let head = encode(with(header(), "alg", json!(name)).to_string().as_bytes());
        let unsigned = format!("{head}.{}.", encode(issuer.claims().to_string().as_bytes()));
        assert_flaw(&issuer, &unsigned, Flaw::Algorithm).await;
        let signed = issuer.key.token_with_header(&with(header(), "alg", json!(name)), &issuer.claims());
        assert_flaw(&issuer, &signed, Flaw::Algorithm).await;
    }
    let no_alg = issuer.key.token_with_header(&without(header(), "alg"), &issuer.claims());
    assert_flaw(&issuer, &no_alg, Flaw::Header).await;
}

#[tokio::test]
async fn hs256_keyed_with_the_public_key_is_refused() {
    let issuer = Issuer::start().await;
    let message = format!(
        "{}.{}",
        encode(with(header(), "alg", json!("HS256")).to_string().as_bytes()),
        encode(issuer.claims().to_string().as_bytes()),
    );
    for secret in [issuer.key.jwk.to_string(), issuer.key.jwk["x"].as_str().unwrap().to_owned()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let mac = aws_lc_rs::hmac::sign(&key, message.as_bytes());
        assert_flaw(&issuer, &format!("{message}.{}", encode(mac.as_ref())), Flaw::Algorithm).await;
    }
}

#[tokio::test]
async fn a_symmetric_key_in_the_jwks_is_never_used() {
    let issuer = Issuer::start().await;
    let mut document = crate::issuer::jwks(&[&issuer.key]);
    let oct = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "k2", "alg": "HS256" });
    document["keys"].as_array_mut().unwrap().push(oct);
    issuer.answer(crate::issuer::Answer::Document(document));
    let verifier = issuer.verifier();
    assert!(verifier.verify(&issuer.token()).await.is_ok());
    assert_eq!(verifier.key_status().keys, 1);
}

#[tokio::test]
async fn an_algorithm_off_the_list_is_refused_and_on_the_list_accepted() {
    for (key, algorithm) in
        [(TestKey::eddsa("k2"), Algorithm::EdDsa), (TestKey::rs256("k3"), Algorithm::Rs256)]
    {
        let issuer = Issuer::start().await;
        issuer.publish(&[&issuer.key, &key]);
        let token = key.token(&issuer.claims());
        assert_flaw(&issuer, &token, Flaw::Algorithm).await;
        let both = issuer.builder().algorithms(&[Algorithm::Es256, algorithm]).build().unwrap();
        assert!(both.verify(&token).await.is_ok(), "{algorithm:?}");
        assert!(both.verify(&issuer.token()).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_works_with_its_own_algorithm_alone() {
    let issuer = Issuer::start().await;
    let rsa = TestKey::rs256("k2");
    issuer.publish(&[&issuer.key, &rsa]);
    let verifier = issuer.builder().algorithms(&[Algorithm::Es256, Algorithm::Rs256]).build().unwrap();
    let crossed = [
        issuer.key.token_with_header(&with(header(), "kid", json!("k2")), &issuer.claims()),
        rsa.token_with_header(&json!({ "alg": "RS256", "typ": "at+jwt", "kid": "k1" }), &issuer.claims()),
    ];
    for token in crossed {
        assert_eq!(verifier.verify(&token).await, Err(Flaw::KeyAlgorithm.into()));
    }
    assert!(verifier.verify(&rsa.token(&issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn a_published_key_whose_alg_contradicts_its_type_or_use_is_passed_over() {
    let issuer = Issuer::start().await;
    let changes = [
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("use", json!("enc")),
        ("x", json!("AQAB")),
        ("kid", Value::Null),
    ];
    for (name, value) in changes {
        let odd = with(TestKey::es256("k2").jwk, name, value);
        issuer.answer(crate::issuer::Answer::Document(json!({ "keys": [odd, issuer.key.jwk] })));
        let verifier = issuer.verifier();
        assert!(verifier.verify(&issuer.token()).await.is_ok());
        assert_eq!(verifier.key_status().keys, 1, "{name}");
    }
}

#[tokio::test]
async fn a_header_that_brings_keys_or_rules_along_is_refused() {
    let issuer = Issuer::start().await;
    let thief = TestKey::es256("k1");
    let values = [
        ("jwk", thief.jwk.clone()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("enc", json!("A256GCM")),
        ("zip", json!("DEF")),
        ("jwk", Value::Null),
    ];
    for (name, value) in values {
        for key in [&issuer.key, &thief] {
            let token = key.token_with_header(&with(header(), name, value.clone()), &issuer.claims());
            assert_flaw(&issuer, &token, Flaw::ForbiddenHeader).await;
        }
    }
    let unknown = issuer.key.token_with_header(&with(header(), "x-trace", json!(1)), &issuer.claims());
    assert!(issuer.verifier().verify(&unknown).await.is_ok(), "other parameters are ignored, RFC 7515 §4");
}

#[tokio::test]
async fn only_the_type_of_access_tokens_is_accepted() {
    let issuer = Issuer::start().await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let token = issuer.key.token_with_header(&with(header(), "typ", json!(typ)), &issuer.claims());
        assert!(issuer.verifier().verify(&token).await.is_ok(), "{typ}");
    }
    for typ in ["JWT", "jwt", "logout+jwt", "dpop+jwt", "at+jwt ", "application/jwt", ""] {
        let token = issuer.key.token_with_header(&with(header(), "typ", json!(typ)), &issuer.claims());
        assert_flaw(&issuer, &token, Flaw::Type).await;
    }
    let untyped = issuer.key.token_with_header(&without(header(), "typ"), &issuer.claims());
    assert_flaw(&issuer, &untyped, Flaw::Type).await;
}

#[tokio::test]
async fn a_token_that_names_no_key_is_refused_even_with_a_single_key_published() {
    let issuer = Issuer::start().await;
    let token = issuer.key.token_with_header(&without(header(), "kid"), &issuer.claims());
    assert_flaw(&issuer, &token, Flaw::NoKeyId).await;
}

#[tokio::test]
async fn a_kid_is_a_name_and_nothing_else() {
    let issuer = Issuer::start().await;
    for kid in ["../../dev/null", "k1' OR '1'='1", "k1\0", "K1", "", "http://evil.example/"] {
        let token = issuer.key.token_with_header(&with(header(), "kid", json!(kid)), &issuer.claims());
        assert_flaw(&issuer, &token, Flaw::UnknownKey).await;
    }
}

#[tokio::test]
async fn a_foreign_signature_and_every_changed_byte_are_refused() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let foreign = TestKey::es256("k1").token(&issuer.claims());
    assert_eq!(verifier.verify(&foreign).await, Err(Flaw::Signature.into()));
    let good = issuer.token();
    assert!(verifier.verify(&good).await.is_ok());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(matches!(verifier.verify(&changed).await, Err(VerifyError::InvalidToken(_))), "byte {at}");
    }
}

#[tokio::test]
async fn degenerate_ecdsa_signatures_are_refused() {
    let issuer = Issuer::start().await;
    let good = issuer.token();
    let message = good.rsplit_once('.').unwrap().0;
    let der_like = [&[0x30, 0x44, 0x02, 0x20][..], &[1; 32], &[0x02, 0x20], &[1; 32]].concat();
    for signature in [&[0u8; 64][..], &[0xFF; 64], &[], &[0; 63], &[0; 65], &der_like] {
        let token = format!("{message}.{}", encode(signature));
        assert_flaw(&issuer, &token, Flaw::Signature).await;
    }
}

#[tokio::test]
async fn a_second_spelling_of_base64_is_refused() {
    let issuer = Issuer::start().await;
    let good = issuer.token();
    let parts: Vec<&str> = good.split('.').collect();
    for place in 0..3 {
        let variants =
            [format!("{}=", parts[place]), format!("{}==", parts[place]), format!(" {}", parts[place])];
        for variant in variants.iter().chain([&format!("{}\n", parts[place])]) {
            let mut changed = parts.clone();
            changed[place] = variant;
            // The payload is not looked at before its signature was right.
            let flaw = if place == 1 { Flaw::Signature } else { Flaw::Base64 };
            assert_flaw(&issuer, &changed.join("."), flaw).await;
        }
    }
    let padded = format!("{}.{}=", parts[0], parts[1]);
    let padded = format!("{padded}.{}", encode(&issuer.key.sign(padded.as_bytes())));
    assert_flaw(&issuer, &padded, Flaw::Base64).await;
    // 64 bytes leave four unused bits in the last of 86 characters; only zeros there are canonical.
    let mut bits = good.clone();
    let last = bits.pop().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    bits.push(next);
    assert_flaw(&issuer, &bits, Flaw::Base64).await;
    let standard_alphabet = good.replacen(parts[2], &parts[2].replace('-', "+").replace('_', "/"), 1);
    if standard_alphabet != good {
        assert_flaw(&issuer, &standard_alphabet, Flaw::Base64).await;
    }
}

#[tokio::test]
async fn what_is_not_a_signed_jwt_of_three_parts_is_refused() {
    let issuer = Issuer::start().await;
    let good = issuer.token();
    let refresh_token = format!("rlt_{}", "A".repeat(120));
    let jwe = format!("{good}.AAAA.AAAA");
    for token in ["", "a", "a.b", &refresh_token, &jwe, &format!("{good}.")] {
        assert_flaw(&issuer, token, Flaw::NotASignedJwt).await;
    }
    for token in ["..", "e30..", "bm90anNvbg.e30.AA", "W10.e30.AA"] {
        assert_flaw(&issuer, token, Flaw::Header).await;
    }
    let doubled = format!("{good},{good}");
    assert!(matches!(issuer.verifier().verify(&doubled).await, Err(VerifyError::InvalidToken(_))));
}

#[tokio::test]
async fn a_token_at_the_bound_is_read_and_one_byte_more_is_not() {
    let issuer = Issuer::start().await;
    let longest = (5_000..6_000)
        .rev()
        .map(|length| issuer.key.token(&with(issuer.claims(), "pad", json!("x".repeat(length)))))
        .find(|token| token.len() <= TOKEN_BYTES_MAX)
        .unwrap();
    assert!(longest.len() > TOKEN_BYTES_MAX - 2);
    assert!(issuer.verifier().verify(&longest).await.is_ok());
    assert_flaw(&issuer, &"a".repeat(TOKEN_BYTES_MAX + 1), Flaw::TooLong).await;
}

#[tokio::test]
async fn a_repeated_header_parameter_or_registered_claim_is_refused() {
    let issuer = Issuer::start().await;
    let claims = issuer.claims().to_string();
    let twice = r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}"#;
    assert_flaw(&issuer, &issuer.key.token_of_text(twice, &claims), Flaw::Header).await;
    let twice = claims.replacen('{', r#"{"sub":"usr_2","#, 1);
    assert_flaw(&issuer, &issuer.key.token_of_text(&header().to_string(), &twice), Flaw::Claims).await;
}

#[tokio::test]
async fn the_issuer_must_be_the_same_to_the_letter() {
    let issuer = Issuer::start().await;
    for iss in [format!("{}/", issuer.url), issuer.url.to_uppercase(), "https://evil.example".into()] {
        let token = issuer.key.token(&with(issuer.claims(), "iss", json!(iss)));
        assert_flaw(&issuer, &token, Flaw::Issuer).await;
    }
}

#[tokio::test]
async fn the_audience_must_name_this_service() {
    let issuer = Issuer::start().await;
    let others = [
        json!("https://other.example"),
        json!([]),
        json!(["a", "b"]),
        json!(""),
        json!(format!("{AUDIENCE}/")),
    ];
    for aud in others {
        let token = issuer.key.token(&with(issuer.claims(), "aud", aud));
        assert_flaw(&issuer, &token, Flaw::Audience).await;
    }
    let several = issuer.key.token(&with(issuer.claims(), "aud", json!(["x", AUDIENCE])));
    assert!(issuer.verifier().verify(&several).await.is_ok());
    let renamed = issuer.key.token(&with(issuer.claims(), "aud", json!("old-name")));
    let with_two_names = issuer.builder().audience("old-name").build().unwrap();
    assert!(with_two_names.verify(&renamed).await.is_ok());
}

#[tokio::test]
async fn every_registered_claim_must_be_there_with_its_type() {
    let issuer = Issuer::start().await;
    for name in ["iss", "aud", "sub", "iat", "exp", "jti", "client_id", "sid", "auth_time", "amr", "acr"] {
        let missing = issuer.key.token(&without(issuer.claims(), name));
        assert_flaw(&issuer, &missing, Flaw::Claims).await;
        let mistyped = issuer.key.token(&with(issuer.claims(), name, json!({ "a": 1 })));
        assert_flaw(&issuer, &mistyped, Flaw::Claims).await;
    }
    for exp in [json!("1900000000"), json!(1.9e300), json!(u64::MAX), Value::Null] {
        assert_flaw(&issuer, &issuer.key.token(&with(issuer.claims(), "exp", exp)), Flaw::Claims).await;
    }
}

#[tokio::test]
async fn a_token_dies_at_exp_and_the_leeway_moves_that_moment() {
    for leeway in [0, 30] {
        let issuer = Issuer::start().await;
        let verifier = issuer.builder().leeway(Seconds(leeway)).build().unwrap();
        let exp = 900 + i64::from(leeway);
        let early = issuer.key.token(&with(issuer.claims(), "jti", json!("first seen alive")));
        for (at, is_good) in [(exp - 1, true), (exp, false), (exp + 1, false)] {
            issuer.clock.set(at);
            // Seen for the first time, and remembered: the same verdict.
            let claims = with(with(issuer.claims(), "iat", json!(NOW)), "exp", json!(NOW + 900));
            let fresh = issuer.key.token(&with(claims, "jti", json!(at.to_string())));
            for token in [&early, &fresh, &fresh] {
                let expected = if is_good { None } else { Some(VerifyError::TokenExpired) };
                assert_eq!(verifier.verify(token).await.err(), expected, "leeway {leeway}, {at}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_begins_at_nbf_and_at_iat_less_the_leeway() {
    let issuer = Issuer::start().await;
    for name in ["nbf", "iat"] {
        for (ahead, is_good) in [(29, true), (30, true), (31, false)] {
            let claims = with(issuer.claims(), name, json!(NOW + ahead));
            let verdict = issuer.verifier().verify(&issuer.key.token(&claims)).await;
            let expected = if is_good { None } else { Some(Flaw::NotYetValid.into()) };
            assert_eq!(verdict.err(), expected, "{name} {ahead}");
        }
    }
    let nonsense = issuer.key.token(&with(issuer.claims(), "nbf", json!("soon")));
    assert_flaw(&issuer, &nonsense, Flaw::Claims).await;
}

#[tokio::test]
async fn a_token_that_would_outlive_the_revocations_is_refused() {
    let issuer = Issuer::start().await;
    for (life, is_good) in [(3599, true), (3600, true), (3601, false)] {
        let token = issuer.key.token(&with(issuer.claims(), "exp", json!(NOW + life)));
        let expected = if is_good { None } else { Some(Flaw::LivesTooLong.into()) };
        assert_eq!(issuer.verifier().verify(&token).await.err(), expected, "{life}");
    }
    let extremes = with(with(issuer.claims(), "exp", json!(i64::MAX)), "iat", json!(i64::MIN));
    assert_flaw(&issuer, &issuer.key.token(&extremes), Flaw::LivesTooLong).await;
}

#[tokio::test]
async fn a_token_bound_to_a_key_is_no_bearer_token() {
    let issuer = Issuer::start().await;
    let bound = issuer.key.token(&with(issuer.claims(), "cnf", json!({ "jkt": "x" })));
    assert_flaw(&issuer, &bound, Flaw::BoundToKey).await;
}

#[test]
fn settings_that_would_weaken_every_check_are_refused() {
    let build = |issuer: &str| Verifier::builder(issuer).audience("a").build().err();
    assert!(build("https://auth.example.com").is_none());
    assert!(build("http://127.0.0.1:8080").is_none() && build("http://[::1]:8080").is_none());
    assert!(build("http://localhost:8080").is_none());
    assert!(matches!(build("http://auth.example.com"), Some(ConfigError::PlainHttp(_))));
    assert!(matches!(build("http://localhost.evil.example"), Some(ConfigError::PlainHttp(_))));
    for odd in ["", "auth.example.com", "ftp://a", "https://u:p@a", "https://a?b", "https://a#b"] {
        assert!(matches!(build(odd), Some(ConfigError::Url(_))), "{odd}");
    }
    let no_audience = Verifier::builder("https://a").build().err();
    assert!(matches!(no_audience, Some(ConfigError::NoAudience)));
    let elsewhere = Verifier::builder("https://a").audience("a").jwks_url("http://b/keys").build().err();
    assert!(matches!(elsewhere, Some(ConfigError::PlainHttp(_))));
    let trusted = Verifier::builder("http://auth.internal").audience("a").danger_allow_plain_http().build();
    assert!(trusted.is_ok());
}
