//! Fuzzes the secret scanner: it terminates on any text, is deterministic, and detects a password field next to any
//! text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secret_scan::{Finding, find};
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let change =
        json!({ "item_type": "saved_query", "data": { "name": "n", "query": text, "metadata": { "note": text } } });
    let found = find(&change);
    assert_eq!(found, find(&change));
    // A span is a part of the text that it is in.
    if let Ok(Some(Finding { path, span: Some(span), .. })) = &found {
        let text = if path == "data.query" { &change["data"]["query"] } else { &change["data"]["metadata"]["note"] };
        let units: Vec<u16> = text.as_str().expect("a text").encode_utf16().collect();
        assert!(span.utf16.end <= units.len() && String::from_utf16(&units[span.utf16.clone()]).is_ok());
    }
    // No other text hides a field that is a password by name.
    let mut with_password = change;
    with_password["data"]["password"] = Value::from("Sesame-42");
    assert_ne!(find(&with_password), Ok(None));
    // Arbitrary JSON.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        drop(find(&value));
    }
});
