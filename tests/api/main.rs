//! The OpenAPI document: its rules, its examples, and the server's conformance to it.

mod examples;
mod linters;
mod schemathesis;

use std::path::Path;

use serde_json::Value;

/// The kept document; a test in `tests/architecture` compares it with the code.
const DOCUMENT: &str = "functions/health/openapi.json";

/// Returns the root folder of the project.
fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn document() -> Value {
    let text = std::fs::read_to_string(project().join(DOCUMENT)).expect("the document is readable");
    serde_json::from_str(&text).expect("the document is JSON")
}
