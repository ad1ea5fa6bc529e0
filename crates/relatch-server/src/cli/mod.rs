//! The command line: what `relatch` can be asked, and who answers.

mod api_keys;
mod backup;
mod clients;
mod config;
mod demo;
mod dev;
mod doctor;
mod keys;
mod mail;
mod only_server;
mod passwords;
mod print;
mod serve;
mod sessions;
mod users;
mod webhooks;
mod workshop;

pub(crate) use dev::{ADA, ADAS_PASSWORD};
pub use workshop::{OpenStore, OpenedStore};

use crate::config::{ConfigError, Layer};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A session server: people log in once and stay in, safely.
///
/// `relatch dev` runs everything in a minute; `relatch serve` is for production. Every setting can stand in a
/// file (relatch.toml), in the environment (RELATCH_SECTION__NAME) or in a flag; the later wins. `relatch config`
/// shows what is in force and where it came from.
#[derive(Debug, Parser)]
#[command(name = "relatch", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Common {
    /// The configuration file [default: relatch.toml, where there is one]
    #[arg(long, short = 'c', global = true, value_name = "FILE", env = "RELATCH_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, as in the file: --set sessions.idle_seconds=3600 (may be repeated)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything at once for development: SQLite in a local folder, an API key, three lines to try
    Dev(Dev),
    /// Run the server
    Serve,
    /// The keys that sign access tokens
    #[command(subcommand)]
    Keys(Keys),
    /// People
    #[command(subcommand)]
    Users(Users),
    /// Passwords that were in breaches
    #[command(subcommand)]
    Passwords(PasswordsCommand),
    /// Sessions
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Keys by which other systems prove who they are
    #[command(subcommand)]
    ApiKeys(ApiKeysCommand),
    /// OAuth clients
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// Other systems that are told of events
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Mail
    #[command(subcommand)]
    Mail(MailCommand),
    /// Check configuration, store, keys, clock and permissions, and say what to do
    Doctor,
    /// Show the configuration in force, and where each value comes from
    Config,
    /// Write a consistent copy of the database while the server runs
    Backup {
        /// The file to write; it must not exist
        to: PathBuf,
    },
    /// Stories, played against a running server
    #[command(subcommand)]
    Demo(Demo),
}

/// Flags of `relatch dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where to listen; only this machine can be reached
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The folder for the database and the master key
    #[arg(long, value_name = "DIR", default_value = "relatch-data")]
    pub(crate) data: PathBuf,
    /// Let `POST /dev/clock {"advance_seconds": n}` move the server's time, to try expiry without waiting
    #[arg(long)]
    pub(crate) test_clock: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the signing keys
    List,
    /// Make the next signing key: published now, signing once every verifier has seen it
    Rotate {
        /// Let the next key sign now; refused unless every verifier has seen it by now
        #[arg(long)]
        now: bool,
        /// Sign with a new key now, although verifiers that have not fetched it yet will refuse its tokens
        #[arg(long, conflicts_with = "now")]
        danger_now: bool,
        /// Go over to another algorithm: ES256, EdDSA or RS256
        #[arg(long)]
        algorithm: Option<crate::keys::Algorithm>,
    },
    /// Stop trusting a signing key now: what it signed is refused, and clients refresh
    Revoke {
        /// The key's `kid`, which may begin with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Make a user; the password is asked for, or read from standard input
    Create {
        /// The mail address
        #[arg(long)]
        email: String,
        /// What to call the person
        #[arg(long)]
        name: Option<String>,
        /// The name that another system knows them by
        #[arg(long)]
        external_id: Option<String>,
        /// A password hash of another system (Argon2, bcrypt, scrypt, PBKDF2), read from standard input
        #[arg(long)]
        password_hash_stdin: bool,
        /// Count the address as proved
        #[arg(long)]
        verified: bool,
    },
    /// Make users from lines of JSON: {"email", "password_hash"?, "name"?, "external_id"?, "verified"?}
    Import {
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// List users
    List {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only those made after this one
        #[arg(long, value_name = "USER")]
        after: Option<String>,
    },
    /// Disable a user and end all their sessions
    Disable {
        /// `usr_…`, a mail address, or `ext:` and the name that another system knows them by
        user: String,
    },
    /// Let a disabled user come back
    Enable {
        /// `usr_…`, a mail address, or `ext:…`
        user: String,
    },
    /// Delete a user for good: sessions, password, address, name; ids and times stay in the audit
    Delete {
        /// `usr_…`, a mail address, or `ext:…`
        user: String,
    },
    /// Remove a user's authenticator apps and recovery codes, when phone and codes are lost
    RemoveFactors {
        /// `usr_…`, a mail address, or `ext:…`
        user: String,
    },
    /// End all sessions of a user
    Logout {
        /// `usr_…`, a mail address, or `ext:…`
        user: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PasswordsCommand {
    /// Make the file of `passwords.breached_filter` from the SHA-1 list of Have I Been Pwned, ordered by hash
    Import {
        /// The list: lines of `SHA-1:count`
        list: PathBuf,
        /// The file to write; one that is there is replaced once the new one is whole
        #[arg(long)]
        to: PathBuf,
        /// Leave out passwords that were seen less often
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        seen_at_least: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the live sessions of a user
    List {
        /// `usr_…`, a mail address, or `ext:…`
        user: String,
    },
    /// Show one session and its history
    Show {
        /// `ses_…`
        session: String,
    },
    /// Tell the story of a session, from login to end: what happened, what the rule said, what you can do
    Explain {
        /// `ses_…`
        session: String,
    },
    /// End a session
    End {
        /// `ses_…`
        session: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeysCommand {
    /// Make an API key; its text is shown once
    Create {
        /// What you call it
        #[arg(long)]
        name: String,
        /// What it may do: sessions, users, events, introspect, verify (separated by commas)
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<crate::api_keys::ApiScope>,
    },
    /// List the API keys
    List,
    /// Revoke an API key
    Revoke {
        /// `key_…`
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// Register a client; the secret of a confidential one is shown once
    Add {
        /// The `client_id`
        id: String,
        /// It can keep a secret: a server, not an app on a device
        #[arg(long)]
        confidential: bool,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// The scopes that its sessions may have (separated by commas)
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// List the clients
    List,
    /// Remove a client
    Remove {
        /// The `client_id`
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// List the receivers that are configured, and how far each has been told
    List,
    /// Send a message of type `ping` now, and say what the receiver answered
    Ping {
        /// The receiver's `name`
        name: String,
    },
    /// Send events again, under the ids that they had
    Replay {
        /// The receiver's `name`
        name: String,
        /// The last event that need not be sent again: `evt_…`, or evt_0 for all that are kept
        #[arg(long, value_name = "EVENT")]
        after: String,
    },
    /// Print a new secret
    Secret,
    /// List the types of events
    Events,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Send one message now, past the queue, and say how that went
    Test {
        /// To whom
        address: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// A thief copies a refresh token; owner and thief both go on; see who notices what, and when
    Theft {
        /// The running server
        #[arg(long, default_value = "http://localhost:8080")]
        url: String,
    },
}

/// Does what was asked. `open_store` opens the store that the configuration names.
pub fn run(cli: Cli, open_store: &OpenStore) -> anyhow::Result<()> {
    let Cli { common, command } = cli;
    match command {
        Command::Dev(flags) => dev::run(&common, &flags, open_store),
        Command::Serve => serve::run(&common, open_store),
        Command::Keys(command) => keys::run(&common, command, open_store),
        Command::Users(command) => users::run(&common, command, open_store),
        Command::Passwords(command) => passwords::run(command),
        Command::Sessions(command) => sessions::run(&common, command, open_store),
        Command::ApiKeys(command) => api_keys::run(&common, command, open_store),
        Command::Clients(command) => clients::run(&common, command, open_store),
        Command::Webhooks(command) => webhooks::run(&common, command, open_store),
        Command::Mail(MailCommand::Test { address }) => mail::test(&common, &address),
        Command::Doctor => doctor::run(&common, open_store),
        Command::Config => config::run(&common),
        Command::Backup { to } => backup::run(&common, &to, open_store),
        Command::Demo(Demo::Theft { url }) => demo::theft(&url),
    }
}

impl Common {
    /// The flags as a layer over file and environment.
    pub(crate) fn layer(&self) -> Result<Layer, ConfigError> {
        Layer::from_settings(&self.settings)
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as section.name=value")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
