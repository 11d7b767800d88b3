use crate::servers::{Server, program, words};

/// What drives Chromium, by the `WebDriver` protocol. It ends its browsers when it is asked to end.
pub struct ChromeDriver(Server);

impl ChromeDriver {
    /// Starts one.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start() -> Self {
        let driver = program("chromedriver", &[]);
        let mut server =
            Server::start_ended_by("TERM", |_, port| words(&format!("{driver} --port={port} --silent"))).await;
        server.until_it_listens("chromedriver").await;
        Self(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}
