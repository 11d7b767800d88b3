//! The npm package: its sources, types, bundles and reference, and that its users can install and run it: `test/package` in the SDK's
//! folder. `tests/run` builds the package first.

use std::time::Duration;

use tests::ServerProcess;

use crate::node;

/// Time that a script may take. Compilers take most of it.
const DEADLINE: Duration = Duration::from_secs(180);

/// Runs a script of `test/package`.
async fn check(script: &str, arguments: &[&str]) {
    let script = format!("test/package/{script}.ts");
    assert!(node::run(&script, arguments, &[], DEADLINE).await, "{script} failed; its output is above");
}

#[tokio::test]
async fn sources_compile_and_generated_files_are_up_to_date() {
    check("sources", &[]).await;
}

#[tokio::test]
async fn types_of_the_installed_package_refuse_mistakes() {
    check("types", &[]).await;
}

#[tokio::test]
async fn bundles_are_small() {
    check("bundles", &[]).await;
}

#[tokio::test]
async fn everything_exported_is_documented() {
    check("reference", &[]).await;
}

#[tokio::test]
async fn two_processes_sync_with_the_installed_package() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    check("installed", &[&server.base_url]).await;
}
