//! What an operator asks of a store beside its daily work.

use crate::StoreError;
use std::path::Path;

/// Backups, checks and figures.
#[async_trait::async_trait]
pub trait Maintenance: Send + Sync {
    /// Writes a consistent copy of everything to a new file while the store goes on working. A file that
    /// exists is never overwritten.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    /// Reads everything and says what is damaged, a line each; nothing where all is well.
    async fn damage(&self) -> Result<Vec<String>, StoreError>;

    /// Figures, named: rows and bytes.
    async fn statistics(&self) -> Result<Vec<(&'static str, u64)>, StoreError>;
}
