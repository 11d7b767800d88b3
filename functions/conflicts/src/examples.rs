//! Values in the examples of the OpenAPI document: a conflict about the saved query `orders`.

use serde_json::{Value, json};

/// An open conflict.
pub(crate) fn conflict() -> Value {
    json!({
        "id": "5f2c9a1e",
        "item_type": "saved_query",
        "item_id": "orders",
        "local_version": version("laptop", "SELECT * FROM orders WHERE paid", "2026-01-31T12:05:00.000000Z", 1),
        "remote_version": version("phone", "SELECT id FROM orders", "2026-01-31T12:03:00.000000Z", 2),
        "revision": 1_769_861_160_000_000_i64,
        "detected_at": "2026-01-31T12:06:00.000000Z"
    })
}

/// The item with the local version's data.
pub(crate) fn item() -> Value {
    record("SELECT * FROM orders WHERE paid", "2026-01-31T12:05:00.000000Z", 3)
}

/// Data that merges both versions.
pub(crate) fn merged_data() -> Value {
    json!({
        "name": "Orders",
        "query": "SELECT id FROM orders WHERE paid",
        "tags": ["sales"],
        "favorite": true,
        "metadata": {}
    })
}

fn version(device: &str, query: &str, updated_at: &str, sync_version: i64) -> Value {
    json!({
        "data": record(query, updated_at, sync_version),
        "updated_at": updated_at,
        "sync_version": sync_version,
        "device_id": device,
        "deleted": false
    })
}

fn record(query: &str, updated_at: &str, sync_version: i64) -> Value {
    json!({
        "id": "orders",
        "name": "Orders",
        "query": query,
        "tags": ["sales"],
        "favorite": true,
        "metadata": {},
        "created_at": "2026-01-30T09:00:00.000000Z",
        "updated_at": updated_at,
        "sync_version": sync_version
    })
}
