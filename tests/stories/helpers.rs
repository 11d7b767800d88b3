//! What the stories say besides.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::Service;

pub(crate) const DAY: i64 = 24 * 3_600;

/// The change that deletes the saved query `item`, now.
pub(crate) fn delete(service: &Service, id: &str, item: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "delete",
        "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// Choosing one side of a conflict.
pub(crate) fn choose(version: &str) -> Value {
    json!({ "strategy": "user_choice", "chosen_version": version })
}
