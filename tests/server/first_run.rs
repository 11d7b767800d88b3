//! What a person sees who starts the server for the first time: one line for each thing that is wrong.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::{Api, Request, ServerProcess};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::lifecycle::run_with;
use crate::raw_http::{RawRequest, connect};

/// A part of passwords and keys that must not be printed.
const SECRET: &str = "sesame";

/// Starts the server, and waits until it has printed its address.
async fn start(args: &[&str], folder: &Path, settings: &[(&str, &str)]) -> (Child, String) {
    let mut child = Command::new(ServerProcess::binary())
        .args(args)
        .env("DATA_DIR", folder)
        .env("METRICS_LISTEN", "127.0.0.1:0")
        .env("RUST_LOG", "error")
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let stdout = child.stdout.as_mut().expect("the output is piped");
    let mut line = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), BufReader::new(stdout).read_line(&mut line)).await;
    read.expect("the server greets in time").expect("readable output");
    (child, line)
}

async fn signal(child: &Child) {
    let id = child.id().expect("the server runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs").success());
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_wrong_setting_ends_the_start_with_one_line_that_names_it() {
    let folder = tests::scratch_dir();
    for (variable, value) in [
        ("CORS_ORIGINS", "*"),
        ("RATE_LIMITS", "no"),
        ("CONFLICT_STRATEGY", "newest"),
        ("USER_BYTES", "256 MB"),
        ("USER_ITEMS", "0"),
        ("JWT_SECRET", "sesame"),
        ("JWT_SECRET_PREVIOUS", "sesame"),
        ("PUBLIC_URL", "studio.example"),
        ("PUBLIC_URL", "https://studio.example/?a=1"),
        ("PRODUCT_URL", "studio.example"),
        ("MAIL_FROM", "studio"),
        ("METRICS_LISTEN", "here"),
        ("DATABASE_URL", "mysql://ada:sesame@127.0.0.1/studio"),
        ("TURSO_DATABASE_URL", "postgres://ada:sesame@127.0.0.1/studio"),
        ("TURSO_DATABASE_URL", "http://127.0.0.1:1,,http://127.0.0.1:2"),
        ("REDIS_URL", "http://:sesame@127.0.0.1"),
    ] {
        let settings = [(variable, value.to_owned()), ("RESEND_API_KEY", SECRET.to_owned())];
        let settings = if variable == "MAIL_FROM" { &settings[..] } else { &settings[..1] };
        let output = run_with(&["serve", "--listen", "0"], folder.path(), settings).await;
        assert_eq!(output.status.code(), Some(1), "{variable}: {output:?}");
        let error = String::from_utf8(output.stderr).expect("UTF-8 output");
        assert!(error.starts_with(&format!("error: {variable} ")), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains(SECRET), "{error}");
        assert!(output.stdout.is_empty(), "{variable}: the server greeted");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a start that fails leaves nothing");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let file = tests::scratch_dir();
    let path = file.path().join("a-file");
    std::fs::write(&path, "").unwrap();
    let output = run_with(&["serve", "--listen", "0"], &path, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr).expect("UTF-8 output");
    assert!(error.contains(&path.display().to_string()) && error.lines().count() == 1, "{error}");
}

#[tokio::test]
async fn stores_that_cannot_be_used_are_reported_before_the_greeting() {
    let (folder, port) = (tests::scratch_dir(), closed_port());
    let settings = [
        ("DATABASE_URL", format!("postgres://ada:sesame@127.0.0.1:{port}/studio")),
        ("TURSO_DATABASE_URL", format!("http://127.0.0.1:{port}")),
        ("REDIS_URL", format!("redis://:sesame@127.0.0.1:{port}")),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let started = Instant::now();
    let (mut child, greeting) = start(&["--listen", "0"], folder.path(), &settings).await;
    assert!(greeting.contains("listening"), "{greeting}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    child.start_kill().unwrap();
    let mut printed = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut printed).await.unwrap();
    for (variable, _) in settings {
        let warning = format!("warning: {variable}: 127.0.0.1:{port}");
        assert_eq!(printed.lines().filter(|line| line.starts_with(&warning)).count(), 1, "{printed}");
    }
    assert!(!printed.contains(SECRET), "{printed}");
}

#[tokio::test]
async fn commands_name_the_store_that_cannot_be_used() {
    let (folder, port) = (tests::scratch_dir(), closed_port());
    let settings = [("DATABASE_URL", format!("postgres://ada:sesame@127.0.0.1:{port}/studio"))];
    for command in ["migrate", "purge", "invalidate-cursors"] {
        let output = run_with(&[command], folder.path(), &settings).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8(output.stderr).expect("UTF-8 output");
        assert!(error.starts_with(&format!("error: DATABASE_URL: 127.0.0.1:{port}/studio: ")), "{error}");
        assert!(error.lines().count() == 1 && !error.contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn migrate_names_the_direct_connection_that_it_uses() {
    let (folder, port) = (tests::scratch_dir(), closed_port());
    let url = |port| format!("postgres://ada:sesame@127.0.0.1:{port}/studio");
    let settings = [("DATABASE_URL", url(1)), ("DATABASE_URL_DIRECT", url(port))];
    let output = run_with(&["migrate"], folder.path(), &settings).await;
    let error = String::from_utf8(output.stderr).expect("UTF-8 output");
    assert!(error.starts_with(&format!("error: DATABASE_URL_DIRECT: 127.0.0.1:{port}/studio: ")), "{error}");
    let output = run_with(&["purge"], folder.path(), &settings).await;
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: DATABASE_URL: 127.0.0.1:1/"), "{output:?}");
}

#[tokio::test]
async fn a_purge_without_data_is_an_error() {
    let folder = tests::scratch_dir();
    let output = run_with(&["purge"], folder.path(), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data"), "{output:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_misspelled_level_of_the_log_is_reported() {
    let folder = tests::scratch_dir();
    let settings = [("RUST_LOG", "inof".to_owned())];
    let output = run_with(&["migrate"], folder.path(), &settings).await;
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUST_LOG is \\\"inof\\\""), "{output:?}");
}

#[tokio::test]
async fn other_users_of_the_machine_cannot_read_the_data_folder() {
    let parent = tests::scratch_dir();
    let folder = parent.path().join("data");
    let output = run_with(&["migrate"], &folder, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_port_alone_is_one_of_this_machine() {
    let (folder, port) = (tests::scratch_dir(), closed_port());
    let (_child, greeting) = start(&["--listen", &port.to_string()], folder.path(), &[]).await;
    assert!(greeting.contains(&format!("http://127.0.0.1:{port}")), "{greeting}");
    Api::at(&format!("http://127.0.0.1:{port}")).send(Request::get("/health")).await.expect(200);
}

#[tokio::test]
async fn a_second_signal_stops_the_server_at_once() {
    let folder = tests::scratch_dir();
    let (mut child, greeting) = start(&["--listen", "0"], folder.path(), &[]).await;
    let base = greeting.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    // A request whose body never arrives delays a graceful stop.
    let bytes = RawRequest::new("POST", "/api/auth/login").header("content-length", "10").bytes();
    let mut connection = connect(base).await;
    connection.write_all(&bytes).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&child).await;
    let waited = tokio::time::timeout(Duration::from_millis(500), child.wait()).await;
    assert!(waited.is_err(), "the first signal waits for the request");
    signal(&child).await;
    let ended = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
    ended.expect("the second signal ends the server").expect("an exit status");
}

#[tokio::test]
async fn output_into_a_closed_pipe_is_no_error() {
    let mut child = Command::new(ServerProcess::binary())
        .arg("openapi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn pseudonym_generates_no_key() {
    let folder = tests::scratch_dir();
    let user = "018f0000-0000-7000-8000-000000000000";
    let output = run_with(&["pseudonym", user], folder.path(), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr).expect("UTF-8 output");
    assert!(error.contains("JWT_SECRET") && error.contains("--data"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
