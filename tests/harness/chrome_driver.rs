use crate::servers::{Server, find_program, split_words};

/// ChromeDriver, which drives Chromium by the `WebDriver` protocol. It closes its browsers on SIGTERM.
pub struct ChromeDriver(Server);

impl ChromeDriver {
    /// Starts ChromeDriver.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        let driver = find_program("chromedriver", &[]);
        let mut server =
            Server::start_with_stop_signal("TERM", |_, port| split_words(&format!("{driver} --port={port} --silent")))
                .await;
        server.wait_until_listening("chromedriver").await;
        Self(server)
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}
