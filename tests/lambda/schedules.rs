//! Scheduled functions, and emails that are sent without a schedule.

use serde_json::json;
use tests::Request;

use crate::cloud::{Cloud, example_event};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_is_sent_after_the_response_and_schedules_find_no_work() {
    let cloud = Cloud::start().await;
    cloud.api.sign_up("ada").await;
    let mail = cloud.mail("verify_email").await;
    let (_, rest) = mail.split_once("https://sync.studio.example/verify-email#token=").expect("a link");
    let token = rest.split_whitespace().next().expect("a token");
    cloud.api.send(Request::post("/api/auth/verify-email", &json!({ "token": token }))).await.expect(200);
    assert!(cloud.mail("welcome").await.contains("Hello ada,"));

    let delivered = cloud.scheduled("mail").await.invoke(&example_event("schedule")).await;
    assert_eq!(delivered, json!({ "sent": 0, "postponed": 0, "given_up": 0, "dropped": 0 }));
    let purged = cloud.scheduled("purge").await.invoke(&example_event("schedule")).await;
    let nothing = json!({ "tombstones": 0, "conflicts": 0, "versions": 0, "expired": 0, "accounts": 0, "moved": 0, "repaired": 0,
        "unfinished": false });
    assert_eq!(purged, nothing);
}
