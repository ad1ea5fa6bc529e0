//! A setting that is never shown again.

use relatch_token::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// A text that is written as [`SecretText::SHOWN`] wherever a configuration is printed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
pub struct SecretText(#[schemars(with = "String")] Secret<String>);

impl SecretText {
    /// What is shown in its place.
    pub const SHOWN: &'static str = "(hidden)";

    /// The text itself. Every call is a place where it could leak, so keep them few.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::SHOWN)
    }
}
