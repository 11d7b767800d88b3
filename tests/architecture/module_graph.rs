//! The graphs of the modules of `shared` and of `secret-scan`: every dependency between two modules is listed here, and there
//! is no cycle.
#![expect(
    clippy::print_stdout,
    reason = "the graph is printed for people: cargo test --test architecture -- --nocapture"
)]

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::{module, paths};
use crate::source::{SourceFile, product};

/// Modules, each with all modules that it depends on. A module stands below those that it depends on, so that a cycle
/// cannot be written down.
const GRAPH: &[(&str, &[&str])] = &[
    ("aws_sdk", &[]),
    ("error_text", &[]),
    ("models", &[]),
    ("private_files", &[]),
    ("root_certificates", &[]),
    ("schedule", &[]),
    ("secret", &[]),
    ("clock", &["models"]),
    ("config", &["models", "secret"]),
    ("contention", &["clock", "models"]),
    ("http_client", &["error_text", "root_certificates"]),
    ("parameter_store", &["aws_sdk"]),
    ("secrets_manager", &["aws_sdk", "secret"]),
    ("placement", &["models"]),
    ("sync", &["models"]),
    ("telemetry", &["clock", "error_text", "http_client", "models", "schedule", "sync"]),
    (
        "storage",
        &[
            "clock",
            "config",
            "http_client",
            "models",
            "placement",
            "private_files",
            "root_certificates",
            "secret",
            "sync",
            "telemetry",
        ],
    ),
    ("account_eraser", &["models", "storage"]),
    ("breaches", &["config", "http_client", "telemetry"]),
    ("auth", &["clock", "config", "models", "secret"]),
    ("mail", &["auth", "clock", "config", "http_client", "models", "private_files", "secret", "storage", "telemetry"]),
    ("http", &["auth", "clock", "config", "error_text", "models", "storage", "telemetry"]),
    (
        "lambda",
        &[
            "aws_sdk",
            "clock",
            "config",
            "http",
            "http_client",
            "parameter_store",
            "root_certificates",
            "secrets_manager",
            "telemetry",
        ],
    ),
];

/// The same for the secret scanner.
const SCANNER: &[(&str, &[&str])] = &[
    ("budget", &[]),
    ("rules", &[]),
    ("finding", &["rules"]),
    ("text", &["budget", "rules"]),
    ("names", &["rules", "text"]),
    ("value", &["names", "rules"]),
    ("literal", &["names", "rules", "value"]),
    ("detect", &["literal", "names", "rules", "text", "value"]),
    ("sql", &["detect", "literal", "names", "rules", "text", "value"]),
    ("json", &["budget", "detect", "finding", "literal", "names", "rules", "sql", "text", "value"]),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Dependencies between the modules of `files`, which are those of a crate.
fn graph(files: &[SourceFile]) -> Graph {
    let mut graph = Graph::new();
    for file in files.iter().filter(|file| !file.path.ends_with("src/lib.rs")) {
        let here = module(&file.path);
        let targets = graph.entry(here[0].clone()).or_default();
        let others = paths(&file.code(), &here).into_iter().filter_map(|path| path.into_iter().next());
        targets.extend(others.filter(|target| *target != here[0]));
    }
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    // `crate::endpoints!` and the like are macros.
    for targets in graph.values_mut() {
        targets.retain(|target| modules.contains(target));
    }
    graph
}

/// Differences between the dependencies of the code and the list, and arrows of the list that point up.
fn differences(actual: &Graph, listed: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    let mut below = BTreeSet::new();
    for (module, targets) in listed {
        let up = targets.iter().filter(|target| !below.contains(*target));
        found.extend(up.map(|target| format!("{module} → {target} points up in the list")));
        below.insert(*module);
    }
    let list: BTreeMap<&str, &[&str]> = listed.iter().copied().collect();
    for (module, targets) in actual {
        let allowed = list.get(module.as_str()).copied().unwrap_or_default();
        let new = targets.iter().filter(|target| !allowed.contains(&target.as_str()));
        found.extend(new.map(|target| format!("{module} → {target} is not in the list")));
    }
    for (module, targets) in listed {
        let used = actual.get(*module);
        let gone = targets.iter().filter(|target| used.is_none_or(|used| !used.contains(**target)));
        found.extend(gone.map(|target| format!("{module} → {target} is in the list, but not in the code")));
    }
    found
}

#[test]
fn every_dependency_between_modules_is_listed_and_none_is_circular() {
    for (crate_root, listed) in [("shared/src", GRAPH), ("shared/secret-scan/src", SCANNER)] {
        let actual = graph(&product(crate_root));
        println!("{crate_root}");
        for (module, targets) in &actual {
            println!("  {module:20} → {}", targets.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
        let found = differences(&actual, listed);
        assert!(found.is_empty(), "{crate_root}: {found:#?}");
    }
}

mod check_tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: format!("shared/src/{path}"), text: text.to_owned() }
    }

    #[test]
    fn unlisted_missing_and_circular_dependencies_are_found() {
        let files = [
            file("models/item.rs", "use super::limits; use std::sync::Arc;"),
            file("sync.rs", "use crate::{models::Item, http::ApiError};"),
            file("http/mod.rs", "use crate::sync::Plan; fn f() { crate::endpoints!(); }"),
        ];
        let actual = graph(&files);
        assert_eq!(actual["http"], BTreeSet::from(["sync".to_owned()]));
        let listed: [(&str, &[&str]); 3] = [("models", &[]), ("sync", &["models"]), ("http", &["models", "sync"])];
        let found = differences(&actual, &listed);
        assert_eq!(found, ["sync → http is not in the list", "http → models is in the list, but not in the code"]);
        let circular: [(&str, &[&str]); 3] = [("models", &[]), ("sync", &["models", "http"]), ("http", &["sync"])];
        assert_eq!(differences(&actual, &circular), ["sync → http points up in the list"]);
    }
}
