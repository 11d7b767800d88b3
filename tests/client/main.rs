//! A client that is generated from the OpenAPI document, as a running server gives it. What two devices of a user go
//! through is written with its types alone, without a cast: so whatever the document lacks is found when they are
//! checked, and wherever it is wrong when it is run.

use std::path::Path;

use tests::ServerProcess;
use tokio::process::Command;

#[tokio::test]
async fn two_devices_by_a_generated_client() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let document = format!("{}/openapi.json", server.base_url);
    node(&["node_modules/openapi-typescript/bin/cli.js", &document, "--output", "api.d.ts"]).await;
    node(&["node_modules/typescript/bin/tsc", "--project", "../../tests/client", "--noEmit", "false"]).await;
    node(&["build/story.js", &server.base_url]).await;
}

/// Runs a script in `target/client`, where `tests/run` has put the packages.
async fn node(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/client");
    let ran = Command::new("node").args(arguments).current_dir(folder).output().await;
    let ran = ran.expect("Node.js runs, and tests/run has brought the packages");
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}
