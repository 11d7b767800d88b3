//! Lambda binary of the `purge` function. A schedule invokes it.

use std::sync::Arc;

use lambda_runtime::Error;
use purge::Purge;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::{PostgresConfig, RedisConfig, TursoConfig};
use shared::{lambda, storage::connect};

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("purge");
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random)?;
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    // Redis expires its keys by itself.
    let purge = Purge::new(data, accounts.clone(), sessions, vec![accounts]);
    lambda::handle(async move |_| Ok(purge.run(SystemClock.now()).await?)).await
}
