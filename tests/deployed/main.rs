//! Checks of the deployment at `SERVICE_URL`, which `tests/run deployed` names: over HTTP only, with an account that is deleted at the end.
//! `API_KEY` is the key of a client application where API Gateway requires one, `CORS_ORIGIN` an origin that may call the API. `read_only`
//! in the name of a test says that it changes nothing.

use tests::deployment::{Deployment, read_only};

/// Deployment under test.
///
/// # Panics
/// If none is named: the checks would pass without checking anything.
fn deployment() -> Deployment {
    Deployment::from_env().expect("SERVICE_URL is the base URL of the deployment")
}

#[tokio::test]
async fn read_only_health() {
    read_only::is_healthy(&deployment()).await;
}

#[tokio::test]
async fn read_only_documents() {
    read_only::describes_itself(&deployment()).await;
}

#[tokio::test]
async fn read_only_preflight() {
    read_only::answers_preflight_requests(&deployment()).await;
}

#[tokio::test]
async fn read_only_errors() {
    read_only::rejects_unknown_routes(&deployment()).await;
}

#[tokio::test]
async fn read_only_api_key() {
    read_only::requires_the_api_key(&deployment()).await;
}

#[tokio::test]
async fn account() {
    deployment().check_with_account().await;
}
