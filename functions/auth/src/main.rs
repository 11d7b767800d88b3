//! The `auth` function as a Lambda binary.

use std::sync::Arc;

use auth::{Auth, router};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::http::{Frame, Gate, framed};
use shared::{config::Settings, lambda, mail, storage::connect, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let gate = Gate::new(&settings, connect::sessions(&settings)?, clock.clone())?;
    let (accounts, data) = (connect::accounts(&settings, 1)?, connect::sync_data(&settings, &random)?);
    let mailer = mail::mailer(&settings, clock.clone(), random.clone())?;
    let (router, _) =
        router(Auth::new(gate, accounts, data, mailer, settings.brand()?, random, clock)).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
