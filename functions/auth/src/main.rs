//! The `auth` function as a Lambda binary.

mod start;

use shared::lambda;

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::start("auth");
    let (router, deliver) = start::start().await?;
    lambda::serve_then(router, deliver).await
}
