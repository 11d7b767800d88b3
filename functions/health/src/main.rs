//! The `health` function as a Lambda binary.

use std::sync::Arc;

use health::{Probe, router};
use shared::http::{Frame, framed};
use shared::storage::{Accounts, Feed, embedded::Embedded};
use shared::{config::Settings, lambda, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let settings = Settings::from_env()?;
    let accounts = Arc::new(Embedded::open(&settings.data).await?);
    let data = Arc::new(accounts.sync());
    let probes = vec![
        Probe::new("accounts", move || {
            let accounts = accounts.clone();
            async move { accounts.ping().await }
        }),
        Probe::new("sync data", move || {
            let data = data.clone();
            async move { data.ping().await }
        }),
    ];
    let (router, _) = router(probes).split_for_parts();
    lambda::serve(framed(router, Frame::of(&settings))).await
}
