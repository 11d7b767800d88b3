use std::sync::Arc;
use std::time::Duration;

use auth::{Auth, router};
use axum::Router;
use lambda_http::Error;
use shared::breaches::BreachedPasswords;
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{AuthConfig, BreachConfig, EmailConfig, HttpConfig, PostgresConfig, RedisConfig, TursoConfig};
use shared::http::{Authenticator, with_middleware};
use shared::lambda;
use shared::mail::{Brand, OutboxWorker, mailer};
use shared::storage::connect;
use shared::storage::libsql::Directory;
use tokio::sync::Notify;

/// Returns the routes, and a function that delivers the emails that they queued.
pub(crate) async fn start() -> Result<(Router, impl AsyncFn()), Error> {
    let env = lambda::env_with_public_url().await?;
    let (http, email) = (HttpConfig::from_env(&env)?, EmailConfig::from_env(&env, None)?);
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let sessions = connect::sessions(&RedisConfig::required(&env)?)?;
    let accounts = connect::accounts(&PostgresConfig::required(&env)?, 1)?;
    let directory = Directory::new(accounts.clone(), sessions.clone());
    let data = connect::sync_data(&TursoConfig::required(&env)?, &random, directory)?;
    let authenticator = Authenticator::new(&AuthConfig::required(&env)?, &http, sessions, clock.clone())?;
    let (brand, mailer) = (Brand::sql_studio(&email), mailer(&email, clock.clone(), random.clone())?);
    let worker = OutboxWorker::new(accounts.clone(), mailer, brand.clone(), random.clone(), clock.clone());
    let queued = Arc::new(Notify::new());
    let auth = Auth::new(authenticator, accounts, data, queued.clone(), brand, random.clone(), clock);
    let breached_passwords = BreachConfig::from_env(&env)?.as_ref().map(BreachedPasswords::new).transpose()?;
    let router = router(Auth { breached_passwords, ..auth });
    // The `mail` function delivers the rest.
    let deliver = async move || worker.deliver_if(&queued, 3, Duration::from_secs(10), Duration::from_secs(1)).await;
    Ok((with_middleware(router, &http, random), deliver))
}
