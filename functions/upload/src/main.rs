//! The `upload` function as a Lambda binary.

use std::sync::Arc;

use shared::clock::{SystemClock, SystemRandom};
use shared::http::{Frame, Gate, framed};
use shared::{config::Settings, lambda, storage::embedded::Embedded, telemetry};
use upload::{Uploads, router};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let clock = Arc::new(SystemClock);
    let stores = Arc::new(Embedded::open(&settings.data).await?);
    let gate = Gate::new(&settings, stores.clone(), stores.clone(), clock.clone())?;
    let store = Arc::new(stores.sync());
    let uploads = Uploads::new(gate, store, settings.default_strategy, Arc::new(SystemRandom), clock);
    let (router, _) = router(uploads).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
