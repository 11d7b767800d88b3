//! The `conflicts` function as a Lambda binary.

use std::sync::Arc;

use conflicts::{Conflicts, router};
use shared::clock::{Random, SystemClock, SystemRandom};
use shared::contention::UserLocks;
use shared::http::{Authenticator, Frame, framed};
use shared::{lambda, storage::connect};

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("conflicts");
    let settings = lambda::settings().await?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let authenticator = Authenticator::new(&settings, connect::sessions(&settings)?, clock.clone())?;
    let data = connect::sync_data(&settings, &random)?;
    let router = router(Conflicts::new(authenticator, data, random, clock, UserLocks::default()));
    lambda::serve(framed(router, Frame::of(&settings))).await
}
