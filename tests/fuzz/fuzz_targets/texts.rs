//! Fuzzes times, cursors, URL queries and ids: an accepted value is formatted and parsed again as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::http::Query;
use shared::models::{DeviceId, ItemId, Timestamp, Username};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(time) = text.parse::<Timestamp>() {
        let written = time.to_string();
        assert_eq!(written.parse::<Timestamp>().expect("a formatted time parses"), time, "{text} became {written}");
        assert!(written.ends_with('Z') && written.len() >= 27, "{written}");
    }
    if let Ok(query) = Query::parse(Some(text)) {
        if let Ok(limit) = query.limit(1_000) {
            assert!((1..=1_000).contains(&limit));
        }
        if let Ok(Some(since)) = query.time("since") {
            let again = Query::parse(Some(&format!("since={since}"))).expect("the query parses");
            assert_eq!(again.time("since").expect("the time parses"), Some(since));
        }
        if let Some(device) = query.get("device_id") {
            DeviceId::parse(device).ok();
        }
    }
    if let Ok(id) = ItemId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert!((1..=128).contains(&text.chars().count()));
    }
    if let Ok(name) = Username::parse(text) {
        assert!(!name.as_str().contains('@'));
        let again = Username::parse(name.as_str()).expect("an accepted name parses");
        assert_eq!(again.key(), name.key());
    }
});
