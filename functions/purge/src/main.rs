//! The `purge` function as a Lambda binary, started by a schedule.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use purge::Purge;
use serde_json::Value;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::{config::Settings, storage::connect, telemetry};

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let settings = Settings::load().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&settings, 1)?;
    let (data, sessions) = (connect::sync_data(&settings, &random)?, connect::sessions(&settings)?);
    // What Redis keeps expires by itself.
    let purge = Purge::new(data, accounts.clone(), sessions, vec![accounts]);
    run(service_fn(|_: LambdaEvent<Value>| async { purge.run(SystemClock.now()).await.map_err(Error::from) })).await
}
