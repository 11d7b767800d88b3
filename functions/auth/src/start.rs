use std::sync::Arc;
use std::time::Duration;

use auth::{Auth, router};
use axum::Router;
use lambda_http::Error;
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::http::{Authenticator, Frame, framed};
use shared::mail::{OutboxWorker, mailer};
use shared::{lambda, storage::connect};
use tokio::sync::Notify;

/// The routes, and what delivers the mails that they queued.
pub(crate) async fn start() -> Result<(Router, impl AsyncFn()), Error> {
    let settings = lambda::settings().await?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let authenticator = Authenticator::new(&settings, connect::sessions(&settings)?, clock.clone())?;
    let (accounts, data) = (connect::accounts(&settings, 1)?, connect::sync_data(&settings, &random)?);
    let mailer = mailer(&settings, clock.clone(), random.clone())?;
    let outbox_worker = OutboxWorker::new(accounts.clone(), mailer, settings.brand()?, random.clone(), clock.clone());
    let queued = Arc::new(Notify::new());
    let router = router(Auth::new(authenticator, accounts, data, queued.clone(), settings.brand()?, random, clock));
    // What is not delivered here is left to the `mail` function.
    let deliver =
        async move || outbox_worker.deliver_if(&queued, 3, Duration::from_secs(10), Duration::from_secs(1)).await;
    Ok((framed(router, Frame::of(&settings)), deliver))
}
