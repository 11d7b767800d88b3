//! The OpenAPI document under the rules of Redocly and of Spectral with OWASP's ruleset. `linters/` has their settings,
//! with every exception and its reason.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::{DOCUMENT, document, project};

/// A folder for one run, below the packages that `tests/run api` installs.
struct Linters {
    folder: tempfile::TempDir,
}

impl Linters {
    /// Writes `document` and the settings into a new folder.
    fn on(document: &Value) -> Self {
        let packages = project().join("target/linters");
        let folder = tempfile::tempdir_in(packages).expect("`tests/run api` makes the folder");
        let linters = Self { folder };
        std::fs::write(linters.file("openapi.json"), format!("{document:#}")).expect("the folder is writable");
        for settings in ["redocly.yaml", "spectral.yaml"] {
            let kept = project().join("tests/api/linters").join(settings);
            std::fs::copy(kept, linters.file(settings)).expect("the settings can be copied");
        }
        linters
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("node");
        command.arg(project().join("target/linters/node_modules").join(program)).args(arguments);
        command.current_dir(self.folder.path());
        // Nothing is reported, and nothing is asked of the network.
        command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true").env("CI", "true");
        command.output().expect("Node.js runs, and `tests/run api` has installed the packages")
    }

    /// Errors and warnings of Redocly, as `rule: message`.
    fn redocly(&self) -> Vec<String> {
        let arguments =
            ["lint", "openapi.json", "--config", "redocly.yaml", "--format", "json", "--max-problems", "1000"];
        let output = self.run("@redocly/cli/bin/cli.js", &arguments);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let problems = report["problems"].as_array().expect("a list");
        problems.iter().map(|problem| format!("{}: {}", problem["ruleId"], problem["message"])).collect()
    }

    /// What Spectral finds, down to hints, as `rule: message at path`.
    fn spectral(&self) -> Vec<String> {
        let arguments = ["lint", "openapi.json", "--ruleset", "spectral.yaml", "--format", "json", "--quiet"];
        let output = self.run("@stoplight/spectral-cli/dist/index.js", &arguments);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let results = report.as_array().expect("a list");
        results
            .iter()
            .map(|result| format!("{}: {} at {}", result["code"], result["message"], result["path"]))
            .collect()
    }
}

#[test]
fn redocly_finds_nothing() {
    assert_eq!(Linters::on(&document()).redocly(), Vec::<String>::new(), "in {DOCUMENT}");
}

#[test]
fn spectral_finds_nothing() {
    assert_eq!(Linters::on(&document()).spectral(), Vec::<String>::new(), "in {DOCUMENT}");
}

/// Every exception is still needed: without the overrides, each of their rules is broken.
#[test]
fn no_exception_is_in_vain() {
    let linters = Linters::on(&document());
    let settings = std::fs::read_to_string(linters.file("spectral.yaml")).expect("readable");
    let (rules, exceptions) = settings.split_once("overrides:").expect("there are exceptions");
    std::fs::write(linters.file("spectral.yaml"), rules).expect("the folder is writable");
    let found = linters.spectral();
    let excepted = exceptions.split('\'').filter(|name| name.starts_with("owasp:"));
    let in_vain: Vec<&str> = excepted.filter(|name| !found.iter().any(|problem| problem.contains(name))).collect();
    assert_eq!(in_vain, Vec::<&str>::new());
}

#[test]
fn seen_to_fail() {
    let mut changed = document();
    drop(changed.as_object_mut().expect("a map").remove("servers"));
    assert!(Linters::on(&changed).redocly().iter().any(|problem| problem.contains("no-empty-servers")));

    let mut changed = document();
    let name = &mut changed["components"]["schemas"]["Connection"]["properties"]["name"];
    drop(name.as_object_mut().expect("a map").remove("maxLength"));
    assert!(Linters::on(&changed).spectral().iter().any(|problem| problem.contains("string-limit")));
}
