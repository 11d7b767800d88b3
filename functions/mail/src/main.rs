//! Lambda binary of the `mail` function. A schedule invokes it to send the emails that `auth` queued.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::Error;
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::config::{EmailConfig, PostgresConfig};
use shared::mail::{Brand, OutboxWorker, mailer};
use shared::{lambda, storage::connect};

/// Maximum number of emails per run.
const MAX_EMAILS: usize = 500;
/// Time after which a run starts no further email. The next run starts after a minute.
const TIME_LIMIT: Duration = Duration::from_secs(50);

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("mail");
    let env = lambda::env_with_public_url().await?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let (accounts, email) =
        (connect::accounts(&PostgresConfig::required(&env)?, 1)?, EmailConfig::from_env(&env, None)?);
    let mailer = mailer(&email, clock.clone(), random.clone())?;
    let worker = OutboxWorker::new(accounts, mailer, Brand::sql_studio(&email), random, clock);
    lambda::handle(async move |_| Ok(worker.run_once(MAX_EMAILS, TIME_LIMIT).await?)).await
}
