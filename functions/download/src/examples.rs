//! Values in the examples of the OpenAPI document: one item of each type, a deletion, and two versions.

use serde_json::{Value, json};

/// The only page of a download.
pub(crate) fn download() -> Value {
    json!({
        "connections": [{
            "id": "shop",
            "name": "Shop",
            "type": "postgres",
            "host": "db.example.com",
            "port": 5432,
            "database": "shop",
            "username": "ada",
            "use_ssh": false,
            "metadata": { "schema": "public" },
            "created_at": "2026-01-31T12:04:00.000000Z",
            "updated_at": "2026-01-31T12:04:00.000000Z",
            "sync_version": 1
        }],
        "saved_queries": [{
            "id": "orders",
            "name": "Orders",
            "query": "SELECT id FROM orders",
            "connection_id": "shop",
            "tags": ["sales"],
            "favorite": true,
            "metadata": {},
            "created_at": "2026-01-30T09:00:00.000000Z",
            "updated_at": "2026-01-31T12:03:00.000000Z",
            "sync_version": 2
        }],
        "query_history": [{
            "id": "run-1",
            "query": "SELECT id FROM orders",
            "connection_id": "shop",
            "executed_at": "2026-01-31T12:02:00.000000Z",
            "duration_ms": 12,
            "rows_affected": 42,
            "success": true,
            "metadata": {},
            "sync_version": 1
        }],
        "deleted": [{
            "item_type": "saved_query",
            "item_id": "places",
            "deleted_at": "2026-01-31T12:01:00.000000Z",
            "sync_version": 3
        }],
        "conflicts": [],
        "sync_timestamp": "2026-01-31T12:06:00.000000Z",
        "has_more": false,
        "reset": false,
        "digest": digest(1, "b2f0d1c47a5e9368", 1, "0c5b7e21f4a8d396", 1)
    })
}

/// Counts of a user with two devices.
pub(crate) fn status() -> Value {
    json!({
        "devices": [
            {
                "device_id": "laptop",
                "last_sync_at": "2026-01-31T12:06:00.000000Z",
                "total_synced": 128,
                "conflicts_count": 1,
                "version": "SQL Studio 2.4.0"
            },
            {
                "device_id": "phone",
                "last_sync_at": "2026-01-31T12:03:00.000000Z",
                "total_synced": 17,
                "conflicts_count": 0,
                "version": "SQL Studio 2.4.0"
            }
        ],
        "counts": { "connection": 4, "saved_query": 23, "query_history": 118 },
        "open_conflicts": 1,
        "sync_timestamp": "2026-01-31T12:06:00.000000Z",
        "digest": digest(4, "b2f0d1c47a5e9368", 23, "0c5b7e21f4a8d396", 118),
        "storage": { "bytes": 148_213, "items": 145 }
    })
}

/// Two versions of a saved query.
pub(crate) fn versions() -> Value {
    json!({
        "versions": [
            version("SELECT id FROM orders", "phone", "2026-01-31T12:03:00.000000Z", 2, None),
            version(
                "SELECT * FROM orders",
                "laptop",
                "2026-01-30T09:00:00.000000Z",
                1,
                Some("2026-01-31T12:03:01.000000Z")
            )
        ]
    })
}

fn version(query: &str, device: &str, updated_at: &str, sync_version: i64, replaced_at: Option<&str>) -> Value {
    let mut version = json!({
        "data": {
            "id": "orders",
            "name": "Orders",
            "query": query,
            "tags": ["sales"],
            "favorite": true,
            "metadata": {},
            "created_at": "2026-01-30T09:00:00.000000Z",
            "updated_at": updated_at,
            "sync_version": sync_version
        },
        "updated_at": updated_at,
        "sync_version": sync_version,
        "device_id": device,
        "deleted": false
    });
    if let Some(replaced_at) = replaced_at {
        version["replaced_at"] = replaced_at.into();
    }
    version
}

fn digest(connections: i64, hash: &str, saved_queries: i64, other_hash: &str, query_history: i64) -> Value {
    json!({
        "connections": { "count": connections, "hash": hash },
        "saved_queries": { "count": saved_queries, "hash": other_hash },
        "query_history": { "count": query_history }
    })
}
