//! The checks of a deployment, on the functions behind an emulated gateway.

use secrecy::SecretString;
use tests::GATEWAY_API_KEY;
use tests::deployment::Deployment;

use crate::cloud::Cloud;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_pass_the_checks_of_a_deployment() {
    let cloud = Cloud::start().await;
    let (url, key) = (cloud.gateway.clone().listen().await, SecretString::from(GATEWAY_API_KEY));
    Deployment::at(&url, Some(&key), Some("http://localhost:3000".to_owned())).check().await;
}
