//! Commands for a person who operates the service: an event with a `command`.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Context, Error};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::{PostgresConfig, RedisConfig, TursoConfig};
use shared::lambda;
use shared::lambda::custom_resource::time_left;
use shared::models::{DatabaseId, UserId};
use shared::storage::libsql::Directory;
use shared::storage::{MoveOutcome, Retention, Sessions, UserMoves, connect};
use tokio::time::{Instant, timeout};

/// Number of accounts that one transaction of a command changes.
const BATCH: usize = 1_000;

/// Time in which the moves end that a drain has begun. It begins no others then.
const MOVE_TIME: Duration = Duration::from_secs(330);

/// A command.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Ends the cursors of all devices, after sync data was restored from a backup.
    InvalidateCursors,
    /// Lists the databases of sync data.
    Databases,
    /// Moves a user to another database.
    MoveUser { user: UserId, database: DatabaseId },
    /// Moves all users of a database to others.
    DrainDatabase { database: DatabaseId },
}

/// Runs `command` and returns its result.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Value, Error> {
    let time = time_left(context);
    let data = connect_data().await?;
    let result = timeout(time, async {
        match command {
            Command::InvalidateCursors => invalidate_cursors(&*data).await,
            Command::Databases => list_databases(&*data).await,
            Command::MoveUser { user, database } => move_user(&*data, user, database).await,
            Command::DrainDatabase { database } => drain(&*data, database, time).await,
        }
    });
    result.await.map_err(|_| "the command did not finish in time; run it again")?
}

async fn connect_data() -> Result<Arc<impl Retention + UserMoves>, Error> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    // For the hints of users who were moved, which are otherwise renewed by their next requests.
    let sessions = RedisConfig::from_env(&env)?.map(|redis| connect::sessions(&redis)).transpose()?;
    let sessions = sessions.map(|sessions| sessions as Arc<dyn Sessions>);
    let directory = Directory { placements: accounts, sessions };
    Ok(connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?)
}

async fn invalidate_cursors(data: &impl Retention) -> Result<Value, Error> {
    let accounts = data.invalidate_cursors(SystemClock.now(), BATCH).await?;
    tracing::info!(event = "cursors_invalidated", accounts, "cursors invalidated");
    Ok(json!({ "invalidated": accounts }))
}

async fn list_databases(data: &impl UserMoves) -> Result<Value, Error> {
    let databases = data.overview().await?;
    let databases = databases.iter().map(|overview| {
        json!({
            "id": overview.database.id,
            "position": overview.position,
            "weight": overview.database.weight,
            "users": overview.users,
        })
    });
    Ok(json!({ "databases": databases.collect::<Vec<_>>() }))
}

async fn move_user(data: &impl UserMoves, user: UserId, database: DatabaseId) -> Result<Value, Error> {
    Ok(match data.move_user(user, database, &SystemClock).await? {
        MoveOutcome::Moved(rows) => json!({ "moved": true, "rows": rows }),
        MoveOutcome::AlreadyThere => json!({ "moved": false }),
    })
}

async fn drain(data: &impl UserMoves, database: DatabaseId, time: Duration) -> Result<Value, Error> {
    let end = Instant::now() + time.saturating_sub(MOVE_TIME).max(time / 2);
    let drained = data.drain(database, &SystemClock, &|| Instant::now() >= end, &|_| {}).await?;
    tracing::info!(event = "database_drained", moved = drained.moved, failed = drained.failed, "database drained");
    Ok(json!({ "moved": drained.moved, "failed": drained.failed, "unfinished": drained.unfinished }))
}
