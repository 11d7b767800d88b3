//! The routes: as clients know them, as the document describes them, as the functions own them.

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

/// The routes that `document` describes.
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

/// How the routes of `document` differ from those that clients know.
fn differences(document: &Value, known: &BTreeSet<Route>) -> Vec<String> {
    let described = described(document);
    let missing = known.difference(&described).map(|route| format!("not described: {route:?}"));
    let invented = described.difference(known).map(|route| format!("not known: {route:?}"));
    missing.chain(invented).collect()
}

/// Where `kept` stops being what is `made` today.
fn outdated(kept: &str, made: &str) -> Option<String> {
    let mut lines = kept.lines().zip(made.lines()).enumerate();
    let difference = lines.find(|(_, (kept, made))| kept != made);
    let difference = difference.map(|(line, (kept, made))| format!("line {}: `{kept}` is now `{made}`", line + 1));
    difference.or_else(|| (kept != made).then(|| "one ends before the other".to_owned()))
}

/// Whether one of `texts` describes an operation `method path`, as `utoipa::path` has it.
fn owns(texts: &[String], method: &str, path: &str) -> bool {
    let described = format!("{method},path=\"{path}\"");
    texts.iter().any(|text| text.contains(&described))
}

/// The sources of a function without white space.
fn texts(function: &str) -> Vec<String> {
    let bare = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect();
    files(&format!("functions/{function}/src"), ".rs").iter().map(|file| bare(&file.text)).collect()
}

#[test]
fn the_document_is_what_the_code_makes_today() {
    let made = local::document().expect("it can be written");
    let outdated = outdated(&file(DOCUMENT).text, &made);
    assert_eq!(outdated, Option::None, "make it anew: cargo run -- openapi > {DOCUMENT}");
}

#[test]
fn the_document_describes_what_clients_know() {
    let document: Value = serde_json::from_str(&file(DOCUMENT).text).expect("it is JSON");
    let differences = differences(&document, &known());
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_route_belongs_to_the_function_that_is_known_for_it() {
    for (function, method, path, _) in ROUTES {
        assert!(owns(&texts(function), method, path), "{function} lacks {method} {path}");
    }
}

mod seen_to_fail {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&file(DOCUMENT).text).expect("it is JSON")
    }

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
    fn an_old_document_is_found() {
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
