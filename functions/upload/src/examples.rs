//! Values in the examples of the OpenAPI document: one upload with a change that is applied, one that conflicts and one
//! that is rejected.

use serde_json::{Value, json};

/// Upload of three changes.
pub(crate) fn request() -> Value {
    json!({
        "device_id": "laptop",
        "last_sync_at": "2026-01-31T12:00:00.000000Z",
        "conflict_strategy": "user_choice",
        "changes": [
            {
                "id": "7b0e3c52-1",
                "item_type": "connection",
                "item_id": "shop",
                "action": "create",
                "data": connection(),
                "updated_at": "2026-01-31T12:04:00Z",
                "sync_version": 0
            },
            {
                "id": "7b0e3c52-2",
                "item_type": "saved_query",
                "item_id": "orders",
                "action": "update",
                "data": saved_query("SELECT * FROM orders WHERE paid"),
                "updated_at": "2026-01-31T12:05:00Z",
                "sync_version": 1
            },
            {
                "id": "7b0e3c52-3",
                "item_type": "saved_query",
                "item_id": "places",
                "action": "update",
                "data": saved_query("SELECT * FROM places"),
                "updated_at": "2026-01-31T12:05:30Z",
                "sync_version": 4,
                "checksum": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            }
        ]
    })
}

/// Response to [`request`].
pub(crate) fn response() -> Value {
    json!({
        "success": false,
        "synced_at": "2026-01-31T12:06:00.000000Z",
        "message": "Synced 1 items, 1 conflicts, 1 rejected",
        "applied": [
            { "change_id": "7b0e3c52-1", "item_type": "connection", "item_id": "shop", "sync_version": 1 }
        ],
        "conflicts": [{
            "change_id": "7b0e3c52-2",
            "sync_version": 2,
            "current": { "sync_version": 2, "deleted": false, "data": item("SELECT id FROM orders", "2026-01-31T12:03:00.000000Z", 2) },
            "id": "5f2c9a1e",
            "item_type": "saved_query",
            "item_id": "orders",
            "local_version": version("laptop", "SELECT * FROM orders WHERE paid", "2026-01-31T12:05:00.000000Z", 1),
            "remote_version": version("phone", "SELECT id FROM orders", "2026-01-31T12:03:00.000000Z", 2),
            "revision": 1_769_861_160_000_000_i64,
            "detected_at": "2026-01-31T12:06:00.000000Z"
        }],
        "rejected": [{
            "change": {
                "index": 2,
                "id": "7b0e3c52-3",
                "item_type": "saved_query",
                "item_id": "places",
                "action": "update",
                "updated_at": "2026-01-31T12:05:30Z",
                "sync_version": 4
            },
            "reason": "changes[2].checksum is not the SHA-256 of data in canonical JSON (RFC 8785)",
            "code": "CHECKSUM_MISMATCH",
            "details": [{
                "field": "changes[2].checksum",
                "message": "is not the SHA-256 of data in canonical JSON (RFC 8785)"
            }]
        }]
    })
}

fn connection() -> Value {
    json!({
        "name": "Shop",
        "type": "postgres",
        "host": "db.example.com",
        "port": 5432,
        "database": "shop",
        "username": "ada",
        "use_ssh": false,
        "metadata": { "schema": "public" }
    })
}

fn saved_query(query: &str) -> Value {
    json!({ "name": "Orders", "query": query, "tags": ["sales"], "favorite": true, "metadata": {} })
}

fn item(query: &str, updated_at: &str, sync_version: i64) -> Value {
    let mut data = saved_query(query);
    data["id"] = "orders".into();
    data["created_at"] = "2026-01-30T09:00:00.000000Z".into();
    data["updated_at"] = updated_at.into();
    data["sync_version"] = sync_version.into();
    data
}

fn version(device: &str, query: &str, updated_at: &str, sync_version: i64) -> Value {
    json!({
        "data": item(query, updated_at, sync_version),
        "updated_at": updated_at,
        "sync_version": sync_version,
        "device_id": device,
        "deleted": false
    })
}
