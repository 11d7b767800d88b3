//! Functions that fail during a request: the gateway returns an error, and the next request succeeds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tests::{Emulator, Gateway, Request, Response, eventually, saved_query};
use tokio::time::sleep;

use crate::cloud::Cloud;

/// Environment whose function `upload` has a timeout of 3 s and writes its process id to a file.
struct SupervisedUpload {
    cloud: Cloud,
    token: String,
    pid_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl SupervisedUpload {
    async fn start() -> Self {
        let folder = tests::scratch_dir();
        let pid_file = folder.path().join("pid");
        let run = format!("echo $$ > {}; exec \"$0\"", pid_file.display());
        let change = async |gateway: Gateway, variables: &[(&str, &str)]| {
            let variables = [variables, &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "3")]].concat();
            gateway.with("upload", Emulator::start_wrapped(&["sh", "-c", &run], "upload", &variables).await)
        };
        let cloud = Cloud::start_where(change).await;
        let session = cloud.api.sign_up("ada").await;
        let token = session["token"].as_str().expect("a token").to_owned();
        let upload_function = Self { cloud, token, pid_file, _folder: folder };
        upload_function.assert_upload_succeeds().await;
        upload_function
    }

    async fn upload(&self, query: &str) -> Response {
        let change = json!({ "id": "c1", "item_type": "saved_query", "item_id": "orders", "action": "create",
            "updated_at": "2026-01-01T10:00:00Z", "sync_version": 0, "data": saved_query("Orders", query) });
        let body = json!({ "device_id": "laptop", "changes": [change] });
        self.cloud.api.send(Request::post("/api/sync/upload", &body).bearer(&self.token)).await
    }

    async fn assert_upload_succeeds(&self) {
        let response = self.upload("select 1").await.expect(200);
        assert_eq!(response["applied"][0]["sync_version"], 1, "{response}");
    }

    /// Asserts that the gateway returned a 503, that the log contains `log_entry`, and that the next upload succeeds.
    async fn assert_unavailable(&self, response: &Response, log_entry: &str) {
        response.expect_error(503, "SERVICE_UNAVAILABLE");
        for (name, value) in [("retry-after", "5"), ("cache-control", "no-store"), ("access-control-allow-origin", "*")]
        {
            assert_eq!(response.header(name), Some(value), "{name}");
        }
        let log = || self.cloud.gateway.function("upload").log();
        eventually(log_entry, async || log().contains(log_entry).then_some(())).await;
        self.assert_upload_succeeds().await;
    }
}

fn signal(signal: &str, pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).expect("the process was started");
    let sent = Command::new("kill").args([signal, pid.trim()]).status();
    assert!(sent.expect("kill is installed").success());
}

/// Limits the memory of the process to its current size plus `bytes`.
fn allow_more(bytes: usize, pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).expect("the process was started").trim().to_owned();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is running");
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("the status contains VmData");
    let kilobytes: usize = data.trim_end_matches("kB").trim().parse().expect("a number");
    let limit = format!("--data={}", (kilobytes << 10) + bytes);
    let limited = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(limited.expect("prlimit is installed").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timed_out_function_is_reported_and_restarted() {
    let upload_function = SupervisedUpload::start().await;
    signal("-STOP", &upload_function.pid_file);
    let response = upload_function.upload("select 2").await;
    upload_function.assert_unavailable(&response, "Reset initiated: Timeout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_function_is_reported_and_restarted() {
    let upload_function = SupervisedUpload::start().await;
    signal("-STOP", &upload_function.pid_file);
    let (response, ()) = tokio::join!(upload_function.upload("select 2"), async {
        sleep(Duration::from_millis(500)).await;
        signal("-KILL", &upload_function.pid_file);
    });
    upload_function.assert_unavailable(&response, "signal: killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_out_of_memory_is_reported_and_restarted() {
    let upload_function = SupervisedUpload::start().await;
    // Less memory than an event of 5 MB requires.
    allow_more(1 << 20, &upload_function.pid_file);
    let response = upload_function.upload(&"select 2 ".repeat(600_000)).await;
    upload_function.assert_unavailable(&response, "memory allocation of").await;
}
