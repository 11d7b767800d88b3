//! The SDK in Chromium. Pages load the built package from a web site, and call the service across origins.

mod browser;
mod crashes;
mod offline;
mod site;
mod storage;
mod tabs;
mod traffic;
mod worker;
mod world;

use serde_json::Value;

/// Asserts that a sync was complete, and that it had neither conflicts nor differences from the service.
#[track_caller]
fn assert_complete(report: &Value) {
    assert!(report.get("error").is_none(), "{report}");
    let unexpected = ["conflicts", "rejected"].iter().any(|field| report[field] != 0);
    assert!(!unexpected && report["reset"] == false && report["healed"] == false, "{report}");
}
