//! Where the configuration says the master keys are.

use super::{ConfigError, KeysConfig};
use crate::keys::MasterKeySource;
use relatch_token::Secret;

impl KeysConfig {
    /// Where to read the master keys.
    pub fn master_key_source(&self) -> Result<MasterKeySource, ConfigError> {
        if let Some(text) = &self.master_key {
            Ok(MasterKeySource::Text(Secret::new(text.expose().to_owned())))
        } else if let Some(path) = &self.master_key_file {
            Ok(MasterKeySource::File(path.clone()))
        } else if self.master_key_command.is_empty() {
            Err(ConfigError::new(NONE))
        } else {
            Ok(MasterKeySource::Command(self.master_key_command.clone()))
        }
    }

    /// How many sources of a master key are named; one is right.
    pub fn sources(&self) -> usize {
        usize::from(self.master_key.is_some())
            + usize::from(self.master_key_file.is_some())
            + usize::from(!self.master_key_command.is_empty())
    }
}

const NONE: &str = "there is no master key; set RELATCH_MASTER_KEY to what `openssl rand -base64 32` prints, and \
                    keep a copy in a safe place";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_found_and_none_is_said_with_what_to_do() {
        let none = KeysConfig::default();
        assert!(none.master_key_source().unwrap_err().to_string().contains("openssl rand -base64 32"));
        let file = KeysConfig { master_key_file: Some("key".into()), ..KeysConfig::default() };
        assert!(matches!(file.master_key_source(), Ok(MasterKeySource::File(path)) if path.ends_with("key")));
        let command = KeysConfig { master_key_command: vec!["vault".into()], ..KeysConfig::default() };
        assert!(
            matches!(command.master_key_source(), Ok(MasterKeySource::Command(words)) if words == ["vault"])
        );
        let text = KeysConfig { master_key: Some("1:sesame".to_owned().into()), ..KeysConfig::default() };
        assert!(matches!(text.master_key_source(), Ok(MasterKeySource::Text(_))));
        assert_eq!((none.sources(), file.sources()), (0, 1));
    }
}
