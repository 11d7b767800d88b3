//! Function that does nothing: the baseline for the cost of Lambda, its runtime and `lambda_http`.

use lambda_http::{Error, Request, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: Request| Ok::<_, Error>("nothing"))).await
}
