//! Chromium, with any number of tabs.

use std::time::Duration;

use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tests::ChromeDriver;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::site::{INSECURE_HOST, Site};

/// Time limit of a call.
const DEADLINE: Duration = Duration::from_secs(60);

/// Command of ChromeDriver that sends a command of the DevTools protocol to the current tab.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// Chromium with an empty profile.
pub(crate) struct Browser {
    /// Commands are for the tab that was selected last.
    client: Mutex<Client>,
    /// Empty tab, which is never closed.
    first: WindowHandle,
    _driver: ChromeDriver,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let driver = ChromeDriver::start().await;
        let switches = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            // Crashes are on purpose.
            "--disable-breakpad".to_owned(),
            format!("--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"),
            // A page of the address bar, which takes more time than the tests.
            "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup".to_owned(),
        ];
        let capabilities = json!({ "goog:chromeOptions": { "args": switches } });
        let Value::Object(capabilities) = capabilities else { unreachable!("capabilities are an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&driver.url()).await.expect("Chromium starts");
        // ChromeDriver alone closes it. Two requests to do so at the same time may leave it open.
        client.persist().await.expect("the session exists");
        let first = client.window().await.expect("there is a tab");
        Self { client: Mutex::new(client), first, _driver: driver }
    }

    /// Opens the page of `site` in a window of its own. `query` is described in `test/browser/environment.ts`.
    pub(crate) async fn open(&self, site: &Site, query: &str) -> Tab<'_> {
        self.open_url(&site.page(query)).await
    }

    /// Opens the page at `url` in a window of its own.
    pub(crate) async fn open_url(&self, url: &str) -> Tab<'_> {
        let client = self.client.lock().await;
        // The selected tab may be closed.
        client.switch_to_window(self.first.clone()).await.expect("the first tab exists");
        let window = client.new_window(false).await.expect("a window opens").handle;
        drop(client);
        let tab = Tab { browser: self, window };
        tab.load(url).await;
        tab
    }
}

/// Tab with the page of a site. It stays open until it is closed.
pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    window: WindowHandle,
}

/// Call of a command that a page has begun.
#[must_use]
pub(crate) struct Call(Value);

impl Tab<'_> {
    /// Selects this tab for commands until the guard is dropped.
    async fn select(&self) -> MutexGuard<'_, Client> {
        let client = self.browser.client.lock().await;
        client.switch_to_window(self.window.clone()).await.expect("the tab exists");
        client
    }

    async fn load(&self, url: &str) {
        let client = self.select().await;
        client.goto(url).await.expect("the page loads");
        let loaded = client.execute("return [typeof commands, globalThis.uncaught ?? 'no modules']", vec![]).await;
        assert_eq!(loaded.expect("the page can be read"), json!(["object", []]), "{url}");
    }

    /// Loads the page anew.
    pub(crate) async fn reload(&self) {
        let url = self.select().await.current_url().await.expect("the tab has a URL");
        self.load(url.as_str()).await;
    }

    /// Starts to call a command of `test/browser/page.ts`.
    pub(crate) async fn begin(&self, command: &str, argument: Value) -> Call {
        let script = "return begin(...arguments)";
        let index = self.select().await.execute(script, vec![json!(command), argument]).await;
        Call(index.unwrap_or_else(|error| panic!("{command}: {error}")))
    }

    /// Returns the result of a call.
    ///
    /// # Panics
    /// If the call has failed, the page has an uncaught error, or 60 s have passed.
    pub(crate) async fn end(&self, Call(index): Call) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let polled = self.poll(&index).await;
            assert_eq!(polled["uncaught"], json!([]), "uncaught errors of the page");
            let outcome = &polled["outcome"];
            assert!(outcome.get("error").is_none(), "{}", outcome["error"].as_str().unwrap_or_default());
            if let Some(value) = outcome.get("value") {
                return value.clone();
            }
            assert!(Instant::now() < deadline, "the page does not answer within {DEADLINE:?}");
        }
    }

    /// Returns whether a call has ended, after a short time to do so.
    pub(crate) async fn has_ended(&self, Call(index): &Call) -> bool {
        !self.poll(index).await["outcome"].is_null()
    }

    async fn poll(&self, index: &Value) -> Value {
        let script = "const [index, done] = arguments; poll(index).then(done)";
        let polled = self.select().await.execute_async(script, vec![index.clone()]).await;
        polled.expect("the page responds")
    }

    /// Calls a command of `test/browser/page.ts`, and returns its result.
    ///
    /// # Panics
    /// As [`end`](Self::end).
    pub(crate) async fn call(&self, command: &str, argument: Value) -> Value {
        let call = self.begin(command, argument).await;
        self.end(call).await
    }

    /// Calls a command without an argument.
    ///
    /// # Panics
    /// As [`end`](Self::end).
    pub(crate) async fn get(&self, command: &str) -> Value {
        self.call(command, Value::Null).await
    }

    /// Sends a command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let sent = self.select().await.issue_cmd(DevTools(command, parameters)).await;
        sent.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Closes the tab as its user does.
    pub(crate) async fn close(self) {
        self.select().await.close_window().await.expect("the tab can be closed");
    }

    /// Crashes the process that runs the page.
    pub(crate) async fn crash(self) {
        let client = self.select().await;
        let crashed = client.issue_cmd(DevTools("Page.crash", json!({}))).await;
        assert!(format!("{crashed:?}").contains("tab crashed"), "{crashed:?}");
        client.close_window().await.expect("what is left of the tab can be closed");
    }
}
