//! The `purge` function as a Lambda binary, started by a schedule.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use purge::Purge;
use serde_json::Value;
use shared::clock::{Clock, SystemClock};
use shared::{config::Settings, storage::embedded::Embedded, telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let stores = Arc::new(Embedded::open(&settings.data).await?);
    let data = Arc::new(stores.sync());
    let purge = Purge::new(data, stores.clone(), stores.clone(), vec![stores]);
    run(service_fn(|_: LambdaEvent<Value>| async { purge.run(SystemClock.now()).await.map_err(Error::from) })).await
}
