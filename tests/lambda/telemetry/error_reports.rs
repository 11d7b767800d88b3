use serde_json::Value;

use super::captured::Captured;
use crate::cloud::RELEASE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_reported_with_its_request() {
    let captured = Captured::once().await;
    let events: Vec<Value> = captured
        .reports
        .iter()
        .flat_map(|envelope| envelope.lines())
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"].is_string())
        .collect();
    let failed = events.iter().find(|event| event["tags"]["route"] == "/ready").expect("the request that failed");
    let message = failed["message"].as_str().expect("a text");
    assert!(message.starts_with("request failed: the postgres store is unavailable: "), "{message}");
    assert_eq!(failed["tags"]["function"], "health", "{failed}");
    assert_eq!(failed["release"], RELEASE, "{failed}");
    assert!(failed["tags"]["request_id"].is_string(), "{failed}");
    let given_up = events.iter().find(|event| event["tags"]["event"] == "mail_given_up").expect("the mail");
    assert_eq!(given_up["tags"]["function"], "auth");
}
