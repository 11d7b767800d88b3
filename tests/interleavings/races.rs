//! Deliberate races: ways to the file that do in two transactions what has to be one. The explorer must find each of them.

use std::sync::Arc;

use async_trait::async_trait;
use shared::storage::libsql::{BatchError, Statement, StatementResult, Transport, Value};

/// A deliberate race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Race {
    /// A conflict is read before its items and the head.
    ConflictReadApart,
    /// Receipts are written after the transaction that they belong to.
    ReceiptWrittenApart,
    /// A commit does not compare the head.
    HeadNotCompared,
    /// The purge horizon moves after the tombstones are gone.
    HorizonMovedApart,
    /// The head of a page is read after its rows.
    HeadReadAfterRows,
    /// A refresh token is looked up, and its session written back later.
    RotationInTwoSteps,
}

/// A way to the file with a race in it.
pub(crate) struct Racy {
    pub(crate) file: Arc<dyn Transport>,
    pub(crate) race: Race,
}

const MOVE_HEAD_ANYWAY: &str = "UPDATE sync_heads SET head = ?3 WHERE user_id = ?1 AND ?4 = ?4 AND ?5 = ?5";

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

type Batch = Result<Vec<StatementResult>, BatchError>;

impl Racy {
    /// Runs first the statements that are `early`, then the others; the results in the order of all of them.
    async fn in_two(
        &self,
        name: &'static str,
        statements: Vec<Statement>,
        early: impl Fn(&Statement) -> bool,
        writes: bool,
    ) -> Batch {
        let order: Vec<bool> = statements.iter().map(&early).collect();
        let (first, second): (Vec<_>, Vec<_>) = statements.into_iter().partition(early);
        let (mut first, mut second) =
            (self.run(name, first, writes).await?.into_iter(), self.run(name, second, writes).await?.into_iter());
        Ok(order.into_iter().filter_map(|early| if early { first.next() } else { second.next() }).collect())
    }

    async fn run(&self, name: &'static str, statements: Vec<Statement>, writes: bool) -> Batch {
        match (statements.is_empty(), writes) {
            (true, _) => Ok(Vec::new()),
            (false, true) => self.file.write(name, statements).await,
            (false, false) => self.file.read(name, statements).await,
        }
    }

    /// Removes what is due, and moves the horizons of those it belonged to afterwards.
    async fn purge_then_move(&self, name: &'static str, statements: Vec<Statement>) -> Batch {
        let cutoff = statements[0].parameters[0].clone();
        let horizons = self.file.read(name, vec![Statement::new(HORIZONS, [cutoff])]).await?;
        let moves = |statement: &Statement| statement.sql.contains("UPDATE sync_heads");
        let order: Vec<bool> = statements.iter().map(moves).collect();
        let removals = statements.into_iter().filter(|statement| !moves(statement)).collect();
        let mut removed = self.file.write(name, removals).await?.into_iter();
        let rows: Vec<_> = horizons.into_iter().flat_map(|done| done.rows).collect();
        if !rows.is_empty() {
            self.file.write(name, rows.into_iter().map(|row| Statement::new(MOVE_HORIZON, row)).collect()).await?;
        }
        Ok(order
            .into_iter()
            .map(|moved| if moved { StatementResult::default() } else { removed.next().unwrap_or_default() })
            .collect())
    }

    /// Looks the token up, then writes its session back as it was found, with a later end.
    async fn look_up_then_rotate(&self, name: &'static str, mut statements: Vec<Statement>) -> Batch {
        let rest = statements.split_off(1);
        let found = self.file.read(name, statements).await?;
        let session = found.first().and_then(|done| done.rows.first()).map(|row| row[..7].to_vec());
        let expires_at = rest[0].parameters[4].clone();
        let back = session.map(|mut session: Vec<Value>| {
            session[6] = expires_at;
            Statement::new(WRITE_SESSION_BACK, session)
        });
        let count = rest.len();
        let written = self.file.write(name, back.into_iter().chain(rest).collect()).await?;
        Ok(found.into_iter().chain(written.into_iter().rev().take(count)).collect())
    }
}

#[async_trait]
impl Transport for Racy {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Batch {
        match (self.race, name) {
            (Race::ConflictReadApart, "load") => {
                self.in_two(
                    name,
                    statements,
                    |one| one.sql.contains("FROM conflicts AS c WHERE c.user_id = ?1 AND c.id = ?2"),
                    false,
                )
                .await
            }
            (Race::HeadReadAfterRows, "page") => {
                self.in_two(name, statements, |one| !one.sql.contains("FROM sync_heads"), false).await
            }
            _ => self.file.read(name, statements).await,
        }
    }

    async fn write(&self, name: &'static str, mut statements: Vec<Statement>) -> Batch {
        match (self.race, name) {
            (Race::ReceiptWrittenApart, "commit") => {
                self.in_two(name, statements, |one| !one.sql.contains("INSERT INTO receipts"), true).await
            }
            (Race::HeadNotCompared, "commit") => {
                let moves_head = |one: &&mut Statement| one.sql.contains("SET head = CASE");
                statements.iter_mut().filter(moves_head).for_each(|one| one.sql = MOVE_HEAD_ANYWAY);
                self.file.write(name, statements).await
            }
            (Race::HorizonMovedApart, "purge") => self.purge_then_move(name, statements).await,
            (Race::RotationInTwoSteps, "rotate") => self.look_up_then_rotate(name, statements).await,
            _ => self.file.write(name, statements).await,
        }
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.file.script(name, script).await
    }
}
