use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tests::{ChromeDriver, eventually};

/// Switches for headless Chromium in a container, without requests to Google services.
const SWITCHES: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// Command of ChromeDriver beyond the `WebDriver` standard: path suffix and body.
#[derive(Debug)]
struct ChromeCommand(&'static str, Value);

impl WebDriverCompatibleCommand for ChromeCommand {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.1.to_string()))
    }
}

/// Chromium with one tab.
pub(crate) struct Browser {
    client: Client,
    _driver: ChromeDriver,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let driver = ChromeDriver::start().await;
        let capabilities = json!({
            "goog:chromeOptions": { "args": SWITCHES },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("capabilities are an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&driver.url()).await.expect("Chromium starts");
        Self { client, _driver: driver }
    }

    pub(crate) async fn go_to(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    pub(crate) async fn open_file(&self, file: &Path) {
        self.go_to(&format!("file://{}", file.display())).await;
    }

    /// Returns the current URL, as the address bar shows it.
    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.expect("the tab has a URL").into()
    }

    pub(crate) async fn find(&self, selector: &str) -> Element {
        self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Waits until the element at `selector` is visible.
    pub(crate) async fn wait_for(&self, selector: &str) {
        let is_visible = async || self.find(selector).await.is_displayed().await.unwrap_or(false).then_some(());
        eventually(selector, is_visible).await;
    }

    /// Waits until the visible heading is `text`.
    pub(crate) async fn wait_for_heading(&self, text: &str) {
        eventually(text, async || (self.heading().await == text).then_some(())).await;
    }

    /// Returns the visible heading, or an empty text.
    async fn heading(&self) -> String {
        for heading in self.client.find_all(Locator::Css("h1")).await.expect("the page can be queried") {
            if heading.is_displayed().await.unwrap_or(false) {
                return heading.text().await.unwrap_or_default();
            }
        }
        String::new()
    }

    /// Returns the visible text of the page.
    pub(crate) async fn text(&self) -> String {
        self.find("body").await.text().await.expect("the page has text")
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub(crate) async fn type_text(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Sets the width of the window in pixels, and the color scheme: `light` or `dark`.
    pub(crate) async fn set_appearance(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Saves a screenshot of the whole page as `target/screenshots/{name}.png`.
    pub(crate) async fn take_screenshot(&self, name: &str) {
        let folder = workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("the folder can be created");
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let screenshot =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip })).await;
        let screenshot = STANDARD.decode(screenshot["data"].as_str().expect("a screenshot")).expect("base64");
        std::fs::write(folder.join(format!("{name}.png")), screenshot).expect("the screenshot can be written");
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = ChromeCommand("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        self.client.issue_cmd(command).await.expect("Chromium supports the command")
    }

    /// Returns and clears the warnings and errors in the browser's log: failed scripts, violations of the content security
    /// policy.
    pub(crate) async fn take_log_warnings(&self) -> Vec<String> {
        let log =
            self.client.issue_cmd(ChromeCommand("se/log", json!({ "type": "browser" }))).await.expect("there is a log");
        let entries = log.as_array().expect("a list").iter();
        // Chromium logs advice to developers at a lower level.
        let warnings =
            entries.filter(|entry| ["WARNING", "SEVERE"].contains(&entry["level"].as_str().unwrap_or_default()));
        warnings.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the accessibility violations of the current page, by the axe-core rules with the tags `tags`.
    pub(crate) async fn accessibility_violations(&self, tags: &[&str]) -> Vec<String> {
        let axe = workspace().join("target/tools/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is installed by tests/run");
        self.client.execute(&axe, Vec::new()).await.expect("axe-core loads");
        let run = "const [tags, done] = arguments; \
                   axe.run({ runOnly: tags }).then((result) => done(result.violations), (error) => done([String(error)]));";
        let violations = self.client.execute_async(run, vec![json!(tags)]).await.expect("axe-core runs");
        let violations = violations.as_array().expect("a list").clone();
        violations.iter().map(|violation| format!("{}: {}", violation["id"], violation["nodes"])).collect()
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace exists")
}
