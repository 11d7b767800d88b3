//! Behaviour of the SDK in Node.js: the tests in `test/*.test.ts` in the SDK's folder, against one server without rate limits, and the live
//! replications of RxDB and WatermelonDB.

use std::time::Duration;

use tests::ServerProcess;

use crate::node;

/// Time that the tests of all files may take.
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn clients_stores_and_adapters_behave_as_documented() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let outbox = folder.path().join("outbox").display().to_string();
    let environment = [("SERVICE_URL", server.base_url.clone()), ("SERVICE_OUTBOX", outbox)];
    let arguments = ["--test-concurrency=2", "--test-reporter=dot", "test/*.test.ts"];
    assert!(node::run("--test", &arguments, &environment, DEADLINE).await, "a test failed; its output is above");
}

#[tokio::test]
async fn live_replications_lose_no_document() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let environment = [("SERVICE_URL", server.base_url.clone())];
    assert!(node::run("test/adapters.live.ts", &[], &environment, DEADLINE).await, "documents were lost; see above");
}
