//! Handles an event: runs the migrations, and responds to CloudFormation if the event is part of a deployment. An event with a
//! `command` runs that instead.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Context, Error, LambdaEvent};
use serde_json::{Value, json};
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::{PostgresConfig, TursoConfig};
use shared::lambda;
use shared::storage::{Retention, connect};
use tokio::time::timeout;

use crate::custom_resource::CustomResourceRequest;

/// Time before the function's timeout at which the migration is aborted. It leaves time to respond to CloudFormation, which
/// would otherwise wait for an hour.
const MARGIN: Duration = Duration::from_secs(15);

/// Number of accounts that one transaction of a command changes.
const BATCH: usize = 1_000;

/// Runs the migrations for a deployment, or for a person who invokes the function, and returns the names of the applied steps. Runs
/// the command of an event that has one, and returns its result.
pub(crate) async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if let Some(command) = event.payload.get("command") {
        return match command.as_str() {
            Some("invalidate-cursors") => Ok(json!({ "invalidated": invalidate_cursors(&event.context).await? })),
            _ => Err(format!("unknown command {command}: expected \"invalidate-cursors\"").into()),
        };
    }
    let Some(request) = CustomResourceRequest::parse(&event.payload) else {
        return Ok(json!({ "applied": migrate(&event.context).await? }));
    };
    // Deleting the stack keeps the databases, because they are not part of it.
    let outcome = if request.is_delete_or_rollback() { Ok(Vec::new()) } else { migrate(&event.context).await };
    request.respond(&outcome).await?;
    // CloudFormation has the outcome. An error here would only make Lambda retry the event.
    Ok(json!({ "applied": outcome.unwrap_or_default() }))
}

/// Migrates all databases before the function's timeout. Returns the names of the applied steps.
async fn migrate(context: &Context) -> Result<Vec<String>, Error> {
    let migration = timeout(time_left(context), Box::pin(migrate_databases()));
    let applied = migration.await.unwrap_or_else(|_| Err("the migration did not finish in time".into()));
    match &applied {
        Ok(steps) => tracing::info!(event = "migrated", ?steps, "migration completed"),
        Err(error) => tracing::error!(event = "migration_failed", %error, "migration failed"),
    }
    applied
}

fn time_left(context: &Context) -> Duration {
    SystemClock.until_ms(context.deadline).saturating_sub(MARGIN)
}

/// Ends the cursors of all devices, after sync data was restored from a backup. Returns the number of accounts.
async fn invalidate_cursors(context: &Context) -> Result<u64, Error> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random)?;
    let invalidation = timeout(time_left(context), data.invalidate_cursors(SystemClock.now(), BATCH));
    let accounts = invalidation.await.map_err(|_| "the invalidation did not finish in time; run it again")??;
    tracing::info!(event = "cursors_invalidated", accounts, "cursors invalidated");
    Ok(accounts)
}

async fn migrate_databases() -> Result<Vec<String>, Error> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random)?;
    let mut applied = accounts.migrate().await.map_err(|error| format!("DATABASE_URL: {error}"))?;
    let steps = data.migrate().await.map_err(|error| format!("TURSO_DATABASE_URL: {error}"))?;
    applied.extend(steps.into_iter().map(str::to_owned));
    Ok(applied)
}
