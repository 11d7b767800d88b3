//! Texts that would keep the secret scanner busy are rejected, and the changes next to them are applied.

use axum::http::Method;
use serde_json::json;
use tests::{Request, Service, TestUser, error_fields, gzip, query_update};

/// Ten items of 990 KB, which are 15 KB of gzip, once took 47 s of processor time and were answered with 503.
#[tokio::test]
async fn texts_that_are_slow_to_search_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (round, unit) in ["creds:-", "credentials:", "pw:"].into_iter().enumerate() {
        let text = unit.repeat(990_000 / unit.len());
        let change = |index: usize, text: &str| {
            let id = format!("{round}-{index}");
            query_update(&service, &id, &id, text, 0)
        };
        let mut changes: Vec<_> = (0..9).map(|index| change(index, &text)).collect();
        changes.push(change(9, "select password from users"));
        let body = gzip(json!({ "device_id": "laptop", "changes": changes }).to_string().as_bytes());
        assert!(body.len() < 100_000, "{} bytes", body.len());
        let upload = Request::new(Method::POST, "/api/sync/upload").body("application/gzip", body);
        let response = ada.send(upload).await.expect(200);
        let rejected = response["rejected"].as_array().expect("a list");
        assert_eq!((rejected.len(), response["applied"].as_array().map(Vec::len)), (9, Some(1)), "{unit}");
        assert_eq!(rejected[0]["code"], "INVALID_CHANGE");
        assert_eq!(error_fields(&rejected[0]), ["changes[0].data.query"]);
        let reason = rejected[0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("has too many words that could name a credential"), "{reason}");
    }
}
