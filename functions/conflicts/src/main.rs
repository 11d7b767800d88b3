//! The `conflicts` function as a Lambda binary.

use std::sync::Arc;

use conflicts::{Conflicts, router};
use shared::clock::SystemClock;
use shared::http::{Frame, Gate, framed};
use shared::{config::Settings, lambda, storage::embedded::Embedded, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let stores = Arc::new(Embedded::open(&settings.data).await?);
    let gate = Gate::new(&settings, stores.clone(), stores.clone(), Arc::new(SystemClock))?;
    let conflicts = Conflicts::new(gate, Arc::new(stores.sync()), Arc::new(SystemClock));
    let (router, _) = router(conflicts).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
