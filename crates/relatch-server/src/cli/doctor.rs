//! `relatch doctor`: looks at everything that can be wrong, and says what to do.

use super::print::line;
use super::workshop::{load_config, surroundings};
use super::{Common, OpenStore, OpenedStore, dev};
use crate::config::Config;
use crate::keys::SigningKeys;
use crate::sessions::Surroundings;
use crate::{app, outbox};
use relatch_store::{ChannelKind, Store, StoreError, Waiting};
use std::path::Path;

pub(crate) fn run(common: &Common, open_store: &OpenStore) -> anyhow::Result<()> {
    let mut report = Report::default();
    let loaded = common
        .layer()
        .map_err(anyhow::Error::from)
        .and_then(|flags| load_config(common, dev::preset_where_used(), flags));
    let Some(loaded) = report.take("configuration", loaded, |_| "reads well".to_owned()) else {
        return report.close();
    };
    let config = loaded.config;
    for warning in config.warnings() {
        report.note("configuration", &warning);
    }
    check_mail(&config, &mut report);
    let surroundings = surroundings()?;
    check_clock(&surroundings, &mut report);
    let opened = report.take("store", open_store(&config.store), |_| "opens".to_owned());
    if let Some(opened) = opened {
        check_store(&opened, &config, &surroundings, &mut report)?;
    }
    report.close()
}

fn check_store(
    opened: &OpenedStore,
    config: &Config,
    surroundings: &Surroundings,
    report: &mut Report,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    report.take("store writes", runtime.block_on(opened.store.ping()), |()| "yes".to_owned());
    match runtime.block_on(opened.maintenance.damage()) {
        Ok(damage) if damage.is_empty() => report.good("store integrity", "no damage found"),
        Ok(damage) => report.bad("store integrity", &format!("{}; restore a backup", damage.join("; "))),
        Err(error) => report.bad("store integrity", &error.to_string()),
    }
    if let Ok(figures) = runtime.block_on(opened.maintenance.statistics()) {
        let figures: Vec<_> = figures.iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        report.good("store holds", &figures.join(", "));
    }
    check_outbox(runtime.block_on(opened.store.waiting(ChannelKind::Mail)), surroundings, report);
    let keys = runtime.block_on(open_keys(&*opened.store, config, surroundings));
    report.take("keys", keys, |count| format!("{count} signing keys open under the master key"));
    Ok(())
}

fn check_outbox(waiting: Result<Waiting, StoreError>, surroundings: &Surroundings, report: &mut Report) {
    let waiting = match waiting {
        Ok(waiting) => waiting,
        Err(error) => return report.bad("mail queue", &error.to_string()),
    };
    match outbox::trouble(waiting, surroundings.clock.now()) {
        None => report.good("mail queue", &format!("{} waiting", waiting.count)),
        Some(trouble) => report.note("mail queue", &format!("{trouble}; `relatch mail test` says why")),
    }
}

async fn open_keys(store: &dyn Store, config: &Config, surroundings: &Surroundings) -> anyhow::Result<usize> {
    let ring = app::key_ring(config, store, &*surroundings.entropy).await?;
    let policy = app::key_policy(config);
    policy.check()?;
    let (now, entropy) = (surroundings.clock.now(), surroundings.entropy.clone());
    let (keys, trouble) = SigningKeys::load_for_repair(store, ring, policy, entropy, now).await?;
    match trouble {
        Some(trouble) => Err(trouble.into()),
        None => Ok(keys.view(now).len()),
    }
}

fn check_mail(config: &Config, report: &mut Report) {
    if let Some(host) = &config.mail.smtp.host {
        let way = format!("goes to {host}:{}; `relatch mail test` tries it", config.mail.smtp.port());
        report.take("mail", app::mailer(config, None), |_| way);
        return;
    }
    match &config.mail.directory {
        None => report.note("mail", "off: passwords can't be reset by mail; set `mail.smtp.host`"),
        Some(folder) if is_writable(folder) => report.good("mail", &format!("goes to {}", folder.display())),
        Some(folder) => {
            report.bad("mail", &format!("{} is no folder that can be written to", folder.display()));
        }
    }
}

fn is_writable(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|found| found.is_dir() && !found.permissions().readonly())
}

/// A clock before this program was made is wrong, and every limit with it.
fn check_clock(surroundings: &Surroundings, report: &mut Report) {
    let now = surroundings.clock.now().as_seconds();
    if now > BUILT_AFTER_SECONDS {
        report.good("clock", &crate::wire_time::rfc3339(surroundings.clock.now()));
    } else {
        report.bad("clock", "shows a time before this program was made; set it (systemd-timesyncd, chrony)");
    }
}

#[derive(Default)]
struct Report {
    bad: usize,
}

impl Report {
    fn take<T, E: std::fmt::Display>(
        &mut self,
        what: &str,
        result: Result<T, E>,
        say: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.good(what, &say(&value));
                Some(value)
            }
            Err(error) => {
                self.bad(what, &error.to_string());
                None
            }
        }
    }

    fn good(&self, what: &str, text: &str) {
        line(format!("ok    {what:16} {text}"));
    }

    fn note(&self, what: &str, text: &str) {
        line(format!("note  {what:16} {text}"));
    }

    fn bad(&mut self, what: &str, text: &str) {
        self.bad += 1;
        line(format!("BAD   {what:16} {text}"));
    }

    fn close(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.bad == 0, "{} of the checks failed", self.bad);
        Ok(())
    }
}

/// 2026-11-01.
const BUILT_AFTER_SECONDS: i64 = 1_793_491_200;
