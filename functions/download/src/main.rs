//! The `download` function as a Lambda binary.

use std::sync::Arc;

use download::{Downloads, router};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::http::{Authenticator, Frame, framed};
use shared::{lambda, storage::connect};

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("download");
    let settings = lambda::settings().await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let authenticator = Authenticator::new(&settings, connect::sessions(&settings)?, Arc::new(SystemClock))?;
    let data = connect::sync_data(&settings, &random)?;
    let router = router(Downloads::new(authenticator, data, settings.default_strategy));
    lambda::serve(framed(router, Frame::of(&settings))).await
}
