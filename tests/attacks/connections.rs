//! More connections than the server has descriptors for, and connections that stay open. Against the server binary.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::{Api, PASSWORD, Request, ServerProcess, scratch_dir, try_login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;

/// Files and connections that the server can open.
const DESCRIPTORS: u32 = 64;

/// More connections than that.
const CONNECTIONS: usize = 70;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const HEAD: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF_BODY: &str =
    "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

/// Time within which requests are answered, even on a machine that is busy with other tests.
const PROMPT: Duration = Duration::from_secs(10);

/// Server with few descriptors.
struct Target {
    server: ServerProcess,
    _folder: TempDir,
}

impl Target {
    async fn start() -> Self {
        let folder = scratch_dir();
        let settings = [("RATE_LIMITS", "off")];
        let server = ServerProcess::start_with_descriptors(DESCRIPTORS, folder.path(), &settings).await;
        Self { server, _folder: folder }
    }

    /// Changes the number of files and connections that the running server can open.
    async fn limit_descriptors(&self, descriptors: u32) {
        let pid = self.server.pid().to_string();
        let limit = format!("--nofile={descriptors}:");
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().await;
        assert!(status.expect("prlimit runs").success());
    }

    /// Opens a connection from the address `from`, and sends `bytes`.
    async fn connect(&self, from: Ipv4Addr, bytes: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("an address of this machine");
        let server: SocketAddr = self.server.base_url.trim_start_matches("http://").parse().expect("an address");
        let mut stream = socket.connect(server).await.expect("the system accepts connections");
        // The server may have closed the connection.
        stream.write_all(bytes.as_bytes()).await.ok();
        stream
    }

    /// Opens [`CONNECTIONS`] connections from one address, and sends `bytes` over each.
    async fn flood(&self, bytes: &str) -> Vec<TcpStream> {
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            streams.push(self.connect(ATTACKER, bytes).await);
        }
        streams
    }

    /// Asserts that a user at `address` can connect, sign up and log in.
    async fn assert_serves(&self, address: Ipv4Addr) {
        let name = format!("user{}", address.octets()[3]);
        let requests = async {
            let api = Api::from_address(&self.server.base_url, IpAddr::V4(address));
            api.sign_up(&name).await;
            try_login(&api, &name, PASSWORD).await.expect(200);
            api.send(Request::get("/ready")).await.expect(200);
        };
        tokio::time::timeout(PROMPT, requests).await.expect("the server answers in time");
    }
}

/// Reads until the server closes or resets the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
    reading.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn idle_connections_do_not_exhaust_descriptors() {
    let target = Target::start().await;
    let idle = target.flood("").await;
    target.assert_serves(ATTACKER).await;
    target.assert_serves(OTHER).await;
    drop(idle);
}

#[tokio::test]
async fn connections_that_were_used_once_do_not_exhaust_descriptors() {
    let target = Target::start().await;
    let idle = target.flood(HEAD).await;
    target.assert_serves(ATTACKER).await;
    target.assert_serves(OTHER).await;
    drop(idle);
}

#[tokio::test]
async fn incomplete_heads_do_not_exhaust_descriptors() {
    let target = Target::start().await;
    let incomplete = target.flood("GET /health HTTP/1.1\r\nHo").await;
    target.assert_serves(ATTACKER).await;
    target.assert_serves(OTHER).await;
    drop(incomplete);
}

/// No address has many connections.
#[tokio::test]
async fn idle_connections_from_many_addresses_do_not_exhaust_descriptors() {
    let target = Target::start().await;
    let mut idle = Vec::new();
    for host in 0..CONNECTIONS {
        let address = Ipv4Addr::new(127, 0, 1, u8::try_from(host).expect("a small number"));
        idle.push(target.connect(address, "").await);
    }
    target.assert_serves(ATTACKER).await;
    target.assert_serves(OTHER).await;
}

/// A request is only in progress when its body is complete.
#[tokio::test]
async fn incomplete_bodies_do_not_exhaust_descriptors_and_end_with_408() {
    let target = Target::start().await;
    let mut incomplete = target.flood(HALF_BODY).await;
    target.assert_serves(OTHER).await;
    target.assert_serves(ATTACKER).await;
    let last = incomplete.last_mut().expect("there are some");
    last.write_all(b" ").await.ok();
    let mut patient = target.connect(Ipv4Addr::new(127, 0, 0, 9), HALF_BODY).await;
    let response = read_to_end(&mut patient).await;
    assert!(response.starts_with("HTTP/1.1 408 ") && response.contains(r#""code":"REQUEST_TIMEOUT""#), "{response}");
    for stream in &mut incomplete {
        let response = read_to_end(stream).await;
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 408 "), "{response}");
    }
}

/// Enough addresses to fill all places, each with incomplete bodies.
#[tokio::test]
async fn incomplete_bodies_from_many_addresses_do_not_exhaust_descriptors() {
    let target = Target::start().await;
    let mut incomplete = Vec::new();
    for host in 0..8 {
        for _ in 0..CONNECTIONS / 8 {
            incomplete.push(target.connect(Ipv4Addr::new(127, 0, 2, host), HALF_BODY).await);
        }
    }
    target.assert_serves(OTHER).await;
}

#[tokio::test]
async fn connections_without_requests_end_after_30_seconds() {
    let target = Target::start().await;
    let started = Instant::now();
    let (mut idle, mut incomplete, mut used) =
        tokio::join!(target.connect(OTHER, ""), target.connect(OTHER, "GET /hea"), target.connect(OTHER, HEAD));
    let (of_idle, of_incomplete, of_used) =
        tokio::join!(read_to_end(&mut idle), read_to_end(&mut incomplete), read_to_end(&mut used));
    let took = started.elapsed().as_secs();
    assert!((28..40).contains(&took), "{took} s");
    assert_eq!((of_idle.as_str(), of_incomplete.as_str()), ("", ""));
    assert!(of_used.starts_with("HTTP/1.1 200 "), "{of_used}");
    target.assert_serves(OTHER).await;
}

/// No descriptor is free, because other parts of the process have used up the reserve.
#[tokio::test]
async fn connections_are_accepted_again_when_there_are_descriptors() {
    let target = Target::start().await;
    target.limit_descriptors(8).await;
    let mut stream = target.connect(OTHER, HEAD).await;
    let mut byte = [0];
    let reading = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut byte)).await;
    assert!(reading.is_err(), "the server has no descriptor for a connection");
    target.limit_descriptors(DESCRIPTORS).await;
    let reading = tokio::time::timeout(PROMPT, stream.read(&mut byte)).await;
    assert_eq!(reading.expect("the server answers in time").expect("the connection is open"), 1);
    target.assert_serves(OTHER).await;
}
