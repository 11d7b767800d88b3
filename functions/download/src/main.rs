//! The `download` function as a Lambda binary.

use std::sync::Arc;

use download::{Downloads, router};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{AuthConfig, HttpConfig, PostgresConfig, RedisConfig, SyncConfig, TursoConfig};
use shared::http::{Authenticator, with_middleware};
use shared::lambda;
use shared::storage::connect;
use shared::storage::libsql::Directory;

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("download");
    let env = lambda::env().await?;
    let (http, sync) = (HttpConfig::from_env(&env)?, SyncConfig::from_env(&env)?);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let directory = Directory::new(accounts, sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    let authenticator = Authenticator::new(&AuthConfig::required(&env)?, &http, sessions, Arc::new(SystemClock))?;
    lambda::serve(with_middleware(router(Downloads::new(authenticator, data, sync)), &http, random)).await
}
