//! The claims of an access token (RFC 9068 §2.2).

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The claims of an access token, in the shape in which they are signed.
///
/// Times are whole Unix seconds (RFC 7519 §2). Custom claims stand beside the registered ones under their
/// own names and can never replace one: see [`REGISTERED_CLAIMS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it: the server's issuer URL.
    pub iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// The user.
    pub sub: String,
    /// When it was issued.
    pub iat: i64,
    /// From when on it is dead.
    pub exp: i64,
    /// Its own name, never used twice.
    pub jti: String,
    /// The client that it was issued to (RFC 8693 §4.3).
    pub client_id: String,
    /// The session that it belongs to (OpenID Connect Front-Channel Logout §3).
    pub sid: String,
    /// When the person last proved who they are; a refresh never changes it.
    pub auth_time: i64,
    /// How they proved it (RFC 8176).
    pub amr: Vec<String>,
    /// The strength of that proof.
    pub acr: String,
    /// Granted scopes, separated by spaces; absent for a first-party session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Custom claims.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl AccessClaims {
    /// Whether `scope` was granted (RFC 6749 §3.3: case-sensitive, separated by spaces).
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.as_deref().is_some_and(|granted| granted.split(' ').any(|one| one == scope))
    }
}

/// The names that a custom claim may not have: what we set, and what other parties give a meaning to.
pub const REGISTERED_CLAIMS: [&str; 17] = [
    "iss",
    "aud",
    "sub",
    "iat",
    "nbf",
    "exp",
    "jti",
    "client_id",
    "sid",
    "auth_time",
    "amr",
    "acr",
    "scope",
    "cnf",
    "act",
    "azp",
    "may_act",
];

/// One audience or several; both spellings of RFC 7519 §4.1.3 are read, one is written for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single audience.
    One(String),
    /// Any number of them.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `audience` is among them.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn claims_survive_json_and_both_spellings_of_audience_are_read() {
        let json = r#"{"iss":"https://a","aud":["x","y"],"sub":"usr_1","iat":1,"exp":2,"jti":"j","client_id":"c",
            "sid":"ses_1","auth_time":1,"amr":["pwd"],"acr":"1","plan":"pro"}"#;
        let claims: AccessClaims = serde_json::from_str(json).unwrap();
        assert!(claims.aud.contains("y") && !claims.aud.contains("z"));
        assert_eq!(claims.custom["plan"], "pro");
        let text = serde_json::to_string(&claims).unwrap();
        assert_eq!(serde_json::from_str::<AccessClaims>(&text).unwrap(), claims);
        assert!(!text.contains("scope"));
    }

    #[test]
    fn a_scope_is_a_whole_word() {
        let audience = Audience::Many(vec![]);
        assert!(!audience.contains(""));
        let json = r#"{"iss":"","aud":"x","sub":"","iat":1,"exp":2,"jti":"","client_id":"","sid":"","auth_time":1,
            "amr":[],"acr":"","scope":"read write:all"}"#;
        let claims: AccessClaims = serde_json::from_str(json).unwrap();
        assert!(claims.has_scope("read") && claims.has_scope("write:all"));
        assert!(!claims.has_scope("write") && !claims.has_scope("") && !claims.has_scope("Read"));
    }
}
