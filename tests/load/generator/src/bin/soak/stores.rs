use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use tests::{PostgresServer, RedisServer, ServerProcess, Shutdown, Sqld};
use tokio::process::Command;

use crate::watch::Watch;

/// For how many milliseconds a store is down.
const DOWN: std::ops::Range<u64> = 2_000..5_000;

/// The servers that the service runs on.
pub(crate) struct Stores {
    accounts: PostgresServer,
    data: Sqld,
    sessions: RedisServer,
    /// The settings that name them.
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
            // Of each refusal there is a line, unless nobody asks for it.
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "off,sqlx=off".to_owned())),
        ];
        Self { accounts, data, sessions, settings, restarts: 0 }
    }

    /// Brings them up to date, and starts the service on them.
    pub(crate) async fn serve(&self, folder: &Path) -> ServerProcess {
        let mut migrate = Command::new(ServerProcess::binary());
        migrate.args(["migrate", "--data"]).arg(folder).envs(self.settings.iter().map(|(name, value)| (name, value)));
        assert!(migrate.status().await.expect("the server's binary runs").success(), "the stores are not up to date");
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ServerProcess::start_with(folder, &settings).await
    }

    /// Ends the next of them, by turns in order and by SIGKILL, and starts it again. Each has both in turn, for their
    /// number is odd.
    pub(crate) async fn restart_next(&mut self, watch: &Watch, dice: &mut Rng) {
        let down = Duration::from_millis(dice.u64(DOWN));
        let ending = if self.restarts.is_multiple_of(2) { Shutdown::Graceful } else { Shutdown::Kill };
        let store = ["PostgreSQL", "sqld", "Redis"][self.restarts % 3];
        println!("{store} is down for {:.1} s: {ending:?}", down.as_secs_f64());
        watch.store_goes_down();
        match self.restarts % 3 {
            0 => self.accounts.restart(ending, down).await,
            1 => self.data.restart(ending, down).await,
            _ => self.sessions.restart(ending, down).await,
        }
        watch.store_is_back();
        self.restarts += 1;
    }
}
