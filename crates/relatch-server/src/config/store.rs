//! `[store]`: where sessions, accounts and keys are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Where the data is: `sqlite:` and the path of the database file, which is made when it is missing.
    pub url: StoreUrl,
    /// When a refresh is acknowledged. `full`: when it is on disk. `relaxed`: a crash of the machine may
    /// forget the last moments, which clients heal by their next refresh. Logins, logouts and revocations
    /// are on disk first either way.
    pub rotation_durability: RotationDurability,
    /// How many connections read at a time. Writing is done by one, in groups.
    #[schemars(range(min = 1, max = 64))]
    pub readers: usize,
    /// How rows leave that nobody needs any more.
    pub sweep: SweepConfig,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: StoreUrl::Sqlite(PathBuf::from("relatch-data/relatch.db")),
            rotation_durability: RotationDurability::Full,
            readers: 4,
            sweep: SweepConfig::default(),
        }
    }
}

/// How rows leave that nobody needs any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SweepConfig {
    /// How often to look for dead rows.
    #[schemars(range(min = 1, max = 86_400))]
    pub interval_seconds: u32,
    /// The most rows that leave in one write, so that no refresh waits long behind it.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_rows: usize,
    /// How long the row of an ended session stays. Until it leaves, whoever comes back with its token is
    /// told why the session ended; after that, only that it has expired.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub keep_dead_seconds: u32,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self { interval_seconds: 60, batch_rows: 500, keep_dead_seconds: 30 * 86_400 }
    }
}

/// When a moved head is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotationDurability {
    /// When it is on disk.
    #[default]
    Full,
    /// When it is in the log's memory; the client's token heals what a crash forgets.
    Relaxed,
}

/// Which store, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum StoreUrl {
    /// The embedded default: a database file.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// The folder that holds the data; files that belong to it (a master key in development) lie there too.
    pub fn folder(&self) -> &Path {
        let Self::Sqlite(path) = self;
        path.parent().unwrap_or(Path::new(""))
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let path = text.strip_prefix("sqlite:").ok_or("start it with `sqlite:`, the one store so far")?;
        match path.strip_prefix("//").unwrap_or(path) {
            "" => Err("put the path of a database file behind `sqlite:`"),
            path if path.contains(['\0', '?']) => Err("the path may hold neither `?` nor a NUL character"),
            ":memory:" => Err("name a file: a database in memory loses every session"),
            path => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Sqlite(path) = self;
        write!(f, "sqlite:{}", path.display())
    }
}

impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreUrl, &'static str> {
        StoreUrl::try_from(text.to_owned())
    }

    #[test]
    fn a_store_url_names_a_file() {
        let file = |path: &str| Ok(StoreUrl::Sqlite(PathBuf::from(path)));
        assert_eq!(parse("sqlite:data/a.db"), file("data/a.db"));
        assert_eq!(parse("sqlite:///var/lib/a.db"), file("/var/lib/a.db"));
        for refused in ["sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgres://db", "a.db", ""] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
