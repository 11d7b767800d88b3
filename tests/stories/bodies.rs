//! Upload bodies: plain, compressed, corrupt and oversized.

use axum::http::Method;
use serde_json::json;
use shared::clock::Clock;
use tests::{Request, Response, Service, TestUser, error_fields, gzip, query_update, zstd};

async fn upload(ada: &TestUser, media_type: &str, encoding: &str, body: Vec<u8>) -> Response {
    ada.send(Request::new(Method::POST, "/api/sync/upload").body(media_type, body).header("content-encoding", encoding))
        .await
}

#[tokio::test]
async fn upload_accepts_compression_by_type_or_encoding() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (item, media_type, encoding, compress) in [
        ("plain", "application/json", "identity", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>),
        ("charset", "application/json; charset=utf-8", "", <[u8]>::to_vec),
        ("gzip encoding", "application/json", "gzip", gzip),
        ("zstd encoding", "application/json", "zstd", zstd),
        ("gzip type", "application/gzip", "identity", gzip),
        ("zstd type", "application/zstd", "", zstd),
    ] {
        let body = json!({ "device_id": "laptop", "changes": [query_update(&service, item, item, "select 'é'", 0)] });
        let response = upload(&ada, media_type, encoding, compress(body.to_string().as_bytes())).await.expect(200);
        assert_eq!(response["success"], true, "{item}");
        assert_eq!(ada.query_text(item).await.unwrap(), "select 'é'");
    }
}

#[tokio::test]
async fn decompression_bomb_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let zeros = vec![b' '; 50_000_000];
    for (media_type, encoding, bomb) in [
        ("application/gzip", "identity", gzip(&zeros)),
        ("application/json", "gzip", gzip(&zeros)),
        ("application/zstd", "identity", zstd(&zeros)),
        ("application/json", "zstd", zstd(&zeros)),
        ("application/json", "identity", zeros[..10 * 1_024 * 1_024 + 1].to_vec()),
    ] {
        upload(&ada, media_type, encoding, bomb).await.expect_error(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn upload_of_ten_megabytes_is_accepted() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let body = json!({ "device_id": "laptop", "changes": [query_update(&service, "1", "q", "select 1", 0)] });
    let mut body = body.to_string().into_bytes();
    body.resize(10 * 1_024 * 1_024, b' ');
    for (media_type, body) in [("application/json", body.clone()), ("application/gzip", gzip(&body))] {
        assert_eq!(upload(&ada, media_type, "identity", body).await.expect(200)["success"], true, "{media_type}");
    }
}

#[tokio::test]
async fn corrupt_or_non_json_body_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let compressed = gzip(br#"{"device_id":"laptop","changes":[]}"#);
    for (media_type, body) in [
        ("application/gzip", compressed[..compressed.len() - 6].to_vec()),
        ("application/gzip", b"{}".to_vec()),
        ("application/zstd", b"{}".to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", Vec::new()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"{\"device_id\":\"\xff\",\"changes\":[]}".to_vec()),
        ("application/json", br#"{"device_id":"laptop","changes":[]} and more"#.to_vec()),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let response = upload(&ada, media_type, "identity", body).await;
        assert_eq!(response.status, 400, "{media_type} {shown}");
        response.expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn unsupported_media_types_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let body = json!({ "device_id": "laptop", "changes": [] }).to_string().into_bytes();
    for (media_type, encoding) in [
        ("text/plain", "identity"),
        ("application/xml", "identity"),
        ("", "identity"),
        ("application/json", "br"),
        ("application/json", "deflate"),
        ("application/gzip", "gzip"),
    ] {
        upload(&ada, media_type, encoding, body.clone()).await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let without_type = Request { body, ..Request::new(Method::POST, "/api/sync/upload") };
    ada.send(without_type).await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn upload_accepts_at_most_5000_changes() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    let change = |n: usize| {
        json!({ "item_type": "saved_query", "item_id": format!("q{n}"), "action": "create", "updated_at": at,
            "data": { "name": "q", "query": n.to_string() } })
    };
    let mut body = json!({ "device_id": "laptop", "changes": (0..5_001).map(change).collect::<Vec<_>>() });
    let error = ada.post("/api/sync/upload", &body).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["changes"]);
    assert_eq!(ada.get("/api/sync/status").await.expect(200)["counts"]["saved_query"], 0);

    body["changes"].as_array_mut().unwrap().pop();
    let response = ada.post("/api/sync/upload", &body).await.expect(200);
    assert_eq!(response["applied"].as_array().unwrap().len(), 5_000);
    assert_eq!(ada.get("/api/sync/status").await.expect(200)["counts"]["saved_query"], 5_000);
}
