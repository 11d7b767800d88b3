//! The `auth` function as a Lambda binary.

mod start;

use shared::{lambda, telemetry};

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    lambda::serve_then(start::start()).await
}
