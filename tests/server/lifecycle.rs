//! Start, shutdown, and the other commands of the binary.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::json;
use shared::clock::{Clock, SystemClock};
use shared::storage::libsql::{EMBEDDED, SYNC};
use shared::storage::postgres::MIGRATIONS;
use tests::{Backends, Device, PostgresServer, Request, ServerProcess, Sqld, saved_query};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::checks::assert_healthy;
use crate::raw_http::{RawRequest, connect, parse_response, read_all};
use crate::routes::upload;
use crate::target::{sign_up, text};

/// Long enough for the server to receive data, or to stop too early.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs the binary until it ends, on the stores of the data folder `folder`.
pub(crate) async fn run(args: &[&str], folder: &Path) -> Output {
    run_with(args, folder, &Backends::for_folder(folder).await.settings).await
}

/// Runs the binary until it ends, with these settings.
pub(crate) async fn run_with(args: &[&str], folder: &Path, settings: &[(&str, String)]) -> Output {
    let mut command = Command::new(ServerProcess::binary());
    command.args(args).env("DATA_DIR", folder).env("RUST_LOG", "warn").kill_on_drop(true);
    let running = command.envs(settings.iter().map(|(name, value)| (name, value))).output();
    tokio::time::timeout(Duration::from_secs(30), running)
        .await
        .expect("the command ends in time")
        .expect("the command runs")
}

#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8 output")
}

#[tokio::test]
async fn shutdown_completes_uploads_in_flight() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let (base, token) = (server.base_url.clone(), sign_up(&server.api, "ada").await);
    let request = RawRequest::new("POST", "/api/sync/upload").bearer(Some(&token)).json(upload().to_string()).bytes();
    let (first, second) = request.split_at(request.len() - 100);
    let mut stream = connect(&base).await;
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(PAUSE).await;

    let client = async {
        tokio::time::sleep(PAUSE).await;
        stream.write_all(second).await.expect("the server reads the rest of the request");
        read_all(&mut stream).await
    };
    let (exited_cleanly, response) = tokio::join!(server.stop(), client);
    assert!(exited_cleanly);
    let response = parse_response(&response, false).expect("a response").expect(200);
    assert_eq!(response["success"], true, "{response}");

    let server = ServerProcess::start(folder.path()).await;
    let mut device = Device::new(&server.api, &token, "phone");
    device.download().await;
    assert!(device.visible_data("saved_query", "q").is_some());
}

#[tokio::test]
async fn stopped_server_refuses_connections() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let api = server.api.clone();
    assert_healthy(&api).await;
    assert!(server.stop().await);
    assert!(api.try_send(Request::get("/health")).await.is_none());
}

#[tokio::test]
async fn idle_connection_does_not_delay_shutdown() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let _idle = connect(&server.base_url).await;
    assert_healthy(&server.api).await;
    let started = std::time::Instant::now();
    assert!(server.stop().await);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn data_and_sessions_survive_restarts() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let token = sign_up(&server.api, "ada").await;
    let mut laptop = Device::new(&server.api, &token, "laptop");
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), SystemClock.now());
    laptop.sync().await;
    assert!(server.stop().await);
    for _ in 0..2 {
        let server = ServerProcess::start(folder.path()).await;
        let mut phone = Device::new(&server.api, &token, "phone");
        phone.download().await;
        assert_eq!(phone.known, laptop.known);
        phone.since = laptop.since.clone();
        assert_eq!(phone.download().await["reset"], false);
        assert!(server.stop().await);
    }
}

#[tokio::test]
async fn two_servers_can_share_a_data_folder() {
    let folder = tests::scratch_dir();
    let first = ServerProcess::start(folder.path()).await;
    let token = sign_up(&first.api, "ada").await;
    let second = ServerProcess::start(folder.path()).await;
    let mut devices = [Device::new(&first.api, &token, "first"), Device::new(&second.api, &token, "second")];
    for round in 0..10 {
        let [one, other] = &mut devices;
        for device in [&mut *one, &mut *other] {
            let id = format!("{}-{round}", device.id);
            device.write("saved_query", &id, saved_query(&id, "select 1"), SystemClock.now());
        }
        let (response, another) = tokio::join!(one.upload(), other.upload());
        assert_eq!((&response["success"], &another["success"]), (&json!(true), &json!(true)));
    }
    for device in &mut devices {
        device.download().await;
        assert_eq!(device.known.len(), 20);
    }
}

#[tokio::test]
async fn port_is_printed_and_a_port_in_use_is_an_error() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let port = server.base_url.rsplit_once(':').expect("a port").1;
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{}", server.base_url);
    assert_healthy(&server.api).await;

    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _listener = TcpListener::bind(address).unwrap();
    let other = tests::scratch_dir();
    let output = run(&["serve", "--listen", &address.to_string()], other.path()).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address.to_string()), "{output:?}");
}

#[tokio::test]
async fn migrate_applies_each_migration_once() {
    let folder = tests::scratch_dir();
    let (sqld, postgres) = (Sqld::start().await, PostgresServer::shared().await.database().await);
    let servers = [("DATABASE_URL", postgres), ("TURSO_DATABASE_URL", sqld.url())];
    // Sessions stay in the embedded file.
    let (sync, file, users) = (SYNC.len(), EMBEDDED.len(), MIGRATIONS.iter().count());
    for (settings, steps) in [(&[][..], sync + file), (&servers, sync + users)] {
        let first = stdout(&run_with(&["migrate"], folder.path(), settings).await);
        assert!(first.starts_with(&format!("{steps} migrations applied")), "{first}");
        let again = stdout(&run_with(&["migrate"], folder.path(), settings).await);
        assert!(again.starts_with("0 migrations applied"), "{again}");
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = ServerProcess::start_with(folder.path(), &settings).await;
        sign_up(&server.api, "ada").await;
    }
}

#[tokio::test]
async fn purge_removes_old_tombstones() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let token = sign_up(&server.api, "ada").await;
    let mut laptop = Device::new(&server.api, &token, "laptop");
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), SystemClock.now());
    laptop.write("saved_query", "kept", saved_query("kept", "select 2"), SystemClock.now());
    laptop.sync().await;
    let before = laptop.since.clone();
    laptop.delete("saved_query", "q", SystemClock.now());
    laptop.sync().await;

    let early = stdout(&run(&["purge"], folder.path()).await);
    assert!(early.contains("Purged 0 deleted items"), "{early}");
    let in_31_days = SystemClock.now().plus_seconds(31 * 24 * 3_600).to_string();
    let due = stdout(&run(&["purge", "--now", &in_31_days], folder.path()).await);
    assert!(due.contains("Purged 1 deleted items"), "{due}");

    // The purge also removed the session, which had expired by then. Sessions in Redis expire by the real clock.
    if Backends::for_folder(folder.path()).await.settings.is_empty() {
        server.api.send(Request::get("/api/sync/status").bearer(&token)).await.expect_error(401, "UNAUTHORIZED");
    }
    let login = json!({ "username": "ada", "password": "Sesame42" });
    let token = text(&server.api.send(Request::post("/api/auth/login", &login)).await.expect(200)["token"]);
    let mut phone = Device::new(&server.api, &token, "phone");
    phone.since = before;
    assert_eq!(phone.download().await["reset"], true);
    assert_eq!(phone.known.len(), 1);
    assert!(phone.visible_data("saved_query", "kept").is_some());
}

#[tokio::test]
async fn openapi_prints_the_committed_document() {
    let folder = tests::scratch_dir();
    let printed = stdout(&run(&["openapi"], folder.path()).await);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/health/openapi.json");
    assert!(
        printed == std::fs::read_to_string(committed).unwrap(),
        "run `local openapi > functions/health/openapi.json`"
    );
}

#[tokio::test]
async fn invalid_arguments_are_rejected_without_side_effects() {
    let folder = tests::scratch_dir();
    for args in [
        &["erase"][..],
        &["purge", "--now", "yesterday"],
        &["serve", "--listen", "here"],
        &["migrate", "x"],
        &["invalidate-cursors", "x"],
    ] {
        let output = run(args, folder.path()).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
