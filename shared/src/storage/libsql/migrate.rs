//! Schema migrations.

use super::{BatchError, Statement, Transport, Value};

/// A migration. Never edited once it is released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Name of its file without the extension. Migrations run in the order of their names.
    pub name: &'static str,
    /// Script of the migration.
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

/// Migrations of the sync data.
pub const SYNC: &[Migration] =
    migrations!("libsql": "0001_sync", "0002_versions", "0003_sync_clients", "0004_placements");
/// Migrations of the embedded accounts and sessions.
pub const EMBEDDED: &[Migration] =
    migrations!("embedded": "0001_accounts", "0002_outbox", "0003_mailboxes", "0004_placements");

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    name       TEXT    NOT NULL PRIMARY KEY,
    applied_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT";
const IS_APPLIED: &str = "SELECT 1 FROM schema_migrations WHERE name = ?1";

/// Applies the pending ones of `migrations`, each in a transaction of its own, and returns their names.
///
/// Safe to run repeatedly and concurrently: the transaction of a migration first inserts the row with its name. Of two concurrent
/// runs one fails at that row before it has changed anything, and then finds the migration applied.
///
/// # Errors
/// When the database is unreachable or a migration fails. The migrations before it stay applied.
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
    let select = Statement::new(IS_APPLIED, [Value::from(migration.name)]);
    let [found] = transport.read_batch("is_applied", [select]).await?;
    Ok(!found.rows.is_empty())
}
