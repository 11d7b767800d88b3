//! Functions that come to their end amid a request: the gateway says so, and the next request is answered.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tests::{Answer, Call, Emulator, Gateway, eventually, saved_query};
use tokio::time::sleep;

use crate::cloud::Cloud;

/// A cloud whose `upload` has 3 s and is run by the command `by`; and an access token.
async fn cloud(by: &[&str]) -> (Cloud, String) {
    let change = async |gateway: Gateway, variables: &[(&str, &str)]| {
        let variables = [variables, &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "3")]].concat();
        gateway.with("upload", Emulator::start_by(by, "upload", &variables).await)
    };
    let cloud = Cloud::start_where(change).await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token").to_owned();
    (cloud, token)
}

/// Runs a function that leaves its number in `file`, to be sent signals.
fn numbered(file: &Path) -> [String; 3] {
    ["sh".to_owned(), "-c".to_owned(), format!("echo $$ > {}; exec \"$0\"", file.display())]
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

fn upload(token: &str, query: &str) -> Call {
    let change = json!({ "id": "c1", "item_type": "saved_query", "item_id": "orders", "action": "create",
        "updated_at": "2026-01-01T10:00:00Z", "sync_version": 0, "data": saved_query("Orders", query) });
    let body = json!({ "device_id": "laptop", "changes": [change] });
    Call::post("/api/sync/upload", &body).bearer(token)
}

/// Looks at what the gateway says in place of a function, and that the function had the end that the log tells of.
async fn speaks_for_the_function(answer: &Answer, cloud: &Cloud, end: &str) {
    answer.refused(503, "SERVICE_UNAVAILABLE");
    for (name, value) in [("retry-after", "5"), ("cache-control", "no-store"), ("access-control-allow-origin", "*")] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let log = || cloud.gateway.function("upload").log();
    eventually(end, async || log().contains(end).then_some(())).await;
}

async fn goes_on(cloud: &Cloud, token: &str) {
    let answer = cloud.api.send(upload(token, "select 1")).await.expect(200);
    assert_eq!(answer["applied"][0]["sync_version"], 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_out_of_time() {
    let folder = tests::scratch();
    let number = folder.path().join("number");
    let (cloud, token) = cloud(&numbered(&number).each_ref().map(String::as_str)).await;
    goes_on(&cloud, &token).await;
    signal("-STOP", &number);
    let answer = cloud.api.send(upload(&token, "select 2")).await;
    speaks_for_the_function(&answer, &cloud, "Reset initiated: Timeout").await;
    goes_on(&cloud, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed() {
    let folder = tests::scratch();
    let number = folder.path().join("number");
    let (cloud, token) = cloud(&numbered(&number).each_ref().map(String::as_str)).await;
    goes_on(&cloud, &token).await;
    signal("-STOP", &number);
    let (answer, ()) = tokio::join!(cloud.api.send(upload(&token, "select 2")), async {
        sleep(Duration::from_millis(500)).await;
        signal("-KILL", &number);
    });
    speaks_for_the_function(&answer, &cloud, "signal: killed").await;
    goes_on(&cloud, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_out_of_memory() {
    let folder = tests::scratch();
    let number = folder.path().join("number");
    let (cloud, token) = cloud(&numbered(&number).each_ref().map(String::as_str)).await;
    goes_on(&cloud, &token).await;
    // Less than what an event of 5 MB takes.
    allow_more(1 << 20, &number);
    let big = "select 2 ".repeat(600_000);
    let answer = cloud.api.send(upload(&token, &big)).await;
    speaks_for_the_function(&answer, &cloud, "memory allocation of").await;
    goes_on(&cloud, &token).await;
}
