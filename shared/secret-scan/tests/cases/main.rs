//! Named cases, grouped by idea. To add one, add a line to a table.

mod families;
mod fields;
mod sql_pass;
mod sql_refuse;
mod text;

mod tokens;
mod urls;

use secret_scan::Finding;
use serde_json::{Value, json};

/// Returns what is found in a change, none of which is too dense.
fn find(change: &Value) -> Option<Finding> {
    secret_scan::find(change).expect("the cases are ordinary texts")
}

/// (name, text)
type Case = (&'static str, &'static str);

/// A change of a saved query whose field `field` holds `text`.
fn change(field: &str, text: &str) -> Value {
    let mut change = json!({
        "id": "0b9e8f5e-6d5c-4c55-9a57-4c3e7e0f7a11", "item_type": "saved_query",
        "item_id": "7f1a1a44-0d4e-4a37-8a3c-5b7f0f2f9b10", "action": "update",
        "data": {"id": "7f1a1a44-0d4e-4a37-8a3c-5b7f0f2f9b10", "name": "Report", "tags": ["daily"], "favorite": false},
        "updated_at": "2025-03-01T10:00:00Z", "sync_version": 7,
        "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    });
    change["data"][field] = json!(text);
    change
}

/// Runs the cases with `text` in `field`; collects all failures before it fails.
fn check(field: &str, cases: &[Case], refused: bool) {
    let expected = refused.then(|| format!("data.{field}"));
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, text)| {
            let found = find(&change(field, text));
            (found.as_ref().map(|f| f.path.clone()) != expected).then(|| format!("{name}: {text:?} -> {found:?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases in {field} (expected {expected:?}):\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// All texts of all tables.
fn all_texts() -> impl Iterator<Item = &'static str> {
    let tables = [
        sql_refuse::SETS,
        sql_refuse::COLUMNS,
        sql_refuse::FUNCTIONS,
        sql_refuse::INSIDE,
        sql_refuse::MONGO,
        sql_refuse::FORM,
        sql_pass::NAMES,
        sql_pass::PARAMETERS,
        sql_pass::LITERALS,
        sql_pass::MONGO,
        sql_pass::EVERYDAY,
        text::REFUSED,
        text::PASSED,
        tokens::REFUSED,
        tokens::PASSED,
        urls::REFUSED,
        urls::PASSED,
    ];
    tables.into_iter().flatten().map(|(_, text)| *text)
}

/// A text in full-width letters and signs is found by the same rule, and in the same place.
#[test]
fn full_width_texts_are_judged_alike() {
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii_graphic()).unwrap_or(c);
    let finding = |text: &str| {
        find(&change("query", text)).map(|found| (found.path, found.rule, found.span.map(|span| span.utf16)))
    };
    let wrong: Vec<&str> = all_texts()
        .filter(|text| text.is_ascii())
        .filter(|text| finding(text) != finding(&text.chars().map(wide).collect::<String>()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn truncated_texts_never_panic() {
    for text in all_texts() {
        for end in 0..=text.len() {
            let cut = String::from_utf8_lossy(&text.as_bytes()[..end]);
            for field in ["query", "description"] {
                let _ = find(&change(field, &cut));
            }
            let tail = String::from_utf8_lossy(&text.as_bytes()[end..]);
            let _ = find(&change("query", &tail));
        }
    }
}

#[test]
fn a_reason_never_quotes_the_secret() {
    let found = find(&json!({"data": {"query": "ALTER ROLE bob PASSWORD 'hunter2'"}})).unwrap();
    assert_eq!(found.path, "data.query");
    assert!(!found.to_string().contains("hunter2"));
}
