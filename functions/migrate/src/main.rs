//! The `migrate` function as a Lambda binary: brings PostgreSQL and Turso up to date.
//!
//! A deployment starts it as a custom resource, before any function runs new code, and fails if it fails; a person may
//! start it with any event, and is answered with the steps that took. Running twice, or twice at once, is safe.

mod deployment;
mod migration;

use lambda_runtime::Error;
use shared::lambda;

// An instance has one request at a time, and rarely more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("migrate");
    lambda::handle(migration::handle).await
}
