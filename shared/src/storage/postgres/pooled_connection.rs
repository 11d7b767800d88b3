use sqlx::PgConnection;
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use tokio::time::timeout;

use super::{PING_TIMEOUT, PostgresAccounts, options};

/// A connection on loan.
///
/// It goes back to the pool by [`PooledConnection::end`] alone. One whose statement failed, or was given up in its middle, is closed:
/// nobody knows what it would answer next, and a pool that tried to find out might wait for it for ever.
pub(super) struct PooledConnection {
    connection: Option<PoolConnection<sqlx::Postgres>>,
    behind_pooler: bool,
    in_transaction: bool,
    undone: bool,
}

impl PostgresAccounts {
    /// Lends a connection.
    pub(super) async fn connection(&self) -> Result<PooledConnection, sqlx::Error> {
        let connection = Some(self.connect().await?);
        let behind_pooler = self.behind_pooler;
        let mut connection =
            PooledConnection { connection, behind_pooler, in_transaction: behind_pooler, undone: false };
        if behind_pooler {
            sqlx::raw_sql("BEGIN; DEALLOCATE ALL").execute(connection.connection()).await?;
        }
        Ok(connection)
    }

    /// A connection of the pool; by the password that took the place of one that is refused, if there is one.
    async fn connect(&self) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        let url = self.url.get();
        match self.pool.acquire().await {
            Err(error) if is_unauthorized(&error) => {
                let Some(Ok(options)) = self.url.replacement_for(&url).await.map(|url| options(&url)) else {
                    return Err(error);
                };
                self.pool.set_connect_options(options);
                self.pool.acquire().await
            }
            other => other,
        }
    }
}

/// Whether the user or the password is refused (class 28 of PostgreSQL's errors).
fn is_unauthorized(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code.starts_with("28"))
}

impl PooledConnection {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("the connection is there until the lease ends")
    }

    /// Begins a transaction of several statements. Each of them sees what was committed before it began, so one that comes
    /// after a lock sees what whoever held the lock before has written, which a single statement that waits does not.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        if !self.in_transaction {
            self.in_transaction = true;
            sqlx::raw_sql("BEGIN").execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Notes that the statement was refused, as it was expected to be: there is nothing to make last.
    pub(super) fn undo(&mut self) {
        self.undone = true;
    }

    /// Makes what was done last, and gives the connection back.
    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            let script = match (self.behind_pooler, self.undone) {
                (true, true) => "ROLLBACK; DEALLOCATE ALL",
                (true, false) => "DEALLOCATE ALL; COMMIT",
                (false, true) => "ROLLBACK",
                (false, false) => "COMMIT",
            };
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

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
