//! Servers that are ended and started again, where they were and with what they held.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{PostgresServer, RedisServer, Server, Sqld, low_port};

/// How a server is ended before it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By the signal at which it puts its things in order.
    Orderly,
    /// By SIGKILL.
    Killed,
}

impl Ending {
    fn signal(self, orderly: &'static str) -> &'static str {
        if self == Self::Killed { "KILL" } else { orderly }
    }
}

impl Server {
    /// Ends it by `signal`, and starts the same command again once it has been gone for `down`.
    async fn restart(&mut self, signal: &str, down: Duration) {
        self.obeys(signal).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            assert!(Instant::now() < deadline, "{signal} does not end it: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
        sleep(down).await;
        self.obeys("start").await;
    }

    async fn obeys(&mut self, word: &str) {
        let line = format!("{word}\n");
        self.leash.write_all(line.as_bytes()).await.expect("tests/leash reads its input");
    }
}

impl Sqld {
    /// Starts one that may be restarted: its port is given to no connection while it is down.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_lasting() -> Self {
        Self::start_at(low_port(), "").await
    }

    /// Ends it, and starts it again once it has been gone for `down`.
    ///
    /// # Panics
    /// When it does not end, or does not come up again.
    pub async fn restart(&mut self, ending: Ending, down: Duration) {
        self.0.restart(ending.signal("TERM"), down).await;
        self.until_it_answers().await;
    }
}

impl RedisServer {
    /// Starts one that may be restarted, and has written down whatever it has answered.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_lasting() -> Self {
        Self::start_at(low_port(), "--appendonly yes --appendfsync always").await
    }

    /// Ends it, and starts it again once it has been gone for `down`.
    ///
    /// # Panics
    /// When it does not end, or does not come up again.
    pub async fn restart(&mut self, ending: Ending, down: Duration) {
        self.0.restart(ending.signal("TERM"), down).await;
        self.until_it_answers().await;
    }
}

impl PostgresServer {
    /// Starts one of one's own that may be restarted.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub async fn start_lasting() -> Self {
        Self::start_at(low_port(), "", "").await
    }

    /// Ends it, and starts it again once it has been gone for `down`.
    ///
    /// # Panics
    /// When it does not end, or does not come up again.
    pub async fn restart(&mut self, ending: Ending, down: Duration) {
        // At SIGTERM it would wait until everybody has left.
        self.0.restart(ending.signal("INT"), down).await;
        self.until_it_answers().await;
    }
}
