//! The `conflicts` function as a Lambda binary.

use std::sync::Arc;

use conflicts::{Conflicts, router};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{AuthConfig, HttpConfig, PostgresConfig, RedisConfig, SyncConfig, TursoConfig};
use shared::contention::UserLocks;
use shared::http::{Authenticator, with_middleware};
use shared::lambda;
use shared::storage::connect;
use shared::storage::libsql::Directory;

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("conflicts");
    let env = lambda::env().await?;
    let (http, quota) = (HttpConfig::from_env(&env)?, SyncConfig::quota(&env)?);
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let directory = Directory::new(accounts, sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    let authenticator = Authenticator::new(&AuthConfig::required(&env)?, &http, sessions, clock.clone())?;
    let conflicts = Conflicts::new(authenticator, data, quota, random.clone(), clock, UserLocks::default());
    lambda::serve(with_middleware(router(conflicts), &http, random)).await
}
