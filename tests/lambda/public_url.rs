//! The public URL of a stack without a domain, which only Parameter Store knows.

use serde_json::json;
use tests::{Emulator, Gateway, Request};

use crate::cloud::{Cloud, PARAMETER, PARAMETER_URL, example_event};

/// Starts an environment whose function `auth` has these changes of its variables.
async fn start(changes: &[(&str, &str)]) -> Cloud {
    Cloud::start_where(async |gateway: Gateway, variables: &[(&str, &str)]| {
        gateway.with("auth", Emulator::start("auth", &[variables, changes].concat()).await)
    })
    .await
}

fn by_parameter(name: &str) -> [(&str, &str); 3] {
    [("PUBLIC_URL", ""), ("PUBLIC_URL_PARAMETER", name), ("AWS_REGION", "eu-central-1")]
}

fn sign_up() -> Request {
    let account = json!({ "username": "ada", "email": "ada@example.com", "password": "Sesame42 of Ada" });
    Request::post("/api/auth/signup", &account)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_emails_lead_to_the_url_in_the_parameter() {
    let cloud = start(&by_parameter(PARAMETER)).await;
    cloud.api.send(sign_up()).await.expect(201);
    let mail = cloud.mail("verify_email").await;
    assert!(mail.contains(&format!("{PARAMETER_URL}/verify-email#token=")), "{mail}");
    let function = cloud.scheduled_with("mail", &by_parameter(PARAMETER)).await;
    let delivered = function.invoke(&example_event("schedule")).await;
    assert_eq!(delivered["sent"], 0, "{delivered}: {}", function.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_parameter_is_named_in_the_log() {
    let cloud = start(&by_parameter("/studio/nowhere")).await;
    cloud.api.send(sign_up()).await.expect_error(503, "SERVICE_UNAVAILABLE");
    let log = cloud.gateway.function("auth").log();
    assert!(log.contains("PUBLIC_URL_PARAMETER") && log.contains("ParameterNotFound"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_has_precedence_over_the_parameter() {
    let cloud = start(&[("PUBLIC_URL_PARAMETER", "/studio/nowhere")]).await;
    cloud.api.send(sign_up()).await.expect(201);
    assert!(cloud.mail("verify_email").await.contains("https://sync.studio.example/verify-email#token="));
}
