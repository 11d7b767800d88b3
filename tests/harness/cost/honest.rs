use axum::http::Method;
use serde_json::{Value, json};

use crate::{Request, saved_query};

/// Number of items of the upload, and the length of their texts in bytes.
const ITEMS: usize = 4_900;
const TEXT_BYTES: usize = 1_850;

/// Returns an upload of nearly 10 MB by an honest client: as many saved queries as it may have, with ordinary statements.
pub fn honest_upload() -> Request {
    let statements = ordinary_statements();
    let mut rest = statements.iter().cycle();
    let mut text = || {
        let mut text = String::new();
        while text.len() < TEXT_BYTES {
            text.extend(rest.next().map(String::as_str));
        }
        text.chars().take(TEXT_BYTES).collect::<String>()
    };
    let change = |index: usize| {
        json!({ "item_type": "saved_query", "item_id": format!("honest{index}"), "action": "create", "sync_version": 0,
            "updated_at": "2026-01-01T00:00:00Z", "data": saved_query("Ordinary", &text()) })
    };
    let changes: Vec<Value> = (0..ITEMS).map(change).collect();
    let body = json!({ "device_id": "honest", "changes": changes }).to_string();
    Request::new(Method::POST, "/api/sync/upload").body("application/json", body)
}

/// Saved queries of the corpus without a credential.
fn ordinary_statements() -> Vec<String> {
    let statement = |line: &str| {
        let item: Value = serde_json::from_str(line).expect("each line is JSON");
        let is_clean = item["credential"] == false && item["kind"] == "saved_query";
        item["data"]["query"].as_str().filter(|_| is_clean).map(|query| format!("{query};\n"))
    };
    include_str!("../../corpus/seen.jsonl").lines().filter_map(statement).collect()
}
