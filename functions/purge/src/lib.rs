//! The `purge` function: forgets what was deleted, settled or expired long enough ago.
//!
//! It works in bounded batches, each a transaction. It can be stopped at any point and repeated at any time.

use std::sync::Arc;

use serde::Serialize;
use shared::account_eraser::AccountEraser;
use shared::models::{Timestamp, limits};
use shared::storage::{Deletions, Expiry, Retention, Sessions, StoreResult};
use shared::telemetry;

/// Rows of each kind in a batch.
const BATCH: usize = 500;
/// Most batches of each kind in one run: well within a function's 15 minutes. What is left waits for the next run.
const BATCHES: usize = 10_000;
/// Most batches for one account whose deletion is followed up.
const BATCHES_PER_ACCOUNT: usize = 1_000;
/// Most accounts in one run whose interrupted deletion is followed up.
const DELETIONS: usize = 1_000;

/// What the purge works with.
#[derive(Clone)]
pub struct Purge {
    data: Arc<dyn Retention>,
    accounts: Arc<dyn Deletions>,
    sessions: Arc<dyn Sessions>,
    expiring: Vec<Arc<dyn Expiry>>,
}

/// What a run removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Tombstones of items.
    pub tombstones: u64,
    /// Settled conflicts.
    pub conflicts: u64,
    /// Expired sessions, refresh tokens and mail tokens.
    pub expired: u64,
    /// Accounts whose deletion had been interrupted.
    pub accounts: u64,
    /// Whether the run ended before everything was removed.
    pub unfinished: bool,
}

impl Purge {
    /// The purge of `data`, of `accounts` and `sessions`, and of whatever else expires.
    pub fn new(
        data: Arc<dyn Retention>,
        accounts: Arc<dyn Deletions>,
        sessions: Arc<dyn Sessions>,
        expiring: Vec<Arc<dyn Expiry>>,
    ) -> Self {
        Self { data, accounts, sessions, expiring }
    }

    /// Removes what is due at `now`.
    ///
    /// # Errors
    /// When a store fails; what was removed until then stays removed, and the next run goes on.
    pub async fn run(&self, now: Timestamp) -> StoreResult<Report> {
        let mut report = Report::default();
        // First of all, for the mark that keeps a deleted account closed is forgotten with the rest.
        self.finish_deletions(now, &mut report).await?;
        self.forget_data(now, &mut report).await?;
        self.forget_expired(now, &mut report).await?;
        telemetry::purge(report.tombstones, report.conflicts, report.expired, report.accounts);
        tracing::info!(event = "purged", ?report, "purge done");
        Ok(report)
    }

    async fn forget_data(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        let cutoff = now.plus_seconds(-limits::RETENTION_DAYS * 24 * 3_600);
        for _ in 0..BATCHES {
            let purged = self.data.purge(cutoff, BATCH).await?;
            report.tombstones += purged.tombstones;
            report.conflicts += purged.conflicts;
            if purged.total() == 0 {
                return Ok(());
            }
        }
        report.unfinished = true;
        Ok(())
    }

    async fn forget_expired(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        for store in &self.expiring {
            let mut batches = 0;
            loop {
                let expired = store.purge_expired(now, BATCH).await?;
                report.expired += expired;
                batches += 1;
                if expired == 0 {
                    break;
                }
                if batches == BATCHES {
                    report.unfinished = true;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn finish_deletions(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        let eraser = AccountEraser { accounts: &*self.accounts, sessions: &*self.sessions, data: &*self.data };
        let pending = self.accounts.pending_deletions(DELETIONS).await?;
        report.unfinished |= pending.len() == DELETIONS;
        for user in pending {
            match eraser.remove(user, now, BATCHES_PER_ACCOUNT).await {
                Ok(true) => report.accounts += 1,
                Ok(false) => report.unfinished = true,
                Err(error) => {
                    // One account must not keep all others from being purged.
                    tracing::error!(user = telemetry::pseudonym(user), %error, "a deletion was not finished");
                    report.unfinished = true;
                }
            }
        }
        Ok(())
    }
}
