use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Api, Backends};

/// What the kernel tells of the memory of a process, in KiB: `VmRSS` is what it has, `VmHWM` the most that it has had.
///
/// # Panics
/// When it has ended.
pub fn memory(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let to_otel_span = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("it is told");
    to_otel_span.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// The server's binary, running on a port of its own.
pub struct ServerProcess {
    /// The way to it.
    pub api: Api,
    /// Its base URL.
    pub base: String,
    child: Child,
}

impl ServerProcess {
    /// Starts a server on the data in `folder`; it counts no calls.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[("RATE_LIMITS", "off")]).await
    }

    /// Starts a server with these variables in its environment.
    ///
    /// # Panics
    /// When the binary is missing or does not come up.
    pub async fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let backends = Backends::kept_for(folder).await;
        let mut child = Command::new(Self::binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .envs(backends.settings.iter().map(|(name, value)| (name, value)))
            .env("METRICS_LISTEN", "127.0.0.1:0")
            .env("RUST_LOG", "warn")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("the server's output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let greeting = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        let greeting = greeting.expect("the server greets in time").expect("readable").expect("the server came up");
        let base = greeting.split_whitespace().find(|word| word.starts_with("http://")).expect("an address").to_owned();
        // Its further output must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { api: Api::at(&base), base, child }
    }

    /// The server's binary, beside the program that asks, or the folder of tests that it is in.
    ///
    /// # Panics
    /// When it has not been built.
    pub fn binary() -> PathBuf {
        let test = std::env::current_exe().expect("a test knows where it is");
        let folders = test.ancestors().skip(1).take(2).map(|folder| folder.join("local"));
        let binary = folders.clone().find(|file| file.is_file()).or(folders.last()).expect("a program is in a folder");
        assert!(binary.is_file(), "{} is missing: build it with `cargo build -p local`", binary.display());
        binary
    }

    /// The process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Asks it to stop, as a service manager does, and waits for it; whether it ended well.
    ///
    /// # Panics
    /// When it does not end within 30 seconds.
    pub async fn stop(mut self) -> bool {
        let id = self.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("the server ends in time").expect("its status is known").success()
    }
}
