//! The script of the template's canary, which calls `/ready` of a deployed service.

use tests::{ServerProcess, Template};
use tokio::process::Command;

/// Runs the script as CloudWatch Synthetics does: it calls the handler, which fails by throwing. Returns the error if it throws.
async fn run(url: &str) -> Result<(), String> {
    let (_, canary) =
        Template::project().resources("AWS::Synthetics::Canary").next().expect("the template has a canary");
    let code = &canary["Properties"]["Code"];
    assert_eq!(code["Handler"], "index.handler");
    let folder = tests::scratch_dir();
    let script = code["Script"].as_str().expect("the script is part of the template");
    std::fs::write(folder.path().join("index.js"), script).expect("the folder is writable");
    let mut node = Command::new("node");
    node.args(["--eval", "require('./index.js').handler()"]).current_dir(folder.path());
    let output = node.env("READY_URL", format!("{url}/ready")).output().await.expect("Node.js is installed");
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn the_canary_of_the_template_fails_if_a_store_is_unreachable() {
    let (healthy, broken) = (tests::scratch_dir(), tests::scratch_dir());
    let (healthy, broken) = tokio::join!(
        ServerProcess::start(healthy.path()),
        ServerProcess::start_with(broken.path(), &[("REDIS_URL", "redis://127.0.0.1:1")]),
    );
    assert_eq!(run(&healthy.base_url).await, Ok(()));
    let error = run(&broken.base_url).await.expect_err("the service is not ready");
    assert!(error.contains("/ready responded with 503") && error.contains("SERVICE_UNAVAILABLE"), "{error}");
    let error = run("http://127.0.0.1:1").await.expect_err("nothing listens there");
    assert!(error.contains("fetch failed"), "{error}");
}
