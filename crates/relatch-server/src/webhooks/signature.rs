//! Signatures of Standard Webhooks (symmetric, `v1`): HMAC-SHA256 over id, time and body.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64ct::{Base64, Encoding};
use relatch_token::{Secret, Timestamp};
use zeroize::Zeroizing;

/// The secrets of one receiver: one, or two while it is being changed.
#[derive(Clone, Debug)]
pub struct WebhookSecrets(Vec<Secret<Vec<u8>>>);

impl WebhookSecrets {
    /// Reads `whsec_…`, or two of them with space between.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence; never a part of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let secrets: Option<Vec<_>> = text.split_whitespace().map(parse_one).collect();
        match secrets {
            None => {
                Err("must hold `whsec_` and 24 to 64 bytes in base64; `relatch webhooks secret` prints one")
            }
            Some(secrets) if (1..=SECRETS_MAX).contains(&secrets.len()) => Ok(Self(secrets)),
            Some(_) => Err("must hold one secret, or two while it is being changed"),
        }
    }

    /// A new secret as its text, of these random bytes.
    pub fn text(random: &[u8; 32]) -> Secret<String> {
        Secret::new(format!("{PREFIX}{}", Base64::encode_string(random)))
    }

    /// The `webhook-signature` of a message: one signature for each secret.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signed = [format!("{id}.{}.", at.as_seconds()).as_bytes(), body].concat();
        let one = |secret: &Secret<Vec<u8>>| {
            let tag = sign(&Key::new(HMAC_SHA256, secret.expose()), &signed);
            format!("v1,{}", Base64::encode_string(tag.as_ref()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn parse_one(text: &str) -> Option<Secret<Vec<u8>>> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES_MAX]);
    let decoded = Base64::decode(text.strip_prefix(PREFIX)?, bytes.as_mut()).ok()?;
    (decoded.len() >= SECRET_BYTES_MIN).then(|| Secret::new(decoded.to_vec()))
}

const PREFIX: &str = "whsec_";
/// Standard Webhooks, "Signature scheme": between 24 and 64 bytes.
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;
const SECRETS_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret, id, time and body that the specification's own libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn signature(secrets: &str) -> String {
        let at = Timestamp::from_seconds(1_614_265_330);
        WebhookSecrets::parse(secrets).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, BODY)
    }

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        assert_eq!(signature(SECRET), VECTOR);
    }

    #[test]
    fn while_a_secret_is_changed_both_sign() {
        let new = WebhookSecrets::text(&[7; 32]);
        let both = signature(&format!("{} {SECRET}\n", new.expose()));
        assert_eq!(both, format!("{} {}", signature(new.expose()), signature(SECRET)));
    }

    #[test]
    fn what_is_no_secret_is_refused_unseen() {
        let short = format!("whsec_{}", Base64::encode_string(&[7; 23]));
        let long = format!("whsec_{}", Base64::encode_string(&[7; 65]));
        let three = [SECRET; 3].join(" ");
        for bad in ["", " ", "sesame", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &short, &long, &three] {
            let refusal = WebhookSecrets::parse(bad).unwrap_err();
            assert!(!refusal.contains("sesame"), "{bad}");
        }
        assert!(WebhookSecrets::parse(&format!("whsec_{}", Base64::encode_string(&[7; 24]))).is_ok());
        assert!(WebhookSecrets::parse(&format!("whsec_{}", Base64::encode_string(&[7; 64]))).is_ok());
        assert!(!format!("{:?}", WebhookSecrets::parse(SECRET).unwrap()).contains("MfKQ"));
    }

    const VECTOR: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
}
