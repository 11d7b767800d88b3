//! Lambda binary of the `purge` function. A schedule invokes it, and the deployment that creates the stack.

mod event;

use lambda_runtime::Error;
use shared::lambda;

// An instance serves one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("purge");
    lambda::handle(event::handle).await
}
