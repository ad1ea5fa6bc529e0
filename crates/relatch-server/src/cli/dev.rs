//! `relatch dev`: everything at once, on this machine only, with three lines to try.

use super::print::line;
use super::workshop::load_config_with_mailbox;
use super::{Common, Dev, OpenStore, serve};
use crate::accounts::NewAccount;
use crate::api_keys::{ApiKeyVerdict, ApiScope};
use crate::app::App;
use crate::config::Layer;
use crate::email::EmailAddress;
use crate::environment::{Clock, OsEntropy, ShiftedClock, SystemClock};
use crate::http::DevDoor;
use crate::keys::MasterKeySource;
use crate::mail::DevMailbox;
use crate::sessions::Surroundings;
use crate::telemetry;
use anyhow::Context;
use relatch_store::UserKey;
use relatch_token::Secret;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(common: &Common, dev: &Dev, open_store: &OpenStore) -> anyhow::Result<()> {
    anyhow::ensure!(
        dev.listen.ip().is_loopback(),
        "`relatch dev` is for this machine only; listen on 127.0.0.1 or [::1], or run `relatch serve`"
    );
    make_folder(&dev.data)?;
    let entropy = Arc::new(OsEntropy::open()?);
    MasterKeySource::MadeOnce(dev.data.join(MASTER_KEY)).load(&*entropy)?;
    let flags = common.layer()?.with("server.listen", "--listen", dev.listen.to_string());
    let config = load_config_with_mailbox(common, preset(&dev.data), flags)?.config;
    telemetry::start_logging(&config.telemetry)?;

    let shifted = dev.test_clock.then(|| Arc::new(ShiftedClock::default()));
    let clock: Arc<dyn Clock> = match &shifted {
        Some(shifted) => Arc::clone(shifted) as Arc<dyn Clock>,
        None => Arc::new(SystemClock),
    };
    let door = DevDoor { mailbox: Arc::new(DevMailbox::default()), clock: shifted };
    let surroundings = Surroundings { clock, entropy };
    serve::start(config, surroundings, Some(door), open_store, async |bound, app| {
        let api_key = dev_api_key(app, &dev.data.join(API_KEY)).await?;
        let knows_password = make_ada(app).await?;
        greet(bound, &dev.data, api_key.expose(), knows_password, dev.test_clock);
        Ok(())
    })
}

/// The settings of `relatch dev`, beneath everything that the operator sets.
fn preset(data: &Path) -> Layer {
    let store = format!("sqlite:{}", data.join(DATABASE).display());
    Layer::new()
        .with("store.url", PRESET, store)
        .with("keys.master_key_file", PRESET, data.join(MASTER_KEY).display().to_string())
        .with("telemetry.log_format", PRESET, "readable")
}

/// The same settings for other commands, where `relatch dev` left its folder and nothing else is configured:
/// so that `relatch users list` beside a development server just works.
pub(crate) fn preset_where_used() -> Layer {
    let data = Path::new(DATA);
    let is_configured = Path::new("relatch.toml").exists()
        || std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("RELATCH_"));
    if is_configured || !data.join(MASTER_KEY).exists() { Layer::new() } else { preset(data) }
}

fn make_folder(data: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).with_context(|| format!("the folder {} can't be made", data.display()))
}

/// The key that is kept beside the database, or a new one where that is gone.
async fn dev_api_key(app: &App, file: &Path) -> anyhow::Result<Secret<String>> {
    if let Ok(text) = fs::read_to_string(file) {
        let text = Secret::new(text.trim().to_owned());
        if let ApiKeyVerdict::Granted(_) = app.api_keys.check(text.expose(), ApiScope::Sessions).await? {
            return Ok(text);
        }
    }
    let entropy = &*app.surroundings.entropy;
    let (_, text) = app.api_keys.create("relatch dev", &ApiScope::ALL, entropy, app.now()).await?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)
        .and_then(|mut file| file.write_all(text.expose().as_bytes()))
        .with_context(|| format!("the API key can't be kept in {}", file.display()))?;
    Ok(text)
}

/// Somebody to log in as. Answers whether the password that we would print logs them in.
async fn make_ada(app: &App) -> anyhow::Result<bool> {
    let email = EmailAddress::parse(ADA)?;
    let key = UserKey::Email(email.unique_key().to_owned());
    let password = || Secret::new(ADAS_PASSWORD.to_owned());
    if let Some(logs_in) = app.accounts.would_log_in(&key, password()).await? {
        return Ok(logs_in);
    }
    let ada = NewAccount {
        email: Some(email),
        is_verified: true,
        name: Some("Ada".to_owned()),
        external_id: None,
        password: Some(password()),
        imported_hash: None,
        by: "relatch dev".to_owned(),
    };
    app.accounts.create(ada).await??;
    Ok(true)
}

fn greet(bound: SocketAddr, data: &Path, api_key: &str, knows_password: bool, has_test_clock: bool) {
    let url = format!("http://localhost:{}", bound.port());
    let (told, password) = match knows_password {
        true => (format!("{ADA}, password: {ADAS_PASSWORD}"), ADAS_PASSWORD),
        false => {
            (format!("{ADA}, with a password of your own (put it into the first line below)"), "PASSWORD")
        }
    };
    let login = format!(r#"{{"email":"{ADA}","password":"{password}","transport":"body"}}"#);
    line(format!(
        "\nRelatch runs on {url} (development: this machine only)\n\n  \
         API docs   {url}/docs\n  Mailbox    {url}/dev/mail\n  Data       {}\n  API key    {api_key}\n  \
         Somebody   {told}\n\n\
         Three lines to try, in order: log in, refresh, and see the session from the other side.\n",
        data.display(),
    ));
    line(format!(
        "R=$(curl -s {url}/auth/login --json '{login}' | sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/'); echo \"$R\""
    ));
    line(format!("curl -s {url}/auth/refresh --json \"{{\\\"refresh_token\\\":\\\"$R\\\"}}\""));
    line(format!("curl -s '{url}/admin/users' -H 'Authorization: Bearer {api_key}'"));
    if has_test_clock {
        line(format!("\nAnd time: curl -s {url}/dev/clock --json '{{\"advance_seconds\":3600}}'"));
    }
    line(
        "\nThe same refresh token again after 10 seconds is a theft: `relatch demo theft` tells why. Stop with Ctrl-C.\n",
    );
}

const PRESET: &str = "relatch dev";
const DATA: &str = "relatch-data";
const DATABASE: &str = "relatch.db";
const MASTER_KEY: &str = "master.key";
const API_KEY: &str = "api-key";
/// Somebody to log in as.
pub(crate) const ADA: &str = "ada@example.com";
/// Her password; it is no secret, and the server of `relatch dev` is for this machine alone.
pub(crate) const ADAS_PASSWORD: &str = "correct horse battery";
