//! Functions that come to their end amid a request: the gateway says so, and the next request is answered.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tests::{Answer, Call, Emulator, Gateway, eventually, saved_query};
use tokio::time::sleep;

use crate::cloud::Cloud;

/// A cloud whose `upload` has 3 s, and the number of its process in a file, to be sent signals.
struct Trouble {
    cloud: Cloud,
    token: String,
    number: PathBuf,
    _folder: tempfile::TempDir,
}

impl Trouble {
    async fn start() -> Self {
        let folder = tests::scratch();
        let number = folder.path().join("number");
        let run = format!("echo $$ > {}; exec \"$0\"", number.display());
        let change = async |gateway: Gateway, variables: &[(&str, &str)]| {
            let variables = [variables, &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "3")]].concat();
            gateway.with("upload", Emulator::start_by(&["sh", "-c", &run], "upload", &variables).await)
        };
        let cloud = Cloud::start_where(change).await;
        let session = cloud.api.sign_up("ada").await;
        let token = session["token"].as_str().expect("a token").to_owned();
        let trouble = Self { cloud, token, number, _folder: folder };
        trouble.goes_on().await;
        trouble
    }

    async fn upload(&self, query: &str) -> Answer {
        let change = json!({ "id": "c1", "item_type": "saved_query", "item_id": "orders", "action": "create",
            "updated_at": "2026-01-01T10:00:00Z", "sync_version": 0, "data": saved_query("Orders", query) });
        let body = json!({ "device_id": "laptop", "changes": [change] });
        self.cloud.api.send(Call::post("/api/sync/upload", &body).bearer(&self.token)).await
    }

    async fn goes_on(&self) {
        let answer = self.upload("select 1").await.expect(200);
        assert_eq!(answer["applied"][0]["sync_version"], 1, "{answer}");
    }

    /// Looks at what the gateway says in place of a function, and that the function had the end that the log tells of.
    async fn is_told(&self, answer: &Answer, end: &str) {
        answer.refused(503, "SERVICE_UNAVAILABLE");
        for (name, value) in [("retry-after", "5"), ("cache-control", "no-store"), ("access-control-allow-origin", "*")]
        {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let log = || self.cloud.gateway.function("upload").log();
        eventually(end, async || log().contains(end).then_some(())).await;
        self.goes_on().await;
    }
}

fn signal(signal: &str, file: &Path) {
    let process = std::fs::read_to_string(file).expect("it was started");
    let sent = Command::new("kill").args([signal, process.trim()]).status();
    assert!(sent.expect("there is a kill").success());
}

/// Lets a function have so many bytes more than it has.
fn allow_more(bytes: usize, file: &Path) {
    let process = std::fs::read_to_string(file).expect("it was started").trim().to_owned();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("it has memory");
    let kilobytes: usize = data.trim_end_matches("kB").trim().parse().expect("a number");
    let limit = format!("--data={}", (kilobytes << 10) + bytes);
    let limited = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(limited.expect("there is a prlimit").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_out_of_time() {
    let trouble = Trouble::start().await;
    signal("-STOP", &trouble.number);
    let answer = trouble.upload("select 2").await;
    trouble.is_told(&answer, "Reset initiated: Timeout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed() {
    let trouble = Trouble::start().await;
    signal("-STOP", &trouble.number);
    let (answer, ()) = tokio::join!(trouble.upload("select 2"), async {
        sleep(Duration::from_millis(500)).await;
        signal("-KILL", &trouble.number);
    });
    trouble.is_told(&answer, "signal: killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_out_of_memory() {
    let trouble = Trouble::start().await;
    // Less than what an event of 5 MB takes.
    allow_more(1 << 20, &trouble.number);
    let answer = trouble.upload(&"select 2 ".repeat(600_000)).await;
    trouble.is_told(&answer, "memory allocation of").await;
}
