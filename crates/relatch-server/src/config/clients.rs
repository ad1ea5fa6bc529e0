//! `[[clients]]`: OAuth clients that are registered by configuration.

use super::{ConfigError, SecretText};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_token::{ClientId, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// One OAuth client (RFC 6749 §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The `client_id`: up to 64 letters, digits and `-_.:/`.
    #[serde(with = "client_id")]
    #[schemars(with = "String")]
    pub id: ClientId,
    /// `confidential` for a client that can keep a secret, `public` for one that can't.
    pub kind: ClientKind,
    /// What is kept of a confidential client's secret: `sha256:` and the SHA-256 of the secret in base64url.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub secret_hash: Option<SecretText>,
    /// A file that holds the secret itself, in place of `secret_hash`.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The scopes that its sessions may have.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The `aud` of its access tokens. Empty: that of `tokens.audience`.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Claims that its access tokens carry beside those of `tokens.claims`, whose like-named ones they
    /// replace.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// It can't: an app on somebody's device.
    Public,
    /// It can: a server.
    Confidential,
}

impl ClientConfig {
    /// The SHA-256 of its secret; none for a public client. Reads `secret_file`.
    ///
    /// A plain hash is enough, since secrets of clients are generated and short ones are refused where we see
    /// them; something slow could not be asked at every request of a client anyway.
    pub fn secret_sha256(&self) -> Result<Option<Secret<[u8; 32]>>, ConfigError> {
        let problem = |what: String| ConfigError::new(format!("the client `{}` {what}", self.id));
        let file = match self.secret().map_err(|rule| problem(rule.into()))? {
            ClientSecret::None => return Ok(None),
            ClientSecret::Sha256(hash) => return Ok(Some(hash)),
            ClientSecret::File(file) => file,
        };
        let text = std::fs::read_to_string(file)
            .map(Secret::new)
            .map_err(|error| problem(format!("has its secret in {}: {error}", file.display())))?;
        let secret = text.expose().trim();
        if secret.len() < SECRET_BYTES_MIN {
            let file = file.display();
            return Err(problem(format!(
                "needs a secret of {SECRET_BYTES_MIN} characters or more in {file}"
            )));
        }
        Ok(Some(Secret::new(Sha256::digest(secret).into())))
    }

    /// Where its secret is, or the rule that its settings break.
    pub(super) fn secret(&self) -> Result<ClientSecret<'_>, &'static str> {
        match (self.kind, &self.secret_hash, &self.secret_file) {
            (ClientKind::Public, None, None) => Ok(ClientSecret::None),
            (ClientKind::Public, ..) => Err("is public, so it can have no secret; remove it"),
            (ClientKind::Confidential, Some(hash), None) => decode_hash(hash)
                .map(ClientSecret::Sha256)
                .ok_or("needs a `secret_hash` of `sha256:` and 43 characters of base64url"),
            (ClientKind::Confidential, None, Some(file)) => Ok(ClientSecret::File(file)),
            (ClientKind::Confidential, ..) => {
                Err("is confidential, so it needs one of `secret_hash` and `secret_file`")
            }
        }
    }
}

/// Where a client's secret is.
pub(super) enum ClientSecret<'a> {
    None,
    Sha256(Secret<[u8; 32]>),
    File(&'a Path),
}

/// The shortest secret that is believed to be generated, in bytes: 128 bits in base64.
const SECRET_BYTES_MIN: usize = 22;

fn decode_hash(hash: &SecretText) -> Option<Secret<[u8; 32]>> {
    let mut bytes = [0; 32];
    let decoded = Base64UrlUnpadded::decode(hash.expose().strip_prefix("sha256:")?, &mut bytes).ok()?;
    (decoded.len() == 32).then(|| Secret::new(bytes))
}

mod client_id {
    use relatch_token::ClientId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &ClientId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(id.as_ref())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClientId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("give it 1 to 64 letters, digits and -_.:/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(json: Value) -> ClientConfig {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_confidential_client_has_one_secret_and_a_public_one_none() {
        let hash = "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        let of = |extra: Value| {
            let mut json = serde_json::json!({"id": "app", "kind": "confidential"});
            json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            client(json).secret_sha256()
        };
        let expected: [u8; 32] = Sha256::digest("abc").into();
        assert_eq!(of(serde_json::json!({"secret_hash": hash})), Ok(Some(Secret::new(expected))));
        assert_eq!(of(serde_json::json!({"kind": "public"})), Ok(None));
        for refused in [
            serde_json::json!({}),
            serde_json::json!({"kind": "public", "secret_hash": hash}),
            serde_json::json!({"secret_hash": hash, "secret_file": "x"}),
            serde_json::json!({"secret_hash": &hash[..hash.len() - 1]}),
            serde_json::json!({"secret_hash": "abc"}),
        ] {
            assert!(of(refused.clone()).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_secret_in_a_file_is_hashed_and_a_short_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let app = client(serde_json::json!({"id": "app", "kind": "confidential", "secret_file": file}));
        assert!(app.secret_sha256().unwrap_err().to_string().contains("`app`"));
        std::fs::write(&file, "0123456789012345678901\n").unwrap();
        let expected: [u8; 32] = Sha256::digest("0123456789012345678901").into();
        assert_eq!(app.secret_sha256(), Ok(Some(Secret::new(expected))));
        std::fs::write(&file, "012345678901234567890\n").unwrap();
        let refusal = app.secret_sha256().unwrap_err().to_string();
        assert!(refusal.contains("22 characters") && !refusal.contains("0123"), "{refusal}");
    }
}
