//! What every command that touches the store needs: configuration, runtime, store, rooms.

use super::Common;
use crate::accounts::Accounts;
use crate::app::App;
use crate::config::{Config, Inputs, Layer, LoadedConfig, StoreConfig};
use crate::environment::{OsEntropy, SystemClock};
use crate::sessions::Surroundings;
use relatch_store::{Maintenance, Store, User, UserKey};
use std::sync::Arc;

/// A store that was opened, by both its faces.
pub struct OpenedStore {
    /// Its daily work.
    pub store: Arc<dyn Store>,
    /// What an operator asks of it.
    pub maintenance: Arc<dyn Maintenance>,
}

/// Opens the store that the configuration names; only the binary knows which kinds there are.
pub type OpenStore = dyn Fn(&StoreConfig) -> anyhow::Result<OpenedStore>;

/// An opened workshop.
pub(crate) struct Workshop {
    pub(crate) app: App,
    pub(crate) runtime: tokio::runtime::Runtime,
}

/// The configuration in force for a command.
pub(crate) fn load_config(common: &Common, preset: Layer, flags: Layer) -> anyhow::Result<LoadedConfig> {
    let inputs = Inputs::of_process(preset, common.config.clone(), flags)?;
    Ok(Config::load(&inputs)?)
}

/// The same for a server whose messages stay in a mailbox of its own, where no other way is configured.
pub(crate) fn load_config_with_mailbox(
    common: &Common,
    preset: Layer,
    flags: Layer,
) -> anyhow::Result<LoadedConfig> {
    let inputs = Inputs::of_process(preset, common.config.clone(), flags)?;
    Ok(Config::load(&Inputs { has_mailbox: true, ..inputs })?)
}

/// The clock and the randomness of the machine.
pub(crate) fn surroundings() -> anyhow::Result<Surroundings> {
    Ok(Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy::open()?) })
}

impl Workshop {
    /// Opens everything for a command that works and ends.
    pub(crate) fn open(common: &Common, open_store: &OpenStore) -> anyhow::Result<Self> {
        let loaded = load_config(common, super::dev::preset_where_used(), common.layer()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let opened = open_store(&loaded.config.store)?;
        let bound = loaded.config.server.listen;
        let app = runtime.block_on(App::assemble(loaded.config, bound, opened, surroundings()?, None))?;
        Ok(Self { app, runtime })
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.app.accounts
    }

    /// Who a command line names: `usr_…`, `ext:…`, or an address.
    pub(crate) fn user_key(text: &str) -> anyhow::Result<UserKey> {
        if let Some(external) = text.strip_prefix("ext:") {
            return Ok(UserKey::External(external.to_owned()));
        }
        if let Ok(id) = text.parse() {
            return Ok(UserKey::Id(id));
        }
        match crate::email::EmailAddress::parse(text) {
            Ok(email) => Ok(UserKey::Email(email.unique_key().to_owned())),
            Err(_) => anyhow::bail!("`{text}` names nobody; write `usr_…`, a mail address, or `ext:…`"),
        }
    }

    /// The user that a command line names.
    pub(crate) fn user(&self, text: &str) -> anyhow::Result<User> {
        let key = Self::user_key(text)?;
        match self.runtime.block_on(self.app.store.user(&key))? {
            Some(user) => Ok(user),
            None => anyhow::bail!("there is no user `{text}`; `relatch users list` shows them"),
        }
    }
}

/// How the audit names what an operator does on the command line.
pub(crate) const BY_OPERATOR: &str = "by operator";
