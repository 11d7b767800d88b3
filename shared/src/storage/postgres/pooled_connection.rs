use std::ops::{Deref, DerefMut};

use sqlx::PgConnection;
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use tokio::time::timeout;

use super::{PING_TIMEOUT, PostgresAccounts, options};

/// A connection of the pool, used by one call.
///
/// Only [`PooledConnection::finish`] returns it to the pool. Dropping it closes it: after a statement that failed or was given
/// up its protocol state is unknown, and a pool that tried to find out might wait for it for ever.
pub(super) struct PooledConnection {
    connection: Option<PoolConnection<sqlx::Postgres>>,
    behind_pooler: bool,
    in_transaction: bool,
    must_roll_back: bool,
}

impl PostgresAccounts {
    /// Takes a connection from the pool.
    pub(super) async fn connection(&self) -> Result<PooledConnection, sqlx::Error> {
        let connection = Some(self.acquire().await?);
        let behind_pooler = self.behind_pooler;
        let mut connection =
            PooledConnection { connection, behind_pooler, in_transaction: behind_pooler, must_roll_back: false };
        if behind_pooler {
            sqlx::raw_sql("BEGIN; DEALLOCATE ALL").execute(&mut *connection).await?;
        }
        Ok(connection)
    }

    /// Acquires a connection. If the server rejects the password and a newer one is available, tries again with that.
    async fn acquire(&self) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        let url = self.url.get();
        match self.pool.acquire().await {
            Err(error) if is_unauthorized(&error) => {
                let Some(url) = self.url.replacement_for(&url).await else { return Err(error) };
                let Ok(options) = options(&url, self.root_certificates.as_deref()) else { return Err(error) };
                self.pool.set_connect_options(options);
                self.pool.acquire().await
            }
            other => other,
        }
    }
}

/// Whether the server rejects the user or the password (PostgreSQL's error class 28).
fn is_unauthorized(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code.starts_with("28"))
}

impl PooledConnection {
    /// Begins a transaction of several statements, unless one has begun already.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        if !self.in_transaction {
            self.in_transaction = true;
            sqlx::raw_sql("BEGIN").execute(&mut **self).await?;
        }
        Ok(())
    }

    /// Makes [`finish`](Self::finish) roll back instead of commit: the database refused a statement, as the caller expected,
    /// and accepts no other one in this transaction.
    pub(super) fn must_roll_back(&mut self) {
        self.must_roll_back = true;
    }

    /// Ends the transaction, if there is one, and returns the connection to the pool.
    pub(super) async fn finish(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            let script = match (self.behind_pooler, self.must_roll_back) {
                (true, true) => "ROLLBACK; DEALLOCATE ALL",
                (true, false) => "DEALLOCATE ALL; COMMIT",
                (false, true) => "ROLLBACK",
                (false, false) => "COMMIT",
            };
            sqlx::raw_sql(script).execute(&mut *self).await?;
        }
        if let Some(mut connection) = self.connection.take() {
            // Dropping it would make sqlx ping it in the background, without a time limit. In a function that is frozen
            // meanwhile the connection might never come back to the pool.
            timeout(PING_TIMEOUT, connection.return_to_pool()).await.ok();
        }
        Ok(())
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("only `finish`, which consumes `self`, takes the connection")
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("only `finish`, which consumes `self`, takes the connection")
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
