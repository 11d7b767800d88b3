use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Api, Backends};

/// Memory of a process in KiB, from `/proc/<pid>/status`. `field` is `VmRSS` for the current or `VmHWM` for the peak
/// resident memory.
///
/// # Panics
/// If the process has ended.
pub fn process_memory_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a known field");
    value.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Process of the local server binary on its own port.
pub struct ServerProcess {
    /// Transport to the server.
    pub api: Api,
    /// Base URL.
    pub base_url: String,
    child: Child,
}

impl ServerProcess {
    /// Starts a server with its data in `folder` and without rate limits.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[("RATE_LIMITS", "off")]).await
    }

    /// Starts a server with additional environment variables.
    ///
    /// # Panics
    /// If the binary is missing or does not start.
    pub async fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_command(Command::new(Self::binary()), folder, environment).await
    }

    /// Starts a server that can open at most `descriptors` files and connections.
    ///
    /// # Panics
    /// If the binary is missing or does not start.
    pub async fn start_with_descriptors(descriptors: u32, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut limited = Command::new("bash");
        limited.args(["-c", &format!("ulimit -n {descriptors} && exec \"$@\""), "bash"]).arg(Self::binary());
        Self::start_command(limited, folder, environment).await
    }

    /// Starts a server that writes its warnings and its log to the file `log`.
    ///
    /// # Panics
    /// If the binary is missing or does not start.
    pub async fn start_with_log(log: &Path, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(Self::binary());
        command.stderr(std::fs::File::create(log).expect("the file can be created"));
        Self::start_command(command, folder, environment).await
    }

    /// Starts a server by `command`, which runs the binary with the arguments that follow.
    async fn start_command(mut command: Command, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let backends = Backends::for_folder(folder).await;
        let mut child = command
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
        let first_line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        let first_line = first_line
            .expect("the server starts in time")
            .expect("readable output")
            .expect("the server prints its address");
        let base_url =
            first_line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address").to_owned();
        // Drains the pipe so that the server does not block on its output.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { api: Api::at(&base_url), base_url, child }
    }

    /// Path of the server binary: in the folder of the current executable or in its parent.
    ///
    /// # Panics
    /// If the binary has not been built.
    pub fn binary() -> PathBuf {
        let test = std::env::current_exe().expect("the path of the current executable");
        let folders = test.ancestors().skip(1).take(2).map(|folder| folder.join("local"));
        let binary =
            folders.clone().find(|file| file.is_file()).or(folders.last()).expect("an executable is in a folder");
        assert!(binary.is_file(), "{} is missing: build it with `cargo build -p local`", binary.display());
        binary
    }

    /// Process id.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Kills the process with SIGKILL.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Sends SIGTERM, waits for the process to end, and returns whether it exited with status 0.
    ///
    /// # Panics
    /// If it does not end within 30 seconds.
    pub async fn stop(mut self) -> bool {
        let id = self.pid().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("the server stops in time").expect("an exit status").success()
    }
}
