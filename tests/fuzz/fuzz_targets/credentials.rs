//! The detector of credentials: it comes to its end on any text, says the same each time, and finds what stands by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use secret_scan::find;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let change = json!({ "item_type": "saved_query", "data": { "name": "n", "query": text, "metadata": { "note": text } } });
    let found = find(&change).map(|finding| (finding.path, finding.kind.to_string()));
    assert_eq!(found, find(&change).map(|finding| (finding.path, finding.kind.to_string())));
    // Nothing beside it hides a field that is a password by its name.
    let mut with_password = change;
    with_password["data"]["password"] = Value::from("Sesame-42");
    assert!(find(&with_password).is_some());
    // Whatever JSON it is.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        find(&value);
    }
});
