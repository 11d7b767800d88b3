use sqlx::PgConnection;
use sqlx::pool::PoolConnection;
use tokio::time::timeout;

use super::{PING_TIMEOUT, PostgresAccounts};

/// A connection on loan.
///
/// It goes back to the pool by [`Lease::end`] alone. One whose statement failed, or was given up in its middle, is closed:
/// nobody knows what it would answer next, and a pool that tried to find out might wait for it for ever.
pub(super) struct Lease {
    connection: Option<PoolConnection<sqlx::Postgres>>,
    in_transaction: bool,
    undone: bool,
}

impl PostgresAccounts {
    /// Lends a connection.
    pub(super) async fn lease(&self) -> Result<Lease, sqlx::Error> {
        let connection = Some(self.pool.acquire().await?);
        let mut lease = Lease { connection, in_transaction: self.behind_pooler, undone: false };
        if self.behind_pooler {
            sqlx::raw_sql("BEGIN; DEALLOCATE ALL").execute(lease.connection()).await?;
        }
        Ok(lease)
    }
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("the connection is there until the lease ends")
    }

    /// Notes that the statement was refused, as it was expected to be: there is nothing to make last.
    pub(super) fn undo(&mut self) {
        self.undone = true;
    }

    /// Makes what was done last, and gives the connection back.
    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            let script = if self.undone { "ROLLBACK; DEALLOCATE ALL" } else { "DEALLOCATE ALL; COMMIT" };
            sqlx::raw_sql(script).execute(self.connection()).await?;
        }
        if let Some(mut connection) = self.connection.take() {
            // Dropped, it would be asked in the background, without a limit, whether it lives. A function that is frozen
            // meanwhile might never get it back.
            timeout(PING_TIMEOUT, connection.return_to_pool()).await.ok();
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
