use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Context, Error, LambdaEvent};
use serde_json::{Value, json};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{ConfigError, PostgresConfig, TursoConfig};
use shared::{lambda, storage::connect};
use tokio::time::timeout;

use crate::deployment::Deployment;

/// How long before the function's timeout it gives up, to tell the deployment, which would otherwise wait for an hour.
const MARGIN: Duration = Duration::from_secs(15);

/// Does what a deployment, or a person, asks for.
pub(crate) async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let Some(deployment) = Deployment::of(&event.payload) else {
        return Ok(json!({ "applied": migrate(&event.context).await? }));
    };
    // A stack that is deleted leaves the databases alone: they are not its own. So does an older release that comes back.
    let outcome = if deployment.goes_back() { Ok(Vec::new()) } else { migrate(&event.context).await };
    deployment.tell(&outcome).await?;
    // An error would have the whole event sent again, though the deployment has its answer.
    Ok(json!({ "applied": outcome.unwrap_or_default() }))
}

/// The names of the steps that took.
async fn migrate(context: &Context) -> Result<Vec<String>, String> {
    let left = SystemClock.until_ms(context.deadline).saturating_sub(MARGIN);
    let applied = timeout(left, Box::pin(all())).await.unwrap_or_else(|_| Err("not done in time".to_owned()));
    match &applied {
        Ok(steps) => tracing::info!(event = "migrated", ?steps, "the databases are up to date"),
        Err(error) => tracing::error!(event = "migration_failed", error, "the databases are not up to date"),
    }
    applied
}

async fn all() -> Result<Vec<String>, String> {
    let text = |error: ConfigError| error.to_string();
    let env = lambda::env().await.map_err(text)?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = PostgresConfig::required(&env).and_then(|config| connect::accounts(&config, 1)).map_err(text)?;
    let data = TursoConfig::required(&env).and_then(|config| connect::sync_data(&config, &random)).map_err(text)?;
    let mut applied = accounts.migrate().await.map_err(|error| format!("DATABASE_URL: {error}"))?;
    let steps = data.migrate().await.map_err(|error| format!("TURSO_DATABASE_URL: {error}"))?;
    applied.extend(steps.into_iter().map(str::to_owned));
    Ok(applied)
}
