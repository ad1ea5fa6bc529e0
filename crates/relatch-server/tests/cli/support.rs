//! A folder with a database and a master key, the command line beside it, and servers that run over it.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";
/// The master key of every folder.
pub const MASTER_KEY: &str = "1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Where an operator works.
pub struct Folder {
    pub folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `relatch …` with the settings of the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relatch"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RELATCH_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("RELATCH_MASTER_KEY", MASTER_KEY)
            .env("RELATCH_STORE__URL", "sqlite:relatch.db")
            .env("RELATCH_SERVER__LISTEN", "127.0.0.1:0")
            .envs(CHEAP)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }

    /// Runs a command that reads this text.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    }

    /// Runs a command that has to succeed, and answers what it printed.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Makes somebody who logs in with [`PASSWORD`], and answers their `usr_…`.
    pub fn make(&self, email: &str) -> String {
        let made = self.run_with_input(&["users", "create", "--email", email], PASSWORD);
        assert_eq!(made.code, Some(0), "{made:?}");
        made.out.trim().to_owned()
    }

    /// `relatch serve`, once it listens.
    pub fn serve(&self, settings: &[&str]) -> Server {
        let mut arguments = vec!["serve"];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        self.start_serving(self.command(&arguments))
    }

    /// The same by a command of one's own.
    pub fn start_serving(&self, command: Command) -> Server {
        let mut server = self.start(command);
        server.wait_for(r#""message":"listening""#);
        let log = server.said();
        let line = log.lines().find(|line| line.contains(r#""message":"listening""#)).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        let bound = line["fields"]["bound"].as_str().or_else(|| line["bound"].as_str()).unwrap();
        server.url = format!("http://{bound}");
        server
    }

    /// `relatch dev` in the folder `dev`, once it has told how to try it.
    pub fn dev(&self, arguments: &[&str]) -> Server {
        let all = [&["dev", "--listen", "127.0.0.1:0", "--data", "dev"], arguments].concat();
        let mut command = self.command(&all);
        command.env_remove("RELATCH_MASTER_KEY").env_remove("RELATCH_STORE__URL");
        let mut server = self.start(command);
        server.wait_for("Stop with Ctrl-C.");
        let said = server.said();
        let url = said.lines().find_map(|line| line.strip_prefix("Relatch runs on ")).unwrap();
        server.url = url.split(' ').next().unwrap().to_owned();
        server
    }

    fn start(&self, mut command: Command) -> Server {
        let log = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let (file, path) = log.keep().unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Server { url: String::new(), child, log: path }
    }
}

/// Runs a command to its end.
pub fn ended(mut command: Command) -> Ended {
    Ended::of(command.output().unwrap())
}

impl Ended {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It failed, with a sentence that holds these words and no panic.
    pub fn assert_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        // The log stands above the last word.
        let last = self.err.lines().last().unwrap_or_default();
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert!(last.starts_with("relatch: ") || self.err.starts_with("relatch: "), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing: {self:?}");
        }
    }
}

/// A server that runs until this value goes.
pub struct Server {
    pub url: String,
    pub child: Child,
    log: PathBuf,
}

impl Server {
    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.said().contains(words) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.said());
            assert!(begun.elapsed() < PATIENCE, "it never said `{words}` but\n{}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, as service managers do, and answers how it did.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end:\n{}", self.said());
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(agent().post(format!("{}{path}", self.url)).send_json(body).unwrap())
    }

    pub fn post_with(&self, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
        let request = agent().post(format!("{}{path}", self.url));
        read(request.header("Authorization", format!("Bearer {bearer}")).send_json(body).unwrap())
    }

    pub fn get(&self, path: &str, bearer: &str) -> (u16, Value) {
        let request = agent().get(format!("{}{path}", self.url));
        read(request.header("Authorization", format!("Bearer {bearer}")).call().unwrap())
    }

    /// The value of a metric, 0 where nothing was counted yet.
    pub fn metric(&self, name: &str) -> f64 {
        let text =
            agent().get(format!("{}/metrics", self.url)).call().unwrap().body_mut().read_to_string().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// A form by a client that proves itself by its secret.
    pub fn form(&self, path: &str, client: (&str, &str), fields: &[(&str, &str)]) -> (u16, Value) {
        let all = [fields, &[("client_id", client.0), ("client_secret", client.1)]].concat();
        read(agent().post(format!("{}{path}", self.url)).send_form(all).unwrap())
    }

    pub fn log_in(&self, email: &str) -> (u16, Value) {
        self.post("/auth/login", &json!({"email": email, "password": PASSWORD, "transport": "body"}))
    }

    pub fn refresh(&self, pair: &Value) -> (u16, Value) {
        self.post("/auth/refresh", &json!({"refresh_token": pair["refresh_token"]}))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(PATIENCE)).build().new_agent()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.body_mut().read_json().unwrap_or_default())
}

/// Enough on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cost of a password is not what is tried here.
const CHEAP: [(&str, &str); 3] = [
    ("RELATCH_PASSWORDS__ARGON2__DANGER_CHEAP", "true"),
    ("RELATCH_PASSWORDS__ARGON2__MEMORY_KIB", "64"),
    ("RELATCH_PASSWORDS__ARGON2__ITERATIONS", "1"),
];
