//! Bringing a database to the tables that this code expects.

use super::{BatchError, Statement, Transport, Value};

/// One step, never edited once it is released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its file's name, without the ending; steps run in the order of their names.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(Migration {
            name: concat!($folder, "/", $name),
            sql: include_str!(concat!("../../../../migrations/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

/// The tables of the sync data.
pub const SYNC: &[Migration] = migrations!("libsql": "0001_sync");
/// The tables of accounts and sessions, where these are embedded.
pub const EMBEDDED: &[Migration] = migrations!("embedded": "0001_accounts", "0002_outbox");

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    name       TEXT    NOT NULL PRIMARY KEY,
    applied_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT";
const IS_APPLIED: &str = "SELECT 1 FROM schema_migrations WHERE name = ?1";

/// Applies those of `migrations` that have not been, each in a transaction of its own, and returns their names. Safe to
/// run twice, and at once: the row that names a step is written first, so of two runners one fails before it does
/// anything, and finds the step applied when it looks again.
///
/// # Errors
/// When the database cannot be reached or a step fails; the steps before it stay applied.
pub async fn migrate(transport: &dyn Transport, migrations: &[Migration]) -> Result<Vec<&'static str>, BatchError> {
    transport.write("migrate", vec![Statement::new(TABLE, [])]).await?;
    let mut applied = Vec::new();
    for migration in migrations {
        if is_applied(transport, migration).await? {
            continue;
        }
        let script = format!("INSERT INTO schema_migrations (name) VALUES ('{}');\n{}", migration.name, migration.sql);
        match transport.script("migrate", script).await {
            Ok(()) => applied.push(migration.name),
            Err(_) if is_applied(transport, migration).await? => {}
            Err(error) => return Err(error),
        }
    }
    Ok(applied)
}

async fn is_applied(transport: &dyn Transport, migration: &Migration) -> Result<bool, BatchError> {
    let done = transport.read("is_applied", vec![Statement::new(IS_APPLIED, [Value::from(migration.name)])]).await?;
    Ok(done.iter().any(|done| !done.rows.is_empty()))
}
