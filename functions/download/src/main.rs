//! The `download` function as a Lambda binary.

use std::sync::Arc;

use download::{Downloads, router};
use shared::clock::SystemClock;
use shared::http::{Frame, Gate, framed};
use shared::{config::Settings, lambda, storage::embedded::Embedded, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let stores = Arc::new(Embedded::open(&settings.data).await?);
    let gate = Gate::new(&settings, stores.clone(), stores.clone(), Arc::new(SystemClock))?;
    let downloads = Downloads::new(gate, Arc::new(stores.sync()), settings.default_strategy);
    let (router, _) = router(downloads).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
