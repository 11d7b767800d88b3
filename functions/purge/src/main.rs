//! Lambda binary of the `purge` function. A schedule invokes it.

use std::sync::Arc;

use lambda_runtime::Error;
use purge::Purge;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::{lambda, storage::connect};

// An instance handles one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("purge");
    let settings = lambda::settings().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let accounts = connect::accounts(&settings, 1)?;
    let (data, sessions) = (connect::sync_data(&settings, &random)?, connect::sessions(&settings)?);
    // Redis expires its keys by itself.
    let purge = Purge::new(data, accounts.clone(), sessions, vec![accounts]);
    lambda::handle(async move |_| Ok(purge.run(SystemClock.now()).await?)).await
}
