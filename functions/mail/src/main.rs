//! The `mail` function as a Lambda binary, started by a schedule: sends what `auth` could not at once.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::mail::{Courier, mailer};
use shared::{config::Settings, storage::connect, telemetry};

/// Most mails of one run.
const MOST: usize = 500;
/// After which a run begins no further mail: the next run is near.
const TIME: Duration = Duration::from_secs(50);

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let settings = Settings::load().await?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let mailer = mailer(&settings, clock.clone(), random.clone())?;
    let courier = Courier::new(connect::accounts(&settings, 1)?, mailer, settings.brand()?, random, clock);
    run(service_fn(|_: LambdaEvent<Value>| async { courier.round(MOST, TIME).await.map_err(Error::from) })).await
}
