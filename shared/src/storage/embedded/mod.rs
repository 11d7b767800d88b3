//! Accounts, sessions and sync data in one libSQL file: the stores of the local server.

mod accounts;
mod active_users;
mod deletions;
mod mail_tokens;
mod outbox;
mod placements;
mod sessions;

use std::path::Path;
use std::sync::Arc;

use self::active_users::ActiveUsers;
use super::libsql::{BatchError, EMBEDDED, FileDatabase, LibsqlSync, Maintenance, SYNC, Transport, migrate};
use super::memory_rate_limiter::MemoryRateLimiter;
use crate::private_files;

/// The migration of the release that first overwrote what it deleted. The file is written anew after it, because its unused pages
/// may hold what was deleted before.
const FIRST_SECURE_DELETE: &str = "libsql/0002_versions";

/// All stores in one file.
#[derive(Clone)]
pub struct Embedded {
    file: Arc<dyn Transport>,
    rate_limiter: Arc<MemoryRateLimiter>,
    active_users: Arc<ActiveUsers>,
}

impl Embedded {
    /// Name of the file in its folder.
    pub const FILE: &str = "studio.db";

    /// Opens the stores in `folder`. Creates folder and file if they do not exist.
    ///
    /// # Errors
    /// When the folder cannot be created or the file cannot be opened.
    pub async fn open(folder: &Path) -> Result<Self, BatchError> {
        let fault = |error: std::io::Error| BatchError::Unavailable(format!("{}: {error}", folder.display()));
        private_files::create_folder(folder).map_err(fault)?;
        let file = FileDatabase::open(&folder.join(Self::FILE)).await?;
        Ok(Self::with_transport(Arc::new(file)))
    }

    /// Creates the stores on the database of a transport.
    pub fn with_transport(file: Arc<dyn Transport>) -> Self {
        Self { file, rate_limiter: Arc::default(), active_users: Arc::default() }
    }

    /// Applies the pending migrations and returns their names.
    ///
    /// # Errors
    /// As [`migrate`].
    pub async fn migrate(&self) -> Result<Vec<&'static str>, BatchError> {
        let mut applied = migrate(&*self.file, SYNC).await?;
        let repaired = self.sync().compute_missing_totals().await;
        repaired.map_err(|error| BatchError::Refused(error.to_string()))?;
        if applied.contains(&FIRST_SECURE_DELETE) {
            self.file.maintain(Maintenance::Rewrite).await?;
            self.file.maintain(Maintenance::TruncateLog).await?;
        }
        applied.extend(migrate(&*self.file, EMBEDDED).await?);
        Ok(applied)
    }

    /// Returns the store of sync data.
    pub fn sync(&self) -> LibsqlSync {
        LibsqlSync::new(Arc::clone(&self.file))
    }
}
