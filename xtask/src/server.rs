//! The real server in a folder of its own, and a small HTTP client to talk to it.

use crate::run::{Background, Job, root};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A program of the workspace as the tests run it. Built with what the tests of the workspace are built of, so
/// that nothing is compiled twice.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    let build = Job::cargo(&["build", "--quiet", "--workspace", "--bins", "--tests"]).minutes(25).run()?;
    ensure!(build.success, "the workspace does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("debug").join(name))
}

/// A running `relatch dev`.
pub(crate) struct Server {
    /// Where it answers.
    pub(crate) url: String,
    /// An API key with every scope.
    pub(crate) api_key: String,
    folder: PathBuf,
    binary: PathBuf,
    settings: Vec<String>,
    /// None while another server has the database.
    running: Option<Background>,
}

impl Server {
    /// Starts one in `build/NAME`, on a free port, with settings. What the folder held is gone before.
    pub(crate) fn start(name: &str, settings: &[&str]) -> Result<Self> {
        let folder = root().join("build").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Self::start_over(binary("relatch")?, folder, "127.0.0.1:0", settings)
    }

    /// Logs in at another server over the same database and keys, with other settings. This one rests
    /// meanwhile, since a database has one server at a time, and is back where it was.
    pub(crate) fn log_in_with(&mut self, settings: &[&str]) -> Result<Tokens> {
        drop(self.running.take());
        let (binary, folder) = (self.binary.clone(), self.folder.clone());
        let other = Self::start_over(binary.clone(), folder.clone(), "127.0.0.1:0", settings)?;
        let tokens = other.log_in();
        drop(other);
        let listen = self.url.replace("http://localhost", "127.0.0.1");
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        *self = Self::start_over(binary, folder, &listen, &settings)?;
        tokens
    }

    fn start_over(binary: PathBuf, folder: PathBuf, listen: &str, settings: &[&str]) -> Result<Self> {
        let data = folder.display().to_string();
        let mut arguments = vec!["dev", "--listen", listen, "--data", &data];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut running = Job::new(&binary, &arguments).start()?;
        let url = running.says("Relatch runs on ")?;
        let url = url.split(' ').next().unwrap_or_default().to_owned();
        let api_key = running.says("API key ")?;
        running.says("The same refresh token")?;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Ok(Self { url, api_key, folder, binary, settings, running: Some(running) })
    }

    /// Registers a confidential OAuth client on the command line, and answers its secret.
    pub(crate) fn add_client(&self, id: &str, scopes: &str) -> Result<String> {
        let store = format!("store.url=sqlite:{}", self.folder.join("relatch.db").display());
        let key = format!("keys.master_key_file={}", self.folder.join("master.key").display());
        let arguments =
            ["--set", &store, "--set", &key, "clients", "add", id, "--confidential", "--scopes", scopes];
        let output = Job::new(&self.binary, &arguments).quietly().run()?;
        let secret = output.text.lines().find_map(|line| line.strip_prefix("client_secret"));
        Ok(secret.with_context(|| output.text.clone())?.trim().to_owned())
    }

    /// Logs in the person whom `relatch dev` makes.
    pub(crate) fn log_in(&self) -> Result<Tokens> {
        let ada =
            json!({"email": "ada@example.com", "password": "correct horse battery", "transport": "body"});
        Tokens::of(&post(&format!("{}/auth/login", self.url), None, &ada)?)
    }

    /// Signs somebody up.
    pub(crate) fn sign_up(&self, email: &str) -> Result<Tokens> {
        let body = json!({"email": email, "password": "correct horse battery", "transport": "body"});
        Tokens::of(&post(&format!("{}/auth/signup", self.url), None, &body)?)
    }
}

/// What a login hands out.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
    pub(crate) subject: String,
}

impl Tokens {
    fn of(reply: &Reply) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| format!("{reply:?}"));
        Ok(Self {
            access: text(&reply.body["access_token"])?,
            refresh: text(&reply.body["refresh_token"])?,
            session: text(&reply.body["session_id"])?,
            subject: text(&reply.body["user"]["id"])?,
        })
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The `WWW-Authenticate` header, empty where there is none.
    pub(crate) challenge: String,
    /// The JSON of the body, null where there is none.
    pub(crate) body: Value,
}

/// Sends `GET`.
pub(crate) fn get(url: &str, bearer: Option<&str>) -> Result<Reply> {
    let request = agent().get(url);
    read(match bearer {
        Some(token) => request.header("Authorization", format!("Bearer {token}")).call()?,
        None => request.call()?,
    })
}

/// Sends `DELETE`.
pub(crate) fn delete(url: &str, bearer: &str) -> Result<Reply> {
    read(agent().delete(url).header("Authorization", format!("Bearer {bearer}")).call()?)
}

/// Sends `POST` with JSON.
pub(crate) fn post(url: &str, bearer: Option<&str>, body: &Value) -> Result<Reply> {
    let request = agent().post(url);
    read(match bearer {
        Some(token) => request.header("Authorization", format!("Bearer {token}")).send_json(body)?,
        None => request.send_json(body)?,
    })
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(10))).build().new_agent()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Reply> {
    let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
    let challenge = challenge.unwrap_or_default().to_owned();
    let text = answer.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Reply { status: answer.status().as_u16(), challenge, body })
}
