//! The `health` function as a Lambda binary.

use std::sync::Arc;

use health::{Dependencies, LazyDependencies, router};
use shared::clock::{Random, SystemRandom};
use shared::config::{ConfigError, Env, HttpConfig, PostgresConfig, RedisConfig, TursoConfig};
use shared::http::with_middleware;
use shared::storage::libsql::Directory;
use shared::{lambda, storage::connect};

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("health");
    let http = HttpConfig::from_env(&Env::process())?;
    let router = router(LazyDependencies::new(connect_stores));
    lambda::serve(with_middleware(router, &http, Arc::new(SystemRandom))).await
}

async fn connect_stores() -> Result<Dependencies, ConfigError> {
    let env = lambda::env().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let directory = Directory::new(accounts.clone(), sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    Ok(Dependencies { accounts, data, sessions })
}
