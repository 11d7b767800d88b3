use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use tests::{PostgresServer, RedisServer, ServerProcess, Shutdown, Sqld};
use tokio::process::Command;

use crate::monitor::Monitor;

/// Downtime of a store, in milliseconds.
const DOWNTIME_MILLIS: std::ops::Range<u64> = 2_000..5_000;

/// Store servers of the service.
pub(crate) struct Stores {
    accounts: PostgresServer,
    data: Sqld,
    sessions: RedisServer,
    /// Settings with their URLs.
    settings: Vec<(&'static str, String)>,
    restarts: usize,
}

impl Stores {
    pub(crate) async fn start() -> Self {
        let (accounts, data) = (PostgresServer::start_restartable().await, Sqld::start_restartable().await);
        let sessions = RedisServer::start_restartable().await;
        let settings = vec![
            ("DATABASE_URL", accounts.database().await),
            ("TURSO_DATABASE_URL", data.url()),
            ("REDIS_URL", sessions.url()),
            ("RATE_LIMITS", "off".to_owned()),
            // Logging is off by default, because every refused request is logged.
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "off,sqlx=off".to_owned())),
        ];
        Self { accounts, data, sessions, settings, restarts: 0 }
    }

    /// Runs the migrations and starts the service.
    pub(crate) async fn serve(&self, folder: &Path) -> ServerProcess {
        let mut migrate = Command::new(ServerProcess::binary());
        migrate.args(["migrate", "--data"]).arg(folder).envs(self.settings.iter().map(|(name, value)| (name, value)));
        assert!(migrate.status().await.expect("the server binary starts").success(), "the migrations failed");
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ServerProcess::start_with(folder, &settings).await
    }

    /// Stops the next store, alternately with an orderly shutdown and with SIGKILL, and starts it again. Every store
    /// gets both, because the number of stores is odd.
    pub(crate) async fn restart_next(&mut self, monitor: &Monitor, rng: &mut Rng) {
        let down = Duration::from_millis(rng.u64(DOWNTIME_MILLIS));
        let ending = if self.restarts.is_multiple_of(2) { Shutdown::Graceful } else { Shutdown::Kill };
        let store = ["PostgreSQL", "sqld", "Redis"][self.restarts % 3];
        println!("{store} is down for {:.1} s: {ending:?}", down.as_secs_f64());
        monitor.store_goes_down();
        match self.restarts % 3 {
            0 => self.accounts.restart(ending, down).await,
            1 => self.data.restart(ending, down).await,
            _ => self.sessions.restart(ending, down).await,
        }
        monitor.store_is_back();
        self.restarts += 1;
    }
}
