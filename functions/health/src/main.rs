//! The `health` function as a Lambda binary.

use std::sync::Arc;

use health::{Stores, router};
use shared::clock::{Random, SystemRandom};
use shared::http::{Frame, framed};
use shared::{config::Settings, lambda, storage::connect, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let stores = Stores {
        accounts: connect::accounts(&settings, 1)?,
        data: connect::sync_data(&settings, &random)?,
        sessions: connect::sessions(&settings)?,
    };
    let (router, _) = router(stores).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
