use serde_json::{Value, json};

/// The data of a connection.
pub fn connection(name: &str) -> Value {
    json!({ "name": name, "type": "postgres", "host": "db.example.com", "port": 5432, "database": "shop",
        "username": "ada", "use_ssh": false, "metadata": { "color_scheme": "dark" } })
}

/// The data of a saved query.
pub fn saved_query(name: &str, query: &str) -> Value {
    json!({ "name": name, "query": query, "tags": ["report"], "favorite": false, "metadata": {} })
}

/// The data of an entry of the history.
pub fn history(query: &str) -> Value {
    json!({ "query": query, "connection_id": "c", "executed_at": "2026-01-01T00:00:00Z", "duration_ms": 12,
        "rows_affected": 3, "success": true, "metadata": {} })
}

/// The body of an upload by `device` that changes nothing: it deletes an item that is not there.
pub fn small_upload(device: &str) -> Value {
    json!({ "device_id": device, "changes": [{ "id": "nothing", "item_type": "saved_query", "item_id": "nothing",
        "action": "delete", "updated_at": "2026-01-01T00:00:00Z" }] })
}
