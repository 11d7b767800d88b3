//! Helpers of the stories.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::Service;

/// Seconds of a day.
pub(crate) const DAY: i64 = 24 * 3_600;

/// Creates a change that deletes the saved query `item` at the service's current time.
pub(crate) fn query_deletion(service: &Service, id: &str, item: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "delete",
        "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// Returns the body of a resolution that chooses one version of a conflict.
pub(crate) fn choose(version: &str) -> Value {
    json!({ "strategy": "user_choice", "chosen_version": version })
}
