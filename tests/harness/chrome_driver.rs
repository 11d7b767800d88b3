use std::path::Path;

use crate::servers::{Server, find_program, split_words};

/// ChromeDriver, which drives Chromium by the `WebDriver` protocol. Its browsers end with it.
pub struct ChromeDriver(Server);

impl ChromeDriver {
    /// Starts ChromeDriver.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        let driver = find_program("chromedriver", &[]);
        // Profiles are in the server's folder, by which `tests/supervise` finds the browsers.
        let command = |folder: &Path, port| {
            split_words(&format!("env TMPDIR={} {driver} --port={port} --silent", folder.display()))
        };
        let mut server = Server::start_with_stop_signal("TERM", command).await;
        server.wait_until_listening("chromedriver").await;
        Self(server)
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}
