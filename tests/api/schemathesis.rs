//! The API tested against its own OpenAPI document by schemathesis: generated requests, valid and invalid, get the documented
//! responses. `tests/schemathesis` covers what JSON Schema cannot express.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::{Request, ServerProcess, scratch_dir};

use crate::project;

/// A server, and a folder for the files of a run.
struct Trial {
    server: ServerProcess,
    folder: tempfile::TempDir,
}

impl Trial {
    async fn start() -> Self {
        let folder = scratch_dir();
        Self { server: ServerProcess::start(&folder.path().join("data")).await, folder }
    }

    /// Returns the report of schemathesis about the server and the document at `document`, if it finds anything.
    async fn run(&self, document: &str, signed_in: bool, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(project().join("target/tools/schemathesis/bin/schemathesis"));
        command.current_dir(self.folder.path());
        command.env("SCHEMATHESIS_HOOKS", project().join("tests/schemathesis/hooks.py"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        if signed_in {
            command.env("SIGN_UP_AT", &self.server.base_url);
        }
        command.arg("--config-file").arg(project().join("tests/schemathesis/schemathesis.toml"));
        command
            .args(["run", document, "--url", &self.server.base_url, "--checks", "all", "--no-color"])
            .args(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it is waited for");
        let output = ran.expect("it runs: `tests/run api` brings it");
        let report = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (!output.status.success()).then_some(report)
    }

    /// Asserts that schemathesis finds nothing with the document that the server itself returns.
    async fn find_nothing(&self, signed_in: bool, arguments: &[&str]) {
        let report = self.run(&format!("{}/openapi.json", self.server.base_url), signed_in, arguments).await;
        assert!(report.is_none(), "{}", report.unwrap_or_default());
    }

    /// Writes the server's document after `change` into a file.
    async fn changed(&self, change: fn(&mut Value)) -> PathBuf {
        let mut document = self.server.api.send(Request::get("/openapi.json")).await.expect(200);
        change(&mut document);
        let file = self.folder.path().join("openapi.json");
        std::fs::write(&file, document.to_string()).expect("it can be written");
        file
    }
}

#[tokio::test]
async fn who_is_signed_in_is_answered_as_documented() {
    Trial::start().await.find_nothing(true, &["--phases", "coverage,fuzzing"]).await;
}

#[tokio::test]
async fn what_an_answer_leads_to_is_answered_as_documented() {
    Trial::start().await.find_nothing(true, &["--phases", "stateful"]).await;
}

#[tokio::test]
async fn who_is_not_signed_in_is_answered_as_documented() {
    // Warnings would say that operations with a token got no further than 401.
    let arguments = ["--phases", "fuzzing", "--warnings", "off"];
    Trial::start().await.find_nothing(false, &arguments).await;
}

/// A path of the document, a phase, the failure that is found there, and the change to the document that causes it.
type Break = (&'static str, &'static str, &'static str, fn(&mut Value));

/// Wrong documents are detected.
#[tokio::test]
async fn seen_to_fail() {
    let trial = Trial::start().await;
    let changes: [Break; 4] = [
        ("/health", "coverage", "Response violates schema", |document| {
            document["components"]["schemas"]["Alive"]["properties"]["version"]["type"] = "integer".into();
        }),
        ("/api/auth/login", "coverage", "Undocumented status code", |document| {
            let responses = &mut document["paths"]["/api/auth/login"]["post"]["responses"];
            drop(responses.as_object_mut().expect("a map").remove("401"));
        }),
        ("/api/sync/download", "coverage", "Schema-violating request accepted", |document| {
            document["components"]["schemas"]["DeviceId"]["maxLength"] = 10.into();
        }),
        ("/api/sync/upload", "fuzzing", "changes_are_accepted_as_documented", |document| {
            let actions = &mut document["components"]["schemas"]["Action"]["enum"];
            actions.as_array_mut().expect("a list").push("archive".into());
        }),
    ];
    for (path, phase, failure, change) in changes {
        let file = trial.changed(change).await;
        let document = file.to_str().expect("a path that is text");
        let arguments = ["--include-path", path, "--phases", phase, "--warnings", "off", "--no-shrink"];
        let report = trial.run(document, true, &arguments).await;
        assert!(report.as_ref().is_some_and(|report| report.contains(failure)), "{path}: {report:?}");
    }
}
