//! Where the master keys come from: the environment, a file, a command, or made once in development.

use crate::environment::{Entropy, EntropyExt};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_token::{MasterKey, Secret};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the master keys of a server come from. Whatever the source, the text has one form, which
/// [`parse_master_keys`] describes.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// The text itself, from the environment.
    Text(Secret<String>),
    /// A file that nobody else may read.
    File(PathBuf),
    /// A program and its arguments, run once; it prints the text.
    Command(Vec<String>),
    /// A file that is made with a random key where there is none: for development.
    MadeOnce(PathBuf),
}

/// Why there are no master keys. No message holds any part of one.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The text is empty.
    #[error("the master key is empty; make one with `openssl rand -base64 32`")]
    Empty,
    /// A part of the text isn't a key.
    #[error("master key no. {position}: {problem}")]
    Malformed {
        /// Which of the keys, from 1.
        position: usize,
        /// What is wrong with it, and what to do.
        problem: Malformed,
    },
    /// Two keys share a number.
    #[error("two master keys have the number {0}; give each its own")]
    DuplicateId(u8),
    /// Others may read the file.
    #[error("the master key file {} can be read by others (mode {mode:o}); run `chmod 600 {}`", .path.display(), .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file can't be read or made.
    #[error("the master key file {} can't be {doing}: {error}; check its path and its owner", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `made`.
        doing: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// The text is far longer than keys are.
    #[error("the master key from {0} has more than {TEXT_BYTES_MAX} bytes, so it is something else")]
    TooLong(String),
    /// The command didn't print a key.
    #[error("the master key command `{program}` {problem}; run it by hand as the user of the server")]
    Command {
        /// The program.
        program: String,
        /// What happened.
        problem: String,
    },
}

/// What can be wrong with one master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The part before the colon.
    #[error("the number before the colon has to be between 0 and 255")]
    Number,
    /// No number, beside other keys.
    #[error("of several keys each needs a number: write `2:<new key>,1:<old key>`")]
    NumberMissing,
    /// A character that isn't base64.
    #[error("it is not base64; make one with `openssl rand -base64 32`")]
    Alphabet,
    /// Another length.
    #[error("it has {0} bytes instead of 32; make one with `openssl rand -base64 32`")]
    Length(usize),
}

impl MasterKeySource {
    /// Fetches and reads the keys, the current one first. Reads a file or runs a command: for the start.
    pub fn load(&self, entropy: &dyn Entropy) -> Result<Vec<MasterKey>, MasterKeyError> {
        match self {
            Self::Text(text) => parse_master_keys(text.expose()),
            Self::File(path) => parse_master_keys(&read_file(path)?),
            Self::Command(command) => parse_master_keys(&run(command)?),
            Self::MadeOnce(path) => {
                if !path.exists() {
                    make(path, entropy).map_err(|error| io(path, "made", error))?;
                }
                parse_master_keys(&read_file(path)?)
            }
        }
    }
}

/// Reads master keys: one key as base64 of 32 bytes, which gets the number 1; or `number:key`, several of them
/// separated by commas or line ends. The first one is the current one, the others only open.
///
/// Both base64 alphabets are read, padded or not, so that what common tools print can be used.
///
/// ```
/// let keys = relatch_server::keys::parse_master_keys(
///     "2:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI,1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
/// )?;
/// assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), relatch_server::keys::MasterKeyError>(())
/// ```
pub fn parse_master_keys(text: &str) -> Result<Vec<MasterKey>, MasterKeyError> {
    let parts: Vec<&str> = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut keys: Vec<MasterKey> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let key = parse_one(part, parts.len() == 1)
            .map_err(|problem| MasterKeyError::Malformed { position: index + 1, problem })?;
        if keys.iter().any(|other| other.id == key.id) {
            return Err(MasterKeyError::DuplicateId(key.id));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(MasterKeyError::Empty) } else { Ok(keys) }
}

fn parse_one(part: &str, is_alone: bool) -> Result<MasterKey, Malformed> {
    let (id, key) = match part.split_once(':') {
        Some((id, key)) => (id.trim().parse().map_err(|_| Malformed::Number)?, key.trim()),
        None if is_alone => (1, part),
        None => return Err(Malformed::NumberMissing),
    };
    let urlsafe = |c: char| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let text: Zeroizing<String> = Zeroizing::new(key.trim_end_matches('=').chars().map(urlsafe).collect());
    let bytes = Zeroizing::new(Base64UrlUnpadded::decode_vec(&text).map_err(|_| Malformed::Alphabet)?);
    let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| Malformed::Length(bytes.len()))?;
    Ok(MasterKey { id, secret: Secret::new(secret) })
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, MasterKeyError> {
    let file = File::open(path).map_err(|error| io(path, "read", error))?;
    refuse_exposed(path, &file)?;
    read_text(file).map_err(|error| match error {
        Some(error) => io(path, "read", error),
        None => MasterKeyError::TooLong(path.display().to_string()),
    })
}

/// Asks the open file, not the path, which could become another file in between.
#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|error| io(path, "read", error))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(MasterKeyError::Exposed { path: path.into(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), MasterKeyError> {
    Ok(())
}

/// All of a short text; `Err(None)` when it is too long.
fn read_text(source: impl Read) -> Result<Zeroizing<String>, Option<std::io::Error>> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX + 1));
    source.take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(Some)?;
    if text.len() > TEXT_BYTES_MAX { Err(None) } else { Ok(text) }
}

/// Makes the file appear whole or not at all, and never in place of another: a process that starts at the
/// same time takes the one that was first.
fn make(path: &Path, entropy: &dyn Entropy) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_be_bytes(entropy.array())));
    let unfinished = PathBuf::from(name);
    let key = Zeroizing::new(entropy.array::<32>());
    let text = Zeroizing::new(format!("1:{}\n", *Zeroizing::new(Base64UrlUnpadded::encode_string(&*key))));

    let mut file = create_private(&unfinished)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&unfinished, path));
    std::fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")))?
            .sync_all(),
    }
}

fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn run(command: &[String]) -> Result<Zeroizing<String>, MasterKeyError> {
    let Some((program, arguments)) = command.split_first() else { return Err(MasterKeyError::Empty) };
    let failed = |problem: String| MasterKeyError::Command { program: program.clone(), problem };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("can't be run ({error})")))?;
    let printed = output(&mut child, COMMAND_FOR);
    if printed.is_none() {
        // Gone already, or about to go: either way there is nothing else to do about it.
        child.kill().ok();
    }
    let status = child.wait().map_err(|error| failed(format!("can't be waited for ({error})")))?;
    match printed {
        None => Err(failed(format!("printed nothing whole within {} s", COMMAND_FOR.as_secs()))),
        Some(Err(Some(error))) => Err(failed(format!("printed something unreadable ({error})"))),
        // Before its status, which is bad only because nobody read on.
        Some(Err(None)) => Err(MasterKeyError::TooLong(format!("the command `{program}`"))),
        Some(Ok(_)) if !status.success() => Err(failed(format!("failed ({status})"))),
        Some(Ok(text)) => Ok(text),
    }
}

/// What a child prints until it closes its output; `None` when that takes too long.
fn output(child: &mut Child, within: Duration) -> Option<Result<Zeroizing<String>, Option<std::io::Error>>> {
    let stdout = child.stdout.take()?;
    let (done, printed) = mpsc::sync_channel(1);
    // Ends with the child at the latest, and then nobody may be listening any more.
    std::thread::spawn(move || done.send(read_text(stdout)).ok());
    printed.recv_timeout(within).ok()
}

fn io(path: &Path, doing: &'static str, error: std::io::Error) -> MasterKeyError {
    MasterKeyError::Io { path: path.into(), doing, error }
}

/// Room for 80 keys; a text of this length is read to its end, so that a wrong file can't fill the memory.
const TEXT_BYTES_MAX: usize = 4096;
/// How long the command may take: it may ask a vault over the network.
const COMMAND_FOR: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use std::os::unix::fs::PermissionsExt;

    const ONES: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    const HIGH: &str = "//////////////////////////////////////////8=";

    fn said(text: &str) -> String {
        parse_master_keys(text).unwrap_err().to_string()
    }

    fn load(source: MasterKeySource) -> Result<Vec<MasterKey>, MasterKeyError> {
        source.load(&OsEntropy::open().unwrap())
    }

    #[test]
    fn one_key_needs_no_number_and_several_do() {
        let alone = parse_master_keys(ONES).unwrap();
        assert_eq!((alone[0].id, alone[0].secret.expose()), (1, &[1; 32]));
        let two = parse_master_keys(&format!(" 7:{HIGH}\n0:{ONES},\n")).unwrap();
        assert_eq!((two[0].id, two[0].secret.expose(), two[1].id), (7, &[255; 32], 0));
        assert!(said(&format!("{ONES},{HIGH}")).contains("write `2:<new key>,1:<old key>`"));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said_without_showing_it() {
        assert!(said(" \n").contains("is empty"));
        assert!(said(&format!("256:{ONES}")).contains("no. 1: the number before the colon"));
        assert!(said(&format!("2:{ONES},2:{HIGH}")).contains("two master keys have the number 2"));
        assert!(said("1:AQEB").contains("it has 3 bytes instead of 32"));
        assert!(said(&format!("1:{ONES}A")).contains("it has 33 bytes instead of 32"));
        for wrong in ["1:not*base64", "1:pässword", &format!("1:{}F", &ONES[..42])] {
            let said = said(&format!("2:{HIGH},{wrong}"));
            assert!(said.contains("no. 2: it is"), "{said}");
            assert!(!said.contains(&wrong[2..6]), "{said}");
        }
        assert!(!format!("{:?}", parse_master_keys(ONES)).contains("AQEB"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        std::fs::write(&path, ONES).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let loaded = load(MasterKeySource::File(path.clone()));
            assert_eq!(loaded.is_ok(), good, "{mode:o}");
            if let Err(error) = loaded {
                assert!(error.to_string().contains("run `chmod 600"), "{error}");
            }
        }
    }

    #[test]
    fn a_missing_or_oversized_file_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let missing = load(MasterKeySource::File(path.clone())).unwrap_err();
        assert!(missing.to_string().contains("can't be read"), "{missing}");
        create_private(&path).unwrap().write_all(&[b'A'; TEXT_BYTES_MAX + 1]).unwrap();
        let long = load(MasterKeySource::File(path)).unwrap_err();
        assert!(long.to_string().contains("more than 4096 bytes"), "{long}");
    }

    #[test]
    fn a_key_is_made_once_for_everybody_and_for_nobody_else_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let source = MasterKeySource::MadeOnce(path.clone());
        let loads: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| load(source.clone()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(loads.iter().all(|keys| keys[0].id == 1 && keys[0].secret == loads[0][0].secret));
        assert_ne!(loads[0][0].secret, Secret::new([0; 32]));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing unfinished is left");
        let nowhere = load(MasterKeySource::MadeOnce(dir.path().join("no/master.key"))).unwrap_err();
        assert!(nowhere.to_string().contains("can't be made"), "{nowhere}");
    }

    #[test]
    fn a_command_prints_the_keys_or_a_sentence_says_why_not() {
        let command =
            |script: &str| load(MasterKeySource::Command(["sh", "-c", script].map(String::from).to_vec()));
        assert_eq!(command(&format!("echo 3:{ONES}")).unwrap()[0].id, 3);
        let failed = command(&format!("echo 3:{ONES}; exit 4")).unwrap_err().to_string();
        assert!(failed.contains("failed") && failed.contains('4') && !failed.contains(ONES), "{failed}");
        assert!(command("yes").unwrap_err().to_string().contains("more than 4096 bytes"));
        assert!(matches!(load(MasterKeySource::Command(vec![])), Err(MasterKeyError::Empty)));
        let nowhere = load(MasterKeySource::Command(vec!["/nonexistent/program".into()])).unwrap_err();
        assert!(nowhere.to_string().contains("can't be run"), "{nowhere}");

        let mut slow = Command::new("sleep").arg("60").stdout(Stdio::piped()).spawn().unwrap();
        assert!(output(&mut slow, Duration::from_millis(50)).is_none());
        slow.kill().unwrap();
        slow.wait().unwrap();
    }
}
