//! Accounts in PostgreSQL.
//!
//! Queries are checked against the tables when they are compiled, by what `.sqlx` says of them; `migrations/README.md` tells
//! how to renew it. Every method is one transaction, and nearly every one a single statement (behind a pooler in an explicit
//! transaction). Whatever touches a user's tokens or mails for more than to add one locks the user first, or waits for
//! nobody (`SKIP LOCKED`). There is no session state.

mod accounts;
mod deletions;
mod mail_tokens;
mod outbox;
mod pooled_connection;
mod time;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::time::timeout;

use self::pooled_connection::PooledConnection;
use super::{StoreError, StoreResult};
use crate::secret::RotatingSecret;
use crate::telemetry::{Dependency, instrumented};

/// How long opening a connection may take, or waiting for one that is in use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection that has rested may take to say that it lives; it is replaced if it does not.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one call may take: a connection that was dead, another, and a statement that goes by an index.
const CALL_TIMEOUT: Duration = Duration::from_secs(7);

/// A connection that rested longer may have died meanwhile, as it does while a function is frozen, and is asked first.
const FRESH: Duration = Duration::from_secs(1);

/// The steps that make the tables.
///
/// A step that is only in the database is no error: an older release comes back when a deployment is rolled back, and each
/// release works with the tables of the next (`migrations/README.md`).
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations/postgres") };

/// Accounts in PostgreSQL.
pub struct PostgresAccounts {
    pool: PgPool,
    behind_pooler: bool,
    url: RotatingSecret,
}

impl PostgresAccounts {
    /// The database at `url`, by at most `connections` connections. Nothing is connected before the first call.
    ///
    /// With `?statement-cache-capacity=0` in the URL it may be a transaction pooler that the URL leads to, such as
    /// PgBouncer. It may hand out another connection between the parsing of a statement and its execution, so each is run
    /// in an explicit transaction, which leaves no prepared statement behind.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: RotatingSecret, connections: u32) -> Result<Self, String> {
        let options = options(&url.get())?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for <= FRESH {
                        return Ok(true);
                    }
                    let answer = timeout(PING_TIMEOUT, connection.ping()).await;
                    answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
                })
            })
            .connect_lazy_with(options);
        let parsed = url::Url::parse(url.get().expose_secret()).map_err(|error| error.to_string())?;
        let behind_pooler =
            parsed.query_pairs().any(|(name, value)| name == "statement-cache-capacity" && value == "0");
        Ok(Self { pool, behind_pooler, url })
    }

    /// Brings the database up to date and returns the names of the steps that took. Safe to run twice, and at once.
    ///
    /// # Errors
    /// When the database cannot be reached, is reached by a transaction pooler, or a step fails.
    pub async fn migrate(&self) -> Result<Vec<String>, String> {
        if self.behind_pooler {
            return Err(
                "migrations lock the database for their session: they need a URL that leads to no pooler".into()
            );
        }
        // Where nothing was applied yet there is not even a table that says so.
        let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
        let before: Vec<i64> = applied.fetch_all(&self.pool).await.unwrap_or_default();
        MIGRATIONS.run(&self.pool).await.map_err(|error| error.to_string())?;
        let new = MIGRATIONS.iter().filter(|step| !before.contains(&step.version));
        Ok(new.map(|step| format!("postgres/{:04}_{}", step.version, step.description)).collect())
    }

    /// Does `work`, which the log and traces call `name`, within [`CALL_TIMEOUT`], and ends the lease that it did it with.
    async fn within<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<(PooledConnection, T), sqlx::Error>>,
    ) -> StoreResult<T> {
        let whole = async {
            let (connection, result) = work.await?;
            connection.end().await?;
            Ok(result)
        };
        let answer = async {
            match timeout(CALL_TIMEOUT, whole).await {
                Ok(result) => result.map_err(|error| fault(&error)),
                Err(_) => Err(unavailable("no answer in time")),
            }
        };
        instrumented(Dependency::Postgres, name, answer).await
    }
}

/// How to connect to `url`.
fn options(url: &SecretString) -> Result<PgConnectOptions, String> {
    let options: PgConnectOptions = url.expose_secret().parse().map_err(|error: sqlx::Error| error.to_string())?;
    // No floating-point number is ever read, and poolers refuse start-up parameters that they do not know.
    Ok(options.extra_float_digits(None).application_name("sql-studio-sync"))
}

fn unavailable(reason: impl ToString) -> StoreError {
    StoreError::Unavailable { store: "accounts", reason: reason.to_string() }
}

/// Whether an error is an outage or a defect of ours. The classes are those of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn fault(error: &sqlx::Error) -> StoreError {
    // Connection, authorization (which whoever runs the service can mend), rollback (a deadlock), read-only transaction (a
    // failover), resources, operator intervention, system error.
    const OUTAGES: [&str; 7] = ["08", "28", "40", "25", "53", "57", "58"];
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            if OUTAGES.iter().any(|class| code.starts_with(class)) {
                unavailable(error)
            } else {
                StoreError::Refused { store: "accounts", reason: error.to_string() }
            }
        }
        sqlx::Error::ColumnDecode { index, source } => StoreError::Corrupt {
            table: "users",
            column: "value",
            key: "unknown".to_owned(),
            reason: format!("column {index}: {source}"),
        },
        _ => unavailable(error),
    }
}
