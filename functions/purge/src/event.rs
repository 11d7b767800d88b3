//! Handles an event: purges, and responds to CloudFormation if the event is part of a deployment.

use std::sync::Arc;

use lambda_runtime::{Context, Error, LambdaEvent};
use purge::{Purge, Report};
use serde_json::{Value, json};
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::{PostgresConfig, RedisConfig, TursoConfig};
use shared::lambda;
use shared::lambda::custom_resource::{Change, CustomResourceRequest, time_left};
use shared::storage::connect;
use shared::storage::libsql::Directory;
use tokio::time::timeout;

/// Physical id of the custom resource that is created by the first purge.
const RESOURCE: &str = "first-purge";

/// Purges, and returns the numbers of removed rows. Of the events of CloudFormation, only that of a new stack starts a purge.
pub(crate) async fn handle(event: LambdaEvent<Value>) -> Result<Option<Report>, Error> {
    let Some(request) = CustomResourceRequest::parse(&event.payload)? else { return purge().await.map(Some) };
    let outcome = match request.change() {
        Ok(Change::Create) => first_purge(&event.context).await,
        Ok(Change::Update | Change::Delete) => Ok(None),
        Err(error) => Err(error),
    };
    request.respond(RESOURCE, &outcome, json!({})).await?;
    // CloudFormation has the outcome. An error here would only make Lambda retry the event, and purge once more.
    Ok(outcome.unwrap_or_default())
}

/// Purges until shortly before the function's timeout. The next scheduled run continues.
async fn first_purge(context: &Context) -> Result<Option<Report>, Error> {
    let Ok(outcome) = timeout(time_left(context), purge()).await else {
        tracing::warn!("the first purge did not finish in time, the next scheduled run continues");
        return Ok(None);
    };
    if let Err(error) = &outcome {
        tracing::error!(event = "first_purge_failed", %error, "first purge failed");
    }
    outcome.map(Some)
}

/// Connects the stores here and not when the process starts, so that CloudFormation learns what prevents it.
async fn purge() -> Result<Report, Error> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let directory = Directory::new(accounts.clone(), sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    // Redis expires its keys by itself.
    let purge = Purge::new(data, accounts.clone(), sessions, vec![accounts]);
    Ok(purge.run(SystemClock.now()).await?)
}
