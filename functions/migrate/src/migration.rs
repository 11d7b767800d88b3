//! Handles an event: runs the migrations, and responds to CloudFormation if the event is part of a deployment. An event with a
//! `command` runs that instead.

use std::sync::Arc;

use lambda_runtime::{Context, Error, LambdaEvent};
use serde_json::{Value, json};
use shared::clock::{Random, SystemRandom};
use shared::config::{PostgresConfig, TursoConfig};
use shared::lambda;
use shared::lambda::custom_resource::{Change, CustomResourceRequest, time_left};
use shared::storage::connect;
use shared::storage::libsql::Directory;
use tokio::time::timeout;

use crate::command;

/// Physical id of the resource.
const RESOURCE: &str = "migrations";

/// Property of the resource that lists what the other functions depend on, and attribute with its hash, which is part of their
/// release. A deployment that changes only a parameter therefore publishes new versions of them, too.
const SETTINGS: &str = "Settings";

/// Runs the migrations for a deployment, or for a person who invokes the function, and returns the names of the applied steps. Runs
/// the command of an event that has one, and returns its result.
pub(crate) async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload.get("command").is_some() {
        let parsed = serde_json::from_value(event.payload);
        let command = parsed.map_err(|error| format!("unknown command, or wrong arguments: {error}"))?;
        return command::run(command, &event.context).await;
    }
    let Some(request) = CustomResourceRequest::parse(&event.payload)? else {
        return Ok(json!({ "applied": migrate(&event.context).await? }));
    };
    let outcome = match is_due(&request) {
        Ok(true) => migrate(&event.context).await,
        Ok(false) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    request.respond(RESOURCE, &outcome, json!({ SETTINGS: request.property_hash(SETTINGS) })).await?;
    // CloudFormation has the outcome. An error here would only make Lambda retry the event.
    Ok(json!({ "applied": outcome.unwrap_or_default() }))
}

/// Whether a deployment needs migrations. A rollback to an older version of this function, and a deployment with the same one,
/// which changes only settings of others, do not: both must succeed even if the databases are the reason for them. Deleting the
/// stack keeps the databases, because they are not part of it.
fn is_due(request: &CustomResourceRequest) -> Result<bool, Error> {
    Ok(match request.change()? {
        Change::Create => true,
        Change::Update => request.is_newer_version(),
        Change::Delete => false,
    })
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

async fn migrate_databases() -> Result<Vec<String>, Error> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let postgres = PostgresConfig::direct(&env)?.ok_or(PostgresConfig::MISSING)?;
    let accounts = connect::accounts(&postgres, 1)?;
    let directory = Directory { placements: accounts.clone(), sessions: None };
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    let mut applied = accounts.migrate().await.map_err(|error| format!("{}: {error}", postgres.variable))?;
    let steps = data.migrate(&*random).await.map_err(|error| format!("{}: {error}", TursoConfig::URL))?;
    applied.extend(steps.into_iter().map(str::to_owned));
    Ok(applied)
}
