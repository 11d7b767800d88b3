use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tests::{ChromeDriver, eventually};

/// For Chromium without a window, in a container, and without what it would ask of its maker.
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

/// What Chromium's driver understands beyond the standard, as the end of a path and a body.
#[derive(Debug)]
struct Extra(&'static str, Value);

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.1.to_string()))
    }
}

/// Chromium, with one empty tab.
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
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&driver.url()).await.expect("Chromium starts");
        Self { client, _driver: driver }
    }

    pub(crate) async fn goes_to(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    pub(crate) async fn opens_file(&self, file: &Path) {
        self.goes_to(&format!("file://{}", file.display())).await;
    }

    /// Where it is, as the address bar says.
    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.expect("it is somewhere").into()
    }

    pub(crate) async fn find(&self, selector: &str) -> Element {
        self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Waits for what `selector` finds to be seen.
    pub(crate) async fn waits_for(&self, selector: &str) {
        let is_seen = async || self.find(selector).await.is_displayed().await.unwrap_or(false).then_some(());
        eventually(selector, is_seen).await;
    }

    /// Waits for the heading `text` to be seen.
    pub(crate) async fn sees(&self, text: &str) {
        eventually(text, async || (self.heading().await == text).then_some(())).await;
    }

    /// The heading that is to be seen.
    async fn heading(&self) -> String {
        for heading in self.client.find_all(Locator::Css("h1")).await.expect("the page can be asked") {
            if heading.is_displayed().await.unwrap_or(false) {
                return heading.text().await.unwrap_or_default();
            }
        }
        String::new()
    }

    /// All text that is to be seen.
    pub(crate) async fn text(&self) -> String {
        self.find("body").await.text().await.expect("the page has text")
    }

    pub(crate) async fn presses(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub(crate) async fn types(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Chooses how wide the window is, in pixels, and between `light` and `dark`.
    pub(crate) async fn wears(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Keeps a picture of the whole page as `target/screenshots/{name}.png`.
    pub(crate) async fn shoots(&self, name: &str) {
        let folder = workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let picture =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip })).await;
        let picture = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("in base64");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("the picture can be written");
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = Extra("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        self.client.issue_cmd(command).await.expect("Chromium understands")
    }

    /// What the browser itself complained about since it was last asked: scripts that fail, what the page's policy forbids.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Extra("se/log", json!({ "type": "browser" }))).await.expect("there is a log");
        let entries = log.as_array().expect("a list").iter();
        // Chromium's advice to developers is of a lower level.
        let grave =
            entries.filter(|entry| ["WARNING", "SEVERE"].contains(&entry["level"].as_str().unwrap_or_default()));
        grave.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What keeps people from using the page as it stands, by axe-core's rules of the kinds `tags`.
    pub(crate) async fn barriers(&self, tags: &[&str]) -> Vec<String> {
        let axe = workspace().join("target/tools/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is there: tests/run brings it");
        self.client.execute(&axe, Vec::new()).await.expect("axe-core loads");
        let run = "const [tags, done] = arguments; \
                   axe.run({ runOnly: tags }).then((found) => done(found.violations), (error) => done([String(error)]));";
        let found = self.client.execute_async(run, vec![json!(tags)]).await.expect("axe-core runs");
        let found = found.as_array().expect("a list").clone();
        found.iter().map(|violation| format!("{}: {}", violation["id"], violation["nodes"])).collect()
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}
