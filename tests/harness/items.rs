use serde_json::{Value, json};

/// Data of a connection.
pub fn connection(name: &str) -> Value {
    json!({ "name": name, "type": "postgres", "host": "db.example.com", "port": 5432, "database": "shop",
        "username": "ada", "use_ssh": false, "metadata": { "color_scheme": "dark" } })
}

/// Data of a saved query.
pub fn saved_query(name: &str, query: &str) -> Value {
    json!({ "name": name, "query": query, "tags": ["report"], "favorite": false, "metadata": {} })
}

/// Data of a query history entry.
pub fn history(query: &str) -> Value {
    json!({ "query": query, "connection_id": "c", "executed_at": "2026-01-01T00:00:00Z", "duration_ms": 12,
        "rows_affected": 3, "success": true, "metadata": {} })
}

/// Body of an upload by `device` that changes nothing: it deletes an item that does not exist.
pub fn no_op_upload(device: &str) -> Value {
    json!({ "device_id": device, "changes": [{ "id": "nothing", "item_type": "saved_query", "item_id": "nothing",
        "action": "delete", "updated_at": "2026-01-01T00:00:00Z" }] })
}
