//! The `upload` function as a Lambda binary.

use std::sync::Arc;

use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{AuthConfig, HttpConfig, PostgresConfig, RedisConfig, SyncConfig, TursoConfig};
use shared::contention::UserLocks;
use shared::http::{Authenticator, with_middleware};
use shared::lambda;
use shared::storage::connect;
use shared::storage::libsql::Directory;
use upload::{Uploads, router};

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("upload");
    let env = lambda::env().await?;
    let (http, sync) = (HttpConfig::from_env(&env)?, SyncConfig::from_env(&env)?);
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let directory = Directory::new(accounts, sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    let authenticator = Authenticator::new(&AuthConfig::required(&env)?, &http, sessions, clock.clone())?;
    let uploads = Uploads::new(authenticator, data, sync, random.clone(), clock, UserLocks::default());
    lambda::serve(with_middleware(router(uploads), &http, random)).await
}
