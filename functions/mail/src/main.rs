//! The `mail` function as a Lambda binary, started by a schedule: sends what `auth` could not at once.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::Error;
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::mail::{OutboxWorker, mailer};
use shared::{lambda, storage::connect};

/// Most mails of one run.
const MOST: usize = 500;
/// After which a run begins no further mail: the next run is near.
const TIME: Duration = Duration::from_secs(50);

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("mail");
    let settings = lambda::settings().await?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let mailer = mailer(&settings, clock.clone(), random.clone())?;
    let outbox_worker = OutboxWorker::new(connect::accounts(&settings, 1)?, mailer, settings.brand()?, random, clock);
    lambda::handle(async move |_| Ok(outbox_worker.run_once(MOST, TIME).await?)).await
}
