//! Checks of the deployment at `SERVICE_URL`, which `tests/run deployed` names: over HTTP only, with an account that is deleted at the end.
//! `API_KEY` is the key of a client application where API Gateway requires one, `CORS_ORIGIN` an origin that may call the API.
//! `tests/run smoke` runs `read_only` alone.

use tests::deployment::Deployment;

/// Deployment under test.
///
/// # Panics
/// If none is named: the checks would pass without checking anything.
fn deployment() -> Deployment {
    Deployment::from_env().expect("SERVICE_URL is the base URL of the deployment")
}

#[tokio::test]
async fn read_only() {
    deployment().check_read_only().await;
}

#[tokio::test]
async fn account() {
    deployment().check_with_account().await;
}
