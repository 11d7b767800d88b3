//! Lambda binary of the `migrate` function, which migrates PostgreSQL and Turso.
//!
//! A deployment invokes it as a CloudFormation custom resource before any function runs new code, and fails if it fails. A
//! person may invoke it with any event; the response lists the applied steps. Repeated and concurrent runs are safe.

mod command;
mod migration;

use lambda_runtime::Error;
use shared::lambda;

// An instance handles one request at a time, and rarely has more than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start("migrate");
    lambda::handle(migration::handle).await
}
