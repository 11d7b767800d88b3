//! Restarts of servers, on the same port and with the same data.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{PostgresServer, RedisServer, Server, Sqld, free_port};

/// Kind of shutdown before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// By the signal for a graceful shutdown.
    Graceful,
    /// By SIGKILL.
    Kill,
}

impl Shutdown {
    fn signal(self, graceful: &'static str) -> &'static str {
        if self == Self::Kill { "KILL" } else { graceful }
    }
}

impl Server {
    /// Stops the server by `signal`, and waits until it accepts no connections.
    async fn stop(&mut self, signal: &str) {
        self.command(signal).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            assert!(Instant::now() < deadline, "{signal} does not stop the server: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops the server by `signal`, and starts the same command again after a downtime of `down`.
    async fn restart(&mut self, signal: &str, down: Duration) {
        self.stop(signal).await;
        sleep(down).await;
        self.command("start").await;
    }

    /// Sends a command to `tests/supervise`: `start`, or the name of a signal that stops the server.
    async fn command(&mut self, word: &str) {
        let line = format!("{word}\n");
        self.supervisor.write_all(line.as_bytes()).await.expect("tests/supervise reads its input");
    }
}

impl Sqld {
    /// Starts a server that can be restarted: no connection takes its port during the downtime.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_restartable() -> Self {
        Self::start_at(free_port(), "").await
    }

    /// Stops the server, and starts it again after a downtime of `down`.
    ///
    /// # Panics
    /// If the server does not stop or does not start again.
    pub async fn restart(&mut self, shutdown: Shutdown, down: Duration) {
        self.0.restart(shutdown.signal("TERM"), down).await;
        self.wait_until_ready().await;
    }
}

impl RedisServer {
    /// Starts a server that can be restarted and persists every write before it responds.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_restartable() -> Self {
        Self::start_at(free_port(), "--appendonly yes --appendfsync always").await
    }

    /// Stops the server, and starts it again after a downtime of `down`.
    ///
    /// # Panics
    /// If the server does not stop or does not start again.
    pub async fn restart(&mut self, shutdown: Shutdown, down: Duration) {
        self.0.restart(shutdown.signal("TERM"), down).await;
        self.wait_until_ready().await;
    }

    /// Kills the server. It does not start again.
    pub(super) async fn kill(&mut self) {
        self.0.stop("KILL").await;
    }
}

impl PostgresServer {
    /// Starts a separate server that can be restarted.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub async fn start_restartable() -> Self {
        Self::start_at(free_port(), "", "").await
    }

    /// Stops the server, and starts it again after a downtime of `down`.
    ///
    /// # Panics
    /// If the server does not stop or does not start again.
    pub async fn restart(&mut self, shutdown: Shutdown, down: Duration) {
        // On SIGTERM PostgreSQL would wait until all clients have disconnected.
        self.0.restart(shutdown.signal("INT"), down).await;
        self.wait_until_ready().await;
    }
}
