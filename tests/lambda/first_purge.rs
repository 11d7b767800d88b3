//! The function `purge` as a custom resource: one purge when a stack is created.

use serde_json::{Value, json};
use tests::Emulator;
use tokio::net::TcpListener;

use crate::cloud::Cloud;
use crate::custom_resource::CloudFormation;

const UNREACHABLE: (&str, &str) = ("DATABASE_URL", "postgres://studio:sesame@127.0.0.1:1/studio");

/// Returns how many purges the function has completed.
fn purges(function: &Emulator) -> usize {
    function.log().matches("\"purge completed\"").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_creation_of_a_stack_purges() {
    let (cloud, deployment) = (Cloud::start().await, CloudFormation::start("first-purge").await);
    let function = cloud.scheduled("purge").await;
    let created = deployment.request(&function, "Create").await;
    assert_eq!((&created["Status"], &created["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("first-purge")));
    assert_eq!(purges(&function), 1);
    for request_type in ["Update", "Delete"] {
        let id = |event: &mut Value| event["PhysicalResourceId"] = "of an older release".into();
        let response = deployment.request_with(&function, request_type, id).await;
        assert_eq!(response["Status"], "SUCCESS", "{request_type}");
        assert_eq!(response["PhysicalResourceId"], "of an older release");
    }
    assert_eq!(purges(&function), 1);

    let unreachable = cloud.scheduled_with("purge", &[UNREACHABLE]).await;
    let failed = deployment.request(&unreachable, "Create").await;
    let reason = failed["Reason"].as_str().expect("a reason");
    assert_eq!(failed["Status"], "FAILED");
    assert!(reason.contains("the postgres store is unavailable") && !reason.contains("sesame"), "{reason}");
    assert_eq!(deployment.request(&unreachable, "Delete").await["Status"], "SUCCESS");
    let unset = Emulator::start("purge", &[]).await;
    let failed = deployment.request(&unset, "Create").await;
    assert!(failed["Reason"].as_str().is_some_and(|reason| reason.contains("DATABASE_URL is not set")), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_takes_too_long_does_not_fail_the_deployment() {
    let (cloud, deployment) = (Cloud::start().await, CloudFormation::start("first-purge").await);
    // Accepts connections, and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("postgres://studio@{}/studio", silent.local_addr().expect("a port"));
    // The response needs 15 s, so that one second is left for the purge.
    let variables = [("DATABASE_URL", url.as_str()), ("AWS_LAMBDA_FUNCTION_TIMEOUT", "16")];
    let function = cloud.scheduled_with("purge", &variables).await;
    assert_eq!(deployment.request(&function, "Create").await["Status"], "SUCCESS");
    assert!(function.log().contains("the next scheduled run continues"), "{}", function.log());
    assert_eq!(purges(&function), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lambda_repeats_an_event_that_has_no_response() {
    let (cloud, deployment) = (Cloud::start().await, CloudFormation::start("first-purge").await);
    let function = cloud.scheduled("purge").await;
    let lost = deployment.event("Create", |event| event["ResponseURL"] = "http://127.0.0.1:9/response".into());
    let result = function.invoke(&lost).await;
    assert!(result["errorMessage"].is_string(), "{result}");
    assert_eq!(deployment.request(&function, "Create").await["Status"], "SUCCESS");

    let before = purges(&function);
    let unknown = deployment.request(&function, "Import").await;
    assert!(unknown["Reason"].as_str().is_some_and(|reason| reason.contains("Import")), "{unknown}");
    let no_address = deployment.event("Create", |event| event["ResponseURL"] = Value::Null);
    let result = function.invoke(&no_address).await;
    assert!(result["errorMessage"].as_str().is_some_and(|text| text.contains("CloudFormation")), "{result}");
    assert_eq!(purges(&function), before, "unusable requests do not purge");
}
