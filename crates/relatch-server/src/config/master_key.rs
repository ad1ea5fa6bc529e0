//! Reading the master keys from where the configuration says they are.

use super::{ConfigError, KeysConfig};
use crate::environment::{Entropy, EntropyExt};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_token::{MasterKey, Secret};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The master keys, the current one first.
pub fn master_keys(config: &KeysConfig) -> Result<Vec<MasterKey>, ConfigError> {
    let (text, origin) = if let Some(text) = &config.master_key {
        (Secret::new(text.expose().to_owned()), "RELATCH_MASTER_KEY".to_owned())
    } else if let Some(path) = &config.master_key_file {
        (read(path)?, path.display().to_string())
    } else if let Some((program, arguments)) = config.master_key_command.split_first() {
        (run(program, arguments)?, format!("what `{program}` printed"))
    } else {
        return Err(ConfigError::new(format!("there is no master key; {HOW_TO_MAKE_ONE}")));
    };
    parse(text.expose())
        .map_err(|problem| ConfigError::new(format!("in {origin} {problem}; {HOW_TO_MAKE_ONE}")))
}

/// Makes a master key that only the owner of the process may read, unless the file is there already. For
/// development: in production the key should not lie beside the database that it protects.
pub fn make_master_key_file(path: &Path, entropy: &dyn Entropy) -> Result<(), ConfigError> {
    let problem = |error| {
        let path = path.display();
        ConfigError::new(format!("the master key can't be kept in {path}: {error}; make its folder writable"))
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(problem(error)),
    };
    let key = Secret::new(entropy.array::<32>());
    let line = Secret::new(format!("1:{}\n", Base64UrlUnpadded::encode_string(key.expose())));
    file.write_all(line.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(problem)
}

impl KeysConfig {
    /// How many sources of a master key are named; one is right.
    pub fn sources(&self) -> usize {
        usize::from(self.master_key.is_some())
            + usize::from(self.master_key_file.is_some())
            + usize::from(!self.master_key_command.is_empty())
    }
}

const HOW_TO_MAKE_ONE: &str = "set RELATCH_MASTER_KEY to `1:` and 32 random bytes in base64, as \
    `echo \"1:$(openssl rand -base64 32)\"` prints them, and keep a copy in a safe place";

fn read(path: &Path) -> Result<Secret<String>, ConfigError> {
    let problem =
        |error| ConfigError::new(format!("the master key file {} can't be read: {error}", path.display()));
    fs::read_to_string(path).map(Secret::new).map_err(problem)
}

/// Runs the program without a shell. Its complaints go to our standard error, where the operator looks.
fn run(program: &str, arguments: &[String]) -> Result<Secret<String>, ConfigError> {
    let problem =
        |what: String| ConfigError::new(format!("`keys.master_key_command` failed: `{program}` {what}"));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| problem(format!("can't be run: {error}")))?;
    if !output.status.success() {
        return Err(problem(format!("ended with {}", output.status)));
    }
    String::from_utf8(output.stdout)
        .map(Secret::new)
        .map_err(|_| problem("printed something else than text".into()))
}

/// Keys separated by commas or lines. Problems name the place, never the text.
fn parse(text: &str) -> Result<Vec<MasterKey>, String> {
    let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
    let mut keys: Vec<MasterKey> = Vec::new();
    for (i, entry) in entries.enumerate() {
        let place = i + 1;
        let (number, key) =
            entry.split_once(':').ok_or(format!("master key {place} lacks its number (`1:` and the key)"))?;
        let id = number
            .parse::<u8>()
            .map_err(|_| format!("master key {place} needs a number from 0 to 255 before the colon"))?;
        if keys.iter().any(|key| key.id == id) {
            return Err(format!("two master keys have the number {id}"));
        }
        let secret = decode(key).ok_or(format!("master key {place} is not 32 bytes in base64"))?;
        keys.push(MasterKey { id, secret });
    }
    if keys.is_empty() { Err("there is no master key".into()) } else { Ok(keys) }
}

/// base64url as documented, and the plain base64 that common tools print.
fn decode(text: &str) -> Option<Secret<[u8; 32]>> {
    let text = Secret::new(text.trim_end_matches('=').replace('+', "-").replace('/', "_"));
    let mut bytes = [0; 32];
    let decoded = Base64UrlUnpadded::decode(text.expose(), &mut bytes).ok()?.len();
    (decoded == 32).then(|| Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn keys(text: &str) -> Result<Vec<MasterKey>, ConfigError> {
        master_keys(&KeysConfig { master_key: Some(text.to_owned().into()), ..KeysConfig::default() })
    }

    #[test]
    fn several_keys_are_read_in_order_and_the_first_is_current() {
        let read = keys(&format!("7:{KEY}, 3:{}=", KEY.replace("AAEC", "//8C"))).unwrap();
        assert_eq!(read.iter().map(|key| key.id).collect::<Vec<_>>(), [7, 3]);
        assert_eq!(read[0].secret, Secret::new(std::array::from_fn(|i| i as u8)));
        assert_eq!(read[1].secret.expose()[..3], [0xff, 0xff, 2]);
    }

    #[test]
    fn a_refusal_says_what_to_do_and_never_what_was_read() {
        let cases = [
            String::new(),
            KEY.to_owned(),
            format!("256:{KEY}"),
            format!("x:{KEY}"),
            format!("1:{}", &KEY[1..]),
            format!("1:{KEY}A"),
            format!("1:{KEY},1:{KEY}"),
        ];
        for text in cases {
            let refusal = keys(&text).unwrap_err().to_string();
            assert!(refusal.contains("openssl rand") && !refusal.contains(&KEY[5..20]), "{refusal}");
        }
        assert!(master_keys(&KeysConfig::default()).unwrap_err().to_string().contains("openssl rand"));
    }

    #[test]
    fn a_key_file_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let config = KeysConfig { master_key_file: Some(path.clone()), ..KeysConfig::default() };
        assert!(master_keys(&config).unwrap_err().to_string().contains("master.key"));
        let entropy = OsEntropy::open().unwrap();
        make_master_key_file(&path, &entropy).unwrap();
        let first = master_keys(&config).unwrap();
        make_master_key_file(&path, &entropy).unwrap();
        assert_eq!(first[0].secret, master_keys(&config).unwrap()[0].secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(make_master_key_file(&folder.path().join("no/such/key"), &entropy).is_err());
    }

    #[test]
    fn a_key_comes_from_a_command_that_succeeds() {
        let config = |words: &[&str]| KeysConfig {
            master_key_command: words.iter().map(|word| (*word).to_owned()).collect(),
            ..KeysConfig::default()
        };
        assert_eq!(master_keys(&config(&["echo", &format!("2:{KEY}")])).unwrap()[0].id, 2);
        for refused in [&["false"][..], &["/no/such/program"], &["true"]] {
            assert!(master_keys(&config(refused)).is_err(), "{refused:?}");
        }
    }
}
