//! The `health` function as a Lambda binary.

use std::sync::Arc;

use health::{Dependencies, LazyDependencies, router};
use shared::clock::{Random, SystemRandom};
use shared::http::{Frame, framed};
use shared::{config::Settings, lambda, storage::connect};

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("health");
    let router = router(LazyDependencies::new(stores));
    lambda::serve(framed(router, Frame::of(&Settings::from_env()?))).await
}

async fn stores() -> Result<Dependencies, String> {
    let settings = lambda::settings().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    Ok(Dependencies {
        accounts: connect::accounts(&settings, 1)?,
        data: connect::sync_data(&settings, &random)?,
        sessions: connect::sessions(&settings)?,
    })
}
