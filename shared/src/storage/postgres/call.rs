//! One call of the store: a connection, a deadline, and telemetry around the SQL of a method.

use std::time::Duration;

use tokio::time::timeout;

use super::pooled_connection::PooledConnection;
use super::{PostgresAccounts, unavailable};
use crate::storage::StoreResult;
use crate::telemetry::{Dependency, instrumented};

/// Time limit for one call: the ping of a dead connection, opening another one, and a statement that uses an index.
const CALL_TIMEOUT: Duration = Duration::from_secs(7);

/// Transaction of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transaction {
    /// Each statement is one by itself.
    Implicit,
    /// All statements are one.
    Explicit,
}

impl PostgresAccounts {
    /// Runs `work`, which executes one statement, on a connection of the pool. `name` is the statement's name in logs, traces
    /// and metrics.
    ///
    /// The connection goes back to the pool if `work` succeeds, and is closed if it fails or runs into the deadline.
    pub(super) async fn run<T>(
        &self,
        name: &'static str,
        work: impl AsyncFnOnce(&mut PooledConnection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        self.call(name, Transaction::Implicit, work).await
    }

    /// Runs `work` as [`run`](Self::run) does, in a transaction of several statements. The transaction is committed if `work`
    /// succeeds and rolled back if it fails.
    ///
    /// Each statement sees what was committed before that statement began. So a statement after a lock sees the writes of the
    /// previous holder of the lock, which a single statement that waits for the lock does not.
    pub(super) async fn run_in_transaction<T>(
        &self,
        name: &'static str,
        work: impl AsyncFnOnce(&mut PooledConnection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        self.call(name, Transaction::Explicit, work).await
    }

    async fn call<T>(
        &self,
        name: &'static str,
        transaction: Transaction,
        work: impl AsyncFnOnce(&mut PooledConnection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let whole_call = async {
            let mut connection = self.connection().await?;
            if transaction == Transaction::Explicit {
                connection.begin().await?;
            }
            let result = work(&mut connection).await?;
            connection.finish().await?;
            Ok(result)
        };
        let within_deadline = async {
            timeout(CALL_TIMEOUT, whole_call).await.unwrap_or_else(|_| Err(unavailable("no response in time")))
        };
        instrumented(Dependency::Postgres, name, within_deadline).await
    }
}
