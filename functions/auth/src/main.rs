//! The `auth` function as a Lambda binary.

use std::sync::Arc;

use auth::{Auth, router};
use shared::clock::{SystemClock, SystemRandom};
use shared::http::{Frame, Gate, framed};
use shared::{config::Settings, lambda, mail, storage::embedded::Embedded, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let stores = Arc::new(Embedded::open(&settings.data).await?);
    let mailer = mail::OutboxFolder::new(settings.data.join("outbox"), clock.clone(), random.clone());
    let gate = Gate::new(&settings, stores.clone(), stores.clone(), clock.clone())?;
    let data = Arc::new(stores.sync());
    let auth = Auth::new(gate, stores, data, Arc::new(mailer), settings.brand()?, random, clock);
    let (router, _) = router(auth).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
