//! The `purge` function: removes deleted items, replaced versions, resolved conflicts, and expired sessions and tokens past their
//! retention period, and completes interrupted account deletions.
//!
//! Each batch is bounded and is one transaction. A run can be stopped at any point and repeated at any time.

use std::sync::Arc;

use serde::Serialize;
use shared::account_eraser::AccountEraser;
use shared::models::{Timestamp, limits};
use shared::storage::{Deletions, Expiry, Retention, Sessions, StoreResult};
use shared::telemetry;

/// Maximum number of rows of each kind in a batch.
const BATCH_ROWS: usize = 500;
/// Maximum number of batches of each kind per run, well within Lambda's timeout of 15 minutes. The next run continues.
const MAX_BATCHES: usize = 10_000;
/// Maximum number of batches per run for the deletion of one account.
const MAX_BATCHES_PER_ACCOUNT: usize = 1_000;
/// Maximum number of account deletions per run.
const MAX_DELETIONS: usize = 1_000;

/// Time after which a move of a user to another database counts as abandoned, and the rows in its source are removed, in seconds.
/// A move takes seconds.
const ABANDONED_MOVE_SECONDS: i64 = 3_600;

/// The purge and the stores that it works on.
#[derive(Clone)]
pub struct Purge {
    data: Arc<dyn Retention>,
    accounts: Arc<dyn Deletions>,
    sessions: Arc<dyn Sessions>,
    expiring_stores: Vec<Arc<dyn Expiry>>,
}

/// Numbers of rows that a run removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Item tombstones.
    pub tombstones: u64,
    /// Resolved conflicts.
    pub conflicts: u64,
    /// Replaced versions.
    pub versions: u64,
    /// Expired sessions, refresh tokens and email tokens.
    pub expired: u64,
    /// Accounts whose interrupted deletion was completed.
    pub accounts: u64,
    /// Moved users whose rows were all removed from the source.
    pub moved: u64,
    /// Accounts whose size and digest were computed anew.
    pub repaired: u64,
    /// Whether tombstones, replaced versions, conflicts, expired rows or deleted accounts are left that the next run has to remove.
    pub unfinished: bool,
}

impl Purge {
    /// Purges `data` and `expiring_stores`, and completes deletions in `accounts`, `sessions` and `data`.
    pub fn new(
        data: Arc<dyn Retention>,
        accounts: Arc<dyn Deletions>,
        sessions: Arc<dyn Sessions>,
        expiring_stores: Vec<Arc<dyn Expiry>>,
    ) -> Self {
        Self { data, accounts, sessions, expiring_stores }
    }

    /// Removes everything whose retention period has ended at `now`.
    ///
    /// # Errors
    /// Fails if a store fails, after the work on the others. Completed batches stay removed, and the next run continues.
    pub async fn run(&self, now: Timestamp) -> StoreResult<Report> {
        let mut report = Report::default();
        // This must come first: `purge_data` also removes the mark that keeps a deleted account's data closed to writes.
        self.finish_deletions(now, &mut report).await?;
        // A database that is down fails each of the steps, and stops none of them on the other databases.
        let steps = [
            self.clean_up_moves(now, &mut report).await,
            self.purge_data(now, &mut report).await,
            self.purge_expired(now, &mut report).await,
            self.repair_totals(&mut report).await,
        ];
        steps.into_iter().collect::<StoreResult<()>>()?;
        let Report { tombstones, conflicts, versions, expired, accounts, moved, repaired, unfinished } = report;
        telemetry::purge(tombstones, conflicts, expired, accounts);
        tracing::info!(
            event = "purged",
            tombstones,
            conflicts,
            versions,
            expired,
            accounts,
            moved,
            repaired,
            unfinished,
            "purge completed"
        );
        Ok(report)
    }

    async fn clean_up_moves(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        let abandoned = now.plus_seconds(-ABANDONED_MOVE_SECONDS);
        report.moved = self.data.clean_up_moves(abandoned, BATCH_ROWS, MAX_BATCHES_PER_ACCOUNT).await?;
        Ok(())
    }

    async fn purge_data(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        let cutoff = now.plus_seconds(-limits::RETENTION_DAYS * 24 * 3_600);
        let purged = self.data.purge(cutoff, BATCH_ROWS, MAX_BATCHES).await?;
        report.tombstones += purged.tombstones;
        report.conflicts += purged.conflicts;
        report.versions += purged.versions;
        report.unfinished |= purged.unfinished;
        Ok(())
    }

    async fn purge_expired(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        for store in &self.expiring_stores {
            let mut batches = 0;
            loop {
                let expired = store.purge_expired(now, BATCH_ROWS).await?;
                report.expired += expired;
                batches += 1;
                if expired == 0 {
                    break;
                }
                if batches == MAX_BATCHES {
                    report.unfinished = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Computes size and digest of the accounts that an older release has written, which does not know them.
    async fn repair_totals(&self, report: &mut Report) -> StoreResult<()> {
        report.repaired += self.data.repair_totals(BATCH_ROWS, MAX_BATCHES).await?;
        Ok(())
    }

    async fn finish_deletions(&self, now: Timestamp, report: &mut Report) -> StoreResult<()> {
        let eraser = AccountEraser { accounts: &*self.accounts, sessions: &*self.sessions, data: &*self.data };
        let pending = self.accounts.pending_deletions(MAX_DELETIONS).await?;
        report.unfinished |= pending.len() == MAX_DELETIONS;
        for user in pending {
            match eraser.remove(user, now, MAX_BATCHES_PER_ACCOUNT).await {
                Ok(true) => report.accounts += 1,
                Ok(false) => report.unfinished = true,
                Err(error) => {
                    // The deletions of the other accounts continue.
                    tracing::error!(user = telemetry::pseudonym(user), %error, "account deletion failed");
                    report.unfinished = true;
                }
            }
        }
        Ok(())
    }
}
