//! The functions that a schedule starts, and mails that need none.

use serde_json::{Value, json};
use tests::Call;

use crate::cloud::Cloud;

/// What `EventBridge` Scheduler hands over where nothing else is said.
fn tick() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": "2026-01-01T03:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/default/studio"],
        "detail": "{}",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_goes_out_after_its_answer_and_the_schedules_find_nothing_left() {
    let cloud = Cloud::start().await;
    cloud.api.sign_up("ada").await;
    let mail = cloud.mail("verify_email").await;
    let (_, rest) = mail.split_once("https://sync.studio.example/verify-email?token=").expect("a link");
    let token = rest.split_whitespace().next().expect("a token");
    cloud.api.send(Call::post("/api/auth/verify-email", &json!({ "token": token }))).await.expect(200);
    assert!(cloud.mail("welcome").await.contains("Hello ada,"));

    let delivered = cloud.scheduled("mail").await.invoke(&tick()).await;
    assert_eq!(delivered, json!({ "sent": 0, "postponed": 0, "given_up": 0, "dropped": 0 }));
    let purged = cloud.scheduled("purge").await.invoke(&tick()).await;
    assert_eq!(purged, json!({ "tombstones": 0, "conflicts": 0, "expired": 0, "accounts": 0, "unfinished": false }));
}
