//! Routes: those that the tests call, those of the OpenAPI document, and the functions that serve them.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::Auth::{self, Bearer, None};
use tests::ROUTES;

use crate::source::{file, files};

const DOCUMENT: &str = "functions/health/openapi.json";

type Route = (String, String, Auth);

fn known() -> BTreeSet<Route> {
    ROUTES.iter().map(|(_, method, path, auth)| ((*method).to_owned(), (*path).to_owned(), *auth)).collect()
}

/// Returns the committed OpenAPI document.
pub(crate) fn document() -> Value {
    serde_json::from_str(&file(DOCUMENT).text).expect("valid JSON")
}

/// Returns the routes of `document`.
fn described(document: &Value) -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let asks = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
            routes.insert((method.clone(), path.clone(), if asks { Bearer } else { None }));
        }
    }
    routes
}

/// Returns the differences between the routes of `document` and the `known` ones.
fn differences(document: &Value, known: &BTreeSet<Route>) -> Vec<String> {
    let described = described(document);
    let missing = known.difference(&described).map(|route| format!("not described: {route:?}"));
    let invented = described.difference(known).map(|route| format!("not known: {route:?}"));
    missing.chain(invented).collect()
}

/// Returns the first line in which the committed and the generated document differ.
fn outdated(committed: &str, generated: &str) -> Option<String> {
    let mut lines = committed.lines().zip(generated.lines()).enumerate();
    let difference = lines.find(|(_, (committed, generated))| committed != generated);
    let difference = difference
        .map(|(line, (committed, generated))| format!("line {}: `{committed}` is now `{generated}`", line + 1));
    difference.or_else(|| (committed != generated).then(|| "one ends before the other".to_owned()))
}

/// Returns whether one of `texts` declares the operation `method path` with `utoipa::path`.
fn owns(texts: &[String], method: &str, path: &str) -> bool {
    let described = format!("{method},path=\"{path}\"");
    texts.iter().any(|text| text.contains(&described))
}

/// Returns the sources of a function, without white space.
fn texts(function: &str) -> Vec<String> {
    let bare = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect();
    files(&format!("functions/{function}/src"), ".rs").iter().map(|file| bare(&file.text)).collect()
}

#[test]
fn the_committed_document_is_up_to_date() {
    let generated = local::document().expect("it can be written");
    let outdated = outdated(&file(DOCUMENT).text, &generated);
    assert_eq!(outdated, Option::None, "regenerate it: cargo run -- openapi > {DOCUMENT}");
}

#[test]
fn the_document_lists_every_route() {
    let document = document();
    let differences = differences(&document, &known());
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn no_rate_exceeds_the_described_range_of_its_header() {
    let document = document();
    let response = &document["paths"]["/api/sync/limits"]["get"]["responses"]["200"];
    let rates = response["content"]["application/json"]["example"]["rates_per_minute"].as_object().expect("an example");
    let header = &document["components"]["headers"]["RateLimit-Limit"];
    let highest = header["schema"]["maximum"].as_u64().expect("a range");
    for (group, rate) in rates {
        assert!(rate.as_u64().expect("a number") <= highest, "{group} is above {highest}: see `RATES_PER_MINUTE`");
    }
}

#[test]
fn every_route_is_served_by_its_function() {
    for (function, method, path, _) in ROUTES {
        assert!(owns(&texts(function), method, path), "{function} lacks {method} {path}");
    }
}

mod check_tests {
    use super::*;

    #[test]
    fn every_difference_is_found() {
        let changes: [fn(&mut Value); 4] = [
            |paths| drop(paths.as_object_mut().expect("a map").remove("/health")),
            |paths| paths["/more"]["get"] = serde_json::json!({}),
            |paths| paths["/health"]["post"] = serde_json::json!({}),
            |paths| drop(paths["/api/sync/upload"]["post"].as_object_mut().expect("a map").remove("security")),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut document = document();
            change(&mut document["paths"]);
            assert!(!differences(&document, &known()).is_empty(), "change {place}");
        }
    }

    #[test]
    fn an_outdated_document_is_found() {
        assert_eq!(outdated("a\nb\n", "a\nb\n"), Option::None);
        assert!(outdated("a\nb\n", "a\nc\n").is_some());
        assert!(outdated("a\n", "a\nb\n").is_some());
        assert!(outdated("a\n", "a").is_some());
    }

    #[test]
    fn a_route_in_the_wrong_function_is_found() {
        let texts = ["#[utoipa::path(get,path=\"/health\",tag=\"health\")]".to_owned()];
        assert!(owns(&texts, "get", "/health"));
        assert!(!owns(&texts, "post", "/health"));
        assert!(!owns(&texts, "get", "/healthy"));
    }
}
