//! Uploads at the limits of a deployment.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::{SystemRandom, random_bytes};

use super::Deployment;
use crate::{Request, Response, TestUser, gzip, saved_query};

/// Items of the large upload.
const ITEMS: usize = 500;
/// Bytes of random data in each of these items. In hexadecimal, with a space after every four digits, it takes 2.5 times as many.
const ITEM_BYTES: usize = 3_900;
/// Size of a body that every encoding rejects, in bytes: more than `UPLOAD_BYTES`, and than the 10 MB that API Gateway accepts.
const TOO_MUCH: usize = 11 << 20;
/// Size of a body that API Gateway accepts and Lambda rejects, in bytes: it invokes a function with at most 6 MB.
const TOO_MUCH_FOR_LAMBDA: usize = 7 << 20;

/// Asserts that a compressed upload is accepted, which the gateway passes on in base64.
///
/// # Panics
/// If not.
pub(super) async fn accepts_gzip(user: &TestUser) {
    let body = upload([("compressed".to_owned(), "select 1".to_owned())]);
    let response = send(user, "application/gzip", gzip(body.as_bytes())).await.expect(200);
    assert_eq!(response["applied"][0]["item_id"], "compressed", "{response}");
}

/// Asserts that 5 MB of JSON, about 3 MB when compressed, are accepted, and downloaded in pages.
///
/// # Panics
/// If not.
pub(super) async fn accepts_five_megabytes(user: &TestUser) {
    let body = upload((0..ITEMS).map(|index| (format!("large{index}"), random_query())));
    assert!((4_900_000..5_500_000).contains(&body.len()), "{} bytes", body.len());
    let response = send(user, "application/gzip", gzip(body.as_bytes())).await.expect(200);
    let applied = response["applied"].as_array().map(Vec::len);
    assert_eq!(applied, Some(ITEMS), "{} {}", response["rejected"], response["message"]);
    let mut tablet = user.device("tablet");
    tablet.download().await;
    assert!(tablet.known.len() > ITEMS, "{} items", tablet.known.len());
}

/// Asserts that a body above the limits is rejected, compressed or not.
///
/// # Panics
/// If not.
pub(super) async fn rejects_too_much(deployment: &Deployment, user: &TestUser) {
    let bomb = gzip(&vec![b' '; TOO_MUCH]);
    send(user, "application/gzip", bomb).await.expect_error(413, "PAYLOAD_TOO_LARGE");
    if deployment.without_key.is_none() {
        let response = send(user, "application/json", vec![b' '; TOO_MUCH]).await;
        response.expect_error(413, "PAYLOAD_TOO_LARGE");
        return;
    }
    // Users report that the gateway rejects these without its configured responses
    // (https://github.com/koki-develop/lgtm-generator/issues/10), so the shape is not checked.
    let response = send(user, "application/json", vec![b' '; TOO_MUCH_FOR_LAMBDA]).await;
    assert_eq!(response.status, 413, "{}", String::from_utf8_lossy(&response.body));
}

async fn send(user: &TestUser, media_type: &str, body: Vec<u8>) -> Response {
    user.send(Request::new(Method::POST, "/api/sync/upload").body(media_type, body)).await
}

/// Returns an upload that creates a saved query for each pair of an id and a text.
fn upload(queries: impl IntoIterator<Item = (String, String)>) -> String {
    let change = |(id, query): (String, String)| {
        json!({ "id": id, "item_type": "saved_query", "item_id": id, "action": "create", "sync_version": 0,
            "data": saved_query("Orders", &query), "updated_at": "2026-01-01T00:00:00Z" })
    };
    let changes: Vec<Value> = queries.into_iter().map(change).collect();
    json!({ "device_id": "desktop", "changes": changes }).to_string()
}

/// Returns a query of random words, which compression halves.
fn random_query() -> String {
    let bytes = random_bytes::<ITEM_BYTES>(&SystemRandom);
    let words = bytes.chunks(2).fold(String::new(), |mut words, pair| {
        words.extend(pair.iter().map(|byte| format!("{byte:02x}")));
        words.push(' ');
        words
    });
    format!("select '{words}'")
}
