//! Checks the complete production deployment with checkov, except for the checks in `checkov-skips.txt`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::Template;

use crate::deployments::complete_production;
use crate::{TEMPLATE, tools};

const CHECKOV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/checkov/bin/checkov");

/// Skipped checks, one in each line: the id and the reason.
const SKIPS: &str = include_str!("checkov-skips.txt");

/// Returns the failed checks that are not skipped, the skips without effect and those without a reason.
pub(crate) fn violations(file: &Path) -> Vec<String> {
    match complete_production(file) {
        Ok(template) => reconcile(&failures(&template), SKIPS),
        Err(error) => vec![error],
    }
}

/// Runs checkov without network access. Returns the id, resource and name of each failed check.
fn failures(template: &Template) -> Vec<[String; 3]> {
    let file = tools::write(template);
    let mut checkov = Command::new(CHECKOV);
    checkov.args(["--framework", "cloudformation", "--skip-download", "--output", "json", "--file"]).arg(file.path());
    let output = checkov.output().expect("checkov is installed by `tests/run template`");
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(result["summary"]["passed"].as_u64().is_some_and(|passed| passed > 0), "{}", result["summary"]);
    let failed = result["results"]["failed_checks"].as_array().expect("a list").iter();
    let field = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    failed.map(|check| ["check_id", "resource", "check_name"].map(|name| field(check, name))).collect()
}

fn reconcile(failures: &[[String; 3]], skips: &str) -> Vec<String> {
    let skips: Vec<_> = skips.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
    let skipped: BTreeSet<&str> = skips.iter().map(|(id, _)| *id).collect();
    let failed: BTreeSet<&str> = failures.iter().map(|[id, ..]| id.as_str()).collect();
    let unreasoned = skips.iter().filter(|(_, reason)| reason.trim().is_empty());
    let violations = failures.iter().filter(|[id, ..]| !skipped.contains(id.as_str()));
    let violations = violations.map(|[id, resource, name]| format!("{id} {name}: {resource}"));
    let violations = violations.chain(unreasoned.map(|(id, _)| format!("the skip of {id} has no reason")));
    violations.chain(skipped.difference(&failed).map(|id| format!("the skip of {id} has no effect"))).collect()
}

#[test]
fn production_passes_checkov() {
    assert_eq!(violations(Path::new(TEMPLATE)), Vec::<String>::new());
}

#[test]
fn failures_and_skips_are_compared() {
    let failures = [["A", "B"].map(|id| [id, "resource", "name"].map(str::to_owned))].concat();
    assert_eq!(reconcile(&failures, "A reason\nB reason"), Vec::<String>::new());
    let expected = ["B name: resource", "the skip of A has no reason", "the skip of C has no effect"];
    assert_eq!(reconcile(&failures, "A\nC reason"), expected);
}
