//! Accounts in PostgreSQL.
//!
//! `sqlx` checks every query at compile time against the descriptions in `.sqlx`; `migrations/README.md` says how to renew
//! them. Every method is one transaction: most run a single statement, which is a transaction by itself, or is wrapped in an
//! explicit one behind a connection pooler. A method that does more to a user's tokens or emails than add a row either locks
//! the row of the user first, or skips rows that are locked (`SKIP LOCKED`). There is no session state.

mod accounts;
mod call;
mod deletions;
mod diagnose;
mod mail_tokens;
mod outbox;
mod placements;
mod pooled_connection;
mod time;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::time::timeout;

use super::StoreError;
use crate::secret::RotatingSecret;

/// Time limit for opening a connection, or for waiting until one of the pool is free.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Time limit for the ping of an idle connection. A connection that does not respond in time is replaced.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Idle time after which a connection is pinged before it is used. It may have died, as it does while a function is frozen.
const MAX_IDLE_WITHOUT_PING: Duration = Duration::from_secs(1);

/// The schema migrations.
///
/// A migration that only the database knows is no error: after a rollback an older release runs on the newer schema, and each
/// release works with the schema of the next (`migrations/README.md`).
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations/postgres") };

/// Accounts in PostgreSQL.
pub struct PostgresAccounts {
    pool: PgPool,
    behind_pooler: bool,
    url: RotatingSecret,
    root_certificates: Option<String>,
}

/// Migrations cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The URL leads to a transaction pooler.
    #[error(
        "migrations take a session lock, which a transaction pooler does not keep: set DATABASE_URL_DIRECT to a URL that leads \
         to the database itself, without statement-cache-capacity=0"
    )]
    TransactionPooler,
    /// The database is unreachable, or a migration fails.
    #[error("{}", migration_message(.0))]
    Failed(#[from] MigrateError),
}

impl PostgresAccounts {
    /// Creates a store for the database at `url` that opens at most `connections` connections, the first one with the first
    /// call.
    ///
    /// `?statement-cache-capacity=0` in the URL says that the URL may lead to a transaction pooler, such as PgBouncer. A
    /// pooler may switch connections between the parsing of a statement and its execution. Each call is therefore an explicit
    /// transaction that leaves no prepared statement behind.
    ///
    /// `root_certificates` are authorities, in PEM, that the connection trusts besides the public ones.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub fn new(url: RotatingSecret, root_certificates: Option<String>, connections: u32) -> Result<Self, sqlx::Error> {
        let options = options(&url.get(), root_certificates.as_deref())?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for <= MAX_IDLE_WITHOUT_PING {
                        return Ok(true);
                    }
                    let response = timeout(PING_TIMEOUT, connection.ping()).await;
                    response.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
                })
            })
            .connect_lazy_with(options);
        let parsed = url::Url::parse(url.get().expose_secret()).map_err(sqlx::Error::config)?;
        let behind_pooler =
            parsed.query_pairs().any(|(name, value)| name == "statement-cache-capacity" && value == "0");
        Ok(Self { pool, behind_pooler, url, root_certificates })
    }

    /// Applies the pending migrations and returns their names. Safe to run repeatedly and concurrently.
    ///
    /// # Errors
    /// When the database is unreachable, the URL leads to a transaction pooler, or a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        if self.behind_pooler {
            return Err(MigrationError::TransactionPooler);
        }
        // Fails where no migration has been applied yet: the table does not exist then.
        let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
        let before: Vec<i64> = applied.fetch_all(&self.pool).await.unwrap_or_default();
        MIGRATIONS.run(&self.pool).await?;
        let new = MIGRATIONS.iter().filter(|step| !before.contains(&step.version));
        Ok(new.map(|step| format!("postgres/{:04}_{}", step.version, step.description)).collect())
    }
}

/// Parses `url` into the options of a connection.
fn options(url: &SecretString, root_certificates: Option<&str>) -> Result<PgConnectOptions, sqlx::Error> {
    let mut options: PgConnectOptions = url.expose_secret().parse()?;
    if let Some(pem) = root_certificates {
        options = options.ssl_root_cert_from_pem(pem.as_bytes().to_vec());
    }
    // No query reads a floating-point number, and poolers reject start-up parameters that they do not know.
    Ok(options.extra_float_digits(None).application_name("sql-studio-sync"))
}

fn unavailable(reason: impl ToString) -> StoreError {
    StoreError::Unavailable { store: "postgres", reason: reason.to_string() }
}

/// Text of an error, without the line in PostgreSQL's own source that sqlx adds.
fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn migration_message(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => message(error),
        MigrateError::ExecuteMigration(error, version) => format!("step {version}: {}", message(error)),
        error => error.to_string(),
    }
}

/// Tells an outage from a defect of this program. Error classes:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Connection, authorization (which the operator can fix), rollback (a deadlock), read-only transaction (a failover),
        // resources, operator intervention, system error.
        const OUTAGES: [&str; 7] = ["08", "28", "40", "25", "53", "57", "58"];
        let refused = || Self::Refused { store: "postgres", reason: message(&error) };
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                // A database of sync data was removed from the register in this moment.
                let is_gone = code == "23503";
                if is_gone || OUTAGES.iter().any(|class| code.starts_with(class)) {
                    unavailable(message(&error))
                } else {
                    refused()
                }
            }
            sqlx::Error::Configuration(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => unavailable(message(&error)),
            // A query does not fit its result. Values that only this program rejects are decoded elsewhere, where the row is
            // known.
            _ => refused(),
        }
    }
}
