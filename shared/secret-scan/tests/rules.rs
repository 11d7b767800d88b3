//! Runs the examples of every rule in `rules/*.toml`.

use std::{error::Error, fs};

use secret_scan::{Finding, TooDense, find};
use serde_json::{Value, json};
use toml::{Table, Value as TomlValue};

type Failures = Vec<String>;

/// Entries of these kinds are lists of words, whose examples any rule may find.
const LISTS: [&str; 2] = ["name", "words"];

fn scan(example: &str, in_query: bool) -> Result<Option<Finding>, TooDense> {
    if example.starts_with('{')
        && let Ok(fields @ Value::Object(_)) = serde_json::from_str(example)
    {
        return find(&fields);
    }
    let field = if in_query { "query" } else { "description" };
    find(&json!({ field: example }))
}

/// The rule that finds something in an example.
fn rule(example: &str, in_query: bool) -> &'static str {
    match scan(example, in_query) {
        Ok(None) => "nothing",
        Ok(Some(found)) => found.rule.id,
        Err(_) => "too dense",
    }
}

fn check(kind: &str, entry: &Table, in_query: bool, failures: &mut Failures) {
    let id = entry["id"].as_str().unwrap_or_default();
    let examples = |list: &str| -> Vec<String> {
        let list = entry.get(list).and_then(|list| list.as_array());
        list.map(|list| list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()).unwrap_or_default()
    };
    for text in examples("refuse") {
        let found = rule(&text, in_query);
        if found != id && (found == "nothing" || !LISTS.contains(&kind)) {
            failures.push(format!("{id} must find {text:?}; found: {found}"));
        }
    }
    for text in examples("pass") {
        let found = rule(&text, in_query);
        if found != "nothing" {
            failures.push(format!("{id} must pass {text:?}; found: {found}"));
        }
    }
}

#[test]
fn every_rule_finds_its_examples_and_nothing_else() -> Result<(), Box<dyn Error>> {
    let mut failures = Failures::new();
    let mut rules = 0;
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))? {
        let path = file?.path();
        let in_query = path.ends_with("sql.toml");
        for (kind, entries) in fs::read_to_string(&path)?.parse::<Table>()? {
            for entry in entries.as_array().into_iter().flatten().filter_map(TomlValue::as_table) {
                check(&kind, entry, in_query, &mut failures);
                rules += 1;
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(rules > 200, "{rules} rules");
    Ok(())
}
