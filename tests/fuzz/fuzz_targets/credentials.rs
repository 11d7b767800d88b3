//! Fuzzes the secret scanner: it terminates on any text, is deterministic, and detects a password field next to any
//! text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secret_scan::find;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let change =
        json!({ "item_type": "saved_query", "data": { "name": "n", "query": text, "metadata": { "note": text } } });
    let found = find(&change).map(|finding| (finding.path, finding.kind.to_string()));
    assert_eq!(found, find(&change).map(|finding| (finding.path, finding.kind.to_string())));
    // No other text hides a field that is a password by name.
    let mut with_password = change;
    with_password["data"]["password"] = Value::from("Sesame-42");
    assert!(find(&with_password).is_some());
    // Arbitrary JSON.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        drop(find(&value));
    }
});
