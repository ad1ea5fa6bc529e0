//! The real server as a child process: set up, started, killed, asked by its own command line.

use anyhow::{Context, Result, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// A binary and its folder, with the settings of the drill.
pub(crate) struct Place {
    /// Where the database, the log and the mail are.
    pub(crate) folder: PathBuf,
    /// Where the server answers.
    pub(crate) url: String,
    /// The master key's 32 bytes.
    pub(crate) master_key: [u8; 32],
    binary: PathBuf,
    settings: Vec<(String, String)>,
}

/// A server that runs. It is killed when this value goes.
pub(crate) struct Running(Child);

impl Place {
    /// A fresh place in a folder of its own, with settings as environment variables less their `RELATCH_`.
    pub(crate) fn new(
        binary: &Path,
        folder: &Path,
        master_key: [u8; 32],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let binary = std::path::absolute(binary)?;
        ensure!(binary.exists(), "{} is missing; build it first", binary.display());
        let folder = std::path::absolute(folder)?;
        std::fs::create_dir_all(folder.join(MAIL))?;
        // Free now, and asked for again within milliseconds.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let has_mail_server = settings.iter().any(|(name, _)| *name == "MAIL__SMTP__HOST");
        let folder_for_mail = (!has_mail_server).then(|| ("MAIL__DIRECTORY", MAIL.to_owned()));
        let own = [
            ("SERVER__LISTEN", format!("127.0.0.1:{port}")),
            ("STORE__URL", format!("sqlite:{DATABASE}")),
            ("MASTER_KEY", format!("1:{}", Base64UrlUnpadded::encode_string(&master_key))),
            // Many people behind one address.
            ("LIMITS__SIGNUPS_PER_ADDRESS_MAX", "1000000".to_owned()),
            ("LIMITS__LOGIN_FAILURES_PER_ADDRESS_MAX", "1000000".to_owned()),
            ("LIMITS__LOGIN_FAILURES_PER_SUBNET_MAX", "1000000".to_owned()),
            ("LIMITS__LOGIN_FAILURES_MAX", "1000000".to_owned()),
            // They log in far more often than people do.
            ("SESSIONS__PER_USER_MAX", "10000".to_owned()),
            // The cost of a password is not what is tried here.
            ("PASSWORDS__ARGON2__DANGER_CHEAP", "true".to_owned()),
            ("PASSWORDS__ARGON2__MEMORY_KIB", "8".to_owned()),
            ("PASSWORDS__ARGON2__ITERATIONS", "1".to_owned()),
        ];
        let given = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let settings = own
            .into_iter()
            .chain(folder_for_mail)
            .chain(given)
            .map(|(name, value)| (format!("RELATCH_{name}"), value))
            .collect();
        Ok(Self { folder, url: format!("http://localhost:{port}"), master_key, binary, settings })
    }

    /// Starts the server, whose log goes on in `log`.
    pub(crate) fn start(&self) -> Result<Running> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join(LOG))?;
        let child = self
            .command(&["serve"])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} can't be run", self.binary.display()))?;
        Ok(Running(child))
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.folder.join(LOG))?).into_owned())
    }

    /// Asks the command line, and answers what it printed.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().await?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`relatch {}` failed: {complaint}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Makes an API key that may do everything.
    pub(crate) async fn make_api_key(&self) -> Result<String> {
        let scopes = "sessions,users,events,introspect,verify";
        let printed = self.ask(&["api-keys", "create", "--name", "drill", "--scopes", scopes]).await?;
        word_after(&printed, "key").context("no API key was printed")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        // Nothing of the caller's environment: a setting left over there would change the drill.
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.settings.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Running {
    /// The process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Ends the process as a power cut would (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.0.kill().await.context("the server can't be killed")
    }

    /// Waits until the server answers that it is ready, and says how long that took.
    pub(crate) async fn ready(&mut self, url: &str) -> Result<Duration> {
        let begun = Instant::now();
        // A connection of its own each time: one that is kept would go to a server that is gone.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        loop {
            let answer = client.get(format!("{url}/readyz")).timeout(Duration::from_secs(1)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(begun.elapsed());
            }
            if let Some(status) = self.0.try_wait()? {
                anyhow::bail!("the server ended by itself ({status}); its log says why");
            }
            ensure!(begun.elapsed() < START_MAX, "the server is not ready after {} s", START_MAX.as_secs());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What stands behind a word at the beginning of a line.
pub(crate) fn word_after(text: &str, word: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()))
}

/// The database, inside the folder.
pub(crate) const DATABASE: &str = "relatch.db";
/// Where messages are put.
pub(crate) const MAIL: &str = "mail";
const LOG: &str = "server.log";
/// Far longer than any start takes.
const START_MAX: Duration = Duration::from_secs(20);
