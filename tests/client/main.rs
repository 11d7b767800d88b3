//! Test of a client that is generated from the OpenAPI document of a running server. The scenario of two devices uses
//! the generated types without casts: type checking detects what the document lacks, and running it detects what is
//! wrong.

mod ready_canary;

use std::path::Path;

use tests::ServerProcess;
use tokio::process::Command;

#[tokio::test]
async fn two_devices_sync_with_a_generated_client() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let document = format!("{}/openapi.json", server.base_url);
    node(&["node_modules/openapi-typescript/bin/cli.js", &document, "--output", "api.d.ts"]).await;
    node(&["node_modules/typescript/bin/tsc", "--project", "../../tests/client", "--noEmit", "false"]).await;
    node(&["build/story.js", &server.base_url]).await;
}

/// Runs a script in `target/client`, where `tests/run` installs the packages.
async fn node(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/client");
    let ran = Command::new("node").args(arguments).current_dir(folder).output().await;
    let ran = ran.expect("Node.js is installed, and tests/run has installed the packages");
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}
