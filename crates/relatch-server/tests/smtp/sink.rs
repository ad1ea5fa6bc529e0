//! The SMTP server of the tests as a child process.

use relatch_server::mail::{Smtp, SmtpSecurity, SmtpSettings, sender};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// A server; it ends when this value goes.
pub struct Sink {
    pub port: u16,
    said: Receiver<Value>,
    child: Child,
    _stdin: ChildStdin,
}

impl Sink {
    pub fn start(arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("build/python/bin/python");
        assert!(python.exists(), "{} is missing; run `cargo xtask setup`", python.display());
        let mut command = Command::new(python);
        command.arg(root.join("tests/smtp/sink.py")).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let told = tell.send(serde_json::from_str(&line.unwrap()).unwrap());
                if told.is_err() {
                    return;
                }
            }
        });
        let mut sink = Self { port: 0, said, child, _stdin: stdin };
        sink.port = u16::try_from(sink.next()["port"].as_u64().unwrap()).unwrap();
        sink
    }

    /// What it says next: of each message that it took.
    pub fn next(&self) -> Value {
        self.said.recv_timeout(Duration::from_secs(30)).expect("the mail server says nothing")
    }

    /// What it has said and nobody asked for.
    pub fn rest(&self) -> Vec<Value> {
        self.said.try_iter().collect()
    }

    /// How to reach it.
    pub fn settings(&self, security: SmtpSecurity) -> SmtpSettings {
        SmtpSettings {
            host: "localhost".into(),
            port: self.port,
            security,
            ca_file: None,
            login: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn smtp(settings: SmtpSettings) -> Smtp {
    Smtp::new(settings, sender("Relatch <id@relatch.example>").unwrap()).unwrap()
}

/// A certificate for `localhost`, and the authority that vouches for it.
pub struct Certificates {
    _folder: TempDir,
    pub ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let cert = file("cert.pem", made.cert.pem());
        let key = file("key.pem", made.signing_key.serialize_pem());
        Self { ca: cert.clone(), cert, key, _folder: folder }
    }

    pub fn sink(&self, security: &str, more: &[&str]) -> Sink {
        let (cert, key) = (self.cert.to_str().unwrap(), self.key.to_str().unwrap());
        Sink::start(&[&["--security", security, "--cert", cert, "--key", key], more].concat())
    }
}
