//! Injected races: transports that split an atomic operation into two transactions. The explorer must detect each of
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use shared::storage::libsql::{BatchError, Statement, StatementResult, Transport, Value};

/// Injected race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InjectedRace {
    /// A conflict is read in an earlier transaction than its items and the head.
    ConflictReadApart,
    /// Receipts are written after their transaction.
    ReceiptWrittenApart,
    /// A commit does not compare the head.
    HeadNotCompared,
    /// The purge horizon is moved after the tombstones are removed.
    HorizonMovedApart,
    /// The head of a page is read after its rows.
    HeadReadAfterRows,
    /// The versions to restore or to merge against are read in an earlier transaction than the item and the head.
    VersionsReadApart,
    /// The quota is compared in an earlier transaction than history entries are added.
    QuotaComparedApart,
    /// The source of a move stays open to writes, and is marked even if it has changed.
    SourceNotClosed,
    /// A refresh token is read in one transaction and its session written in another.
    RotationInTwoSteps,
}

/// Transport to the file with an injected race.
pub(crate) struct RacyTransport {
    pub(crate) file: Arc<dyn Transport>,
    pub(crate) race: InjectedRace,
}

const MOVE_HEAD_UNCONDITIONALLY: &str = "
UPDATE sync_heads SET head = ?3, bytes = bytes + ?6, history_bytes = history_bytes + ?7,
    digest_head = iif(?8, ?3, digest_head), connections_count = ?9, connections_hash = ?10, saved_queries_count = ?11,
    saved_queries_hash = ?12, history_count = ?13
WHERE user_id = ?1 AND ?2 = ?2 AND ?4 = ?4 AND ?5 = ?5";

const HORIZONS: &str = "
SELECT user_id, max(seq), max(version) FROM (
    SELECT user_id, seq, sync_version AS version FROM connections WHERE deleted_at < ?1
    UNION ALL SELECT user_id, seq, sync_version FROM saved_queries WHERE deleted_at < ?1
    UNION ALL SELECT user_id, seq, 0 FROM query_history WHERE deleted_at < ?1)
GROUP BY user_id";
const MOVE_HORIZON: &str = "
UPDATE sync_heads SET purged_through = max(purged_through, ?2), purged_version = max(purged_version, ?3)
WHERE user_id = ?1";

const WRITE_SESSION_BACK: &str = "
INSERT OR REPLACE INTO sessions (id, user_id, device, ip, created_at, last_seen_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const REOPEN: &str = "UPDATE sync_heads SET moving = 0 WHERE user_id = ?1";
const MARK_SOURCE_UNCONDITIONALLY: &str = "
UPDATE sync_heads SET moved_to = ?4, moved_at = ?3 WHERE user_id = ?1 AND move_epoch = ?2 AND ?5 = ?5";

type Batch = Result<Vec<StatementResult>, BatchError>;

impl RacyTransport {
    /// Runs the statements selected by `is_first` in one transaction and the others in another; returns the results in
    /// the original order.
    async fn run_in_two_transactions(
        &self,
        name: &'static str,
        statements: Vec<Statement>,
        is_first: impl Fn(&Statement) -> bool,
        writes: bool,
    ) -> Batch {
        let order: Vec<bool> = statements.iter().map(&is_first).collect();
        let (first, second): (Vec<_>, Vec<_>) = statements.into_iter().partition(is_first);
        let (mut first, mut second) =
            (self.run(name, first, writes).await?.into_iter(), self.run(name, second, writes).await?.into_iter());
        Ok(order.into_iter().filter_map(|is_first| if is_first { first.next() } else { second.next() }).collect())
    }

    async fn run(&self, name: &'static str, statements: Vec<Statement>, writes: bool) -> Batch {
        match (statements.is_empty(), writes) {
            (true, _) => Ok(Vec::new()),
            (false, true) => self.file.write(name, statements).await,
            (false, false) => self.file.read(name, statements).await,
        }
    }

    /// Removes the due rows, and moves the purge horizons of their users in a second transaction.
    async fn purge_then_move_horizon(&self, name: &'static str, statements: Vec<Statement>) -> Batch {
        let cutoff = statements[0].parameters[0].clone();
        let horizons = self.file.read(name, vec![Statement::new(HORIZONS, [cutoff])]).await?;
        let moves_horizon = |statement: &Statement| statement.sql.contains("UPDATE sync_heads");
        let order: Vec<bool> = statements.iter().map(moves_horizon).collect();
        let removals = statements.into_iter().filter(|statement| !moves_horizon(statement)).collect();
        let mut removed = self.file.write(name, removals).await?.into_iter();
        let rows: Vec<_> = horizons.into_iter().flat_map(|result| result.rows).collect();
        if !rows.is_empty() {
            self.file.write(name, rows.into_iter().map(|row| Statement::new(MOVE_HORIZON, row)).collect()).await?;
        }
        Ok(order
            .into_iter()
            .map(|moved| if moved { StatementResult::default() } else { removed.next().unwrap_or_default() })
            .collect())
    }

    /// Reads the session of the token, then writes it back with a later expiry in a second transaction.
    async fn look_up_then_rotate(&self, name: &'static str, mut statements: Vec<Statement>) -> Batch {
        let remaining = statements.split_off(1);
        let found = self.file.read(name, statements).await?;
        let session = found.first().and_then(|result| result.rows.first()).map(|row| row[..7].to_vec());
        let expires_at = remaining[0].parameters[4].clone();
        let write_back = session.map(|mut session: Vec<Value>| {
            session[6] = expires_at;
            Statement::new(WRITE_SESSION_BACK, session)
        });
        let count = remaining.len();
        let written = self.file.write(name, write_back.into_iter().chain(remaining).collect()).await?;
        Ok(found.into_iter().chain(written.into_iter().rev().take(count)).collect())
    }
}

#[async_trait]
impl Transport for RacyTransport {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Batch {
        match (self.race, name) {
            (InjectedRace::ConflictReadApart, "load") => {
                self.run_in_two_transactions(
                    name,
                    statements,
                    |statement| statement.sql.contains("FROM conflicts AS c WHERE c.user_id = ?1 AND c.id = ?2"),
                    false,
                )
                .await
            }
            (InjectedRace::VersionsReadApart, "load") => {
                self.run_in_two_transactions(
                    name,
                    statements,
                    |statement| statement.sql.contains("item_versions"),
                    false,
                )
                .await
            }
            (InjectedRace::HeadReadAfterRows, "page") => {
                self.run_in_two_transactions(name, statements, |statement| !statement.sql.contains("closed_at"), false)
                    .await
            }
            _ => self.file.read(name, statements).await,
        }
    }

    async fn write(&self, name: &'static str, mut statements: Vec<Statement>) -> Batch {
        match (self.race, name) {
            (InjectedRace::ReceiptWrittenApart, "commit") => {
                self.run_in_two_transactions(
                    name,
                    statements,
                    |statement| !statement.sql.contains("INSERT INTO receipts"),
                    true,
                )
                .await
            }
            (InjectedRace::QuotaComparedApart, "append") => {
                let is_check = |statement: &Statement| {
                    ["INSERT INTO sync_heads", "SET head = CASE"].iter().any(|sql| statement.sql.contains(sql))
                };
                self.run_in_two_transactions(name, statements, is_check, true).await
            }
            (InjectedRace::HeadNotCompared, "commit") => {
                let moves_head = |statement: &&mut Statement| statement.sql.contains("SET head = CASE");
                statements
                    .iter_mut()
                    .filter(moves_head)
                    .for_each(|statement| statement.sql = MOVE_HEAD_UNCONDITIONALLY);
                self.file.write(name, statements).await
            }
            (InjectedRace::SourceNotClosed, "claim_source") => {
                let reopen = Statement::new(REOPEN, [statements[0].parameters[0].clone()]);
                let claimed = self.file.write(name, statements).await?;
                self.file.write("reopen", vec![reopen]).await?;
                Ok(claimed)
            }
            (InjectedRace::SourceNotClosed, "mark_source") => {
                statements[0].sql = MARK_SOURCE_UNCONDITIONALLY;
                self.file.write(name, statements).await
            }
            (InjectedRace::HorizonMovedApart, "purge") => self.purge_then_move_horizon(name, statements).await,
            (InjectedRace::RotationInTwoSteps, "rotate") => self.look_up_then_rotate(name, statements).await,
            _ => self.file.write(name, statements).await,
        }
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.file.script(name, script).await
    }
}
