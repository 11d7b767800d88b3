//! Digest of the live items, computed from a page as a client does.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::models::Timestamp;

/// Checks the digest of a page that contains all live items of its types.
///
/// # Panics
/// Panics if the digest is another one.
pub(crate) fn check(page: &Value) {
    let mut expected = json!({
        "connections": items(page, "connections", "connection"),
        "saved_queries": items(page, "saved_queries", "saved_query"),
        "query_history": { "count": page["query_history"].as_array().map_or(0, Vec::len) },
    });
    let is_requested = |list: &String| page["digest"].get(list).is_some();
    expected.as_object_mut().expect("an object").retain(|list, _| is_requested(list));
    assert_eq!(page["digest"], expected, "the digest of {page}");
}

/// Returns the digest of the items of one type.
fn items(page: &Value, list: &str, item_type: &str) -> Value {
    let items = page[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = items.iter().map(|item| hash(item_type, item)).fold(0, u64::wrapping_add);
    json!({ "count": items.len(), "hash": format!("{sum:016x}") })
}

fn hash(item_type: &str, item: &Value) -> u64 {
    let text = |field: &str| item[field].as_str().unwrap_or_else(|| panic!("{item} has no {field}"));
    let updated_at: Timestamp = text("updated_at").parse().expect("a valid time");
    let fields =
        [item_type, text("id"), &item["sync_version"].to_string(), &updated_at.micros().div_euclid(1_000).to_string()]
            .join("\0");
    let hash = Sha256::digest(fields);
    hash[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
