//! Web site whose page uses the SDK.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::traffic::{Traffic, observe};
use crate::node;

/// Name of this machine that browsers do not trust as they trust `localhost`: its pages have no Web Locks.
pub(crate) const INSECURE_HOST: &str = "insecure.test";

/// Time limit of the compiler.
const COMPILER: Duration = Duration::from_secs(60);

/// Site with the page of `test/browser`. It has an origin of its own.
pub(crate) struct Site {
    port: u16,
    confirmed: Confirmed,
}

/// Edits that pages have reported as written: their text, and the ids of the items.
type Confirmed = Arc<Mutex<Vec<(String, Vec<String>)>>>;

impl Site {
    /// Starts a server. Requests that the page sends to it are part of `traffic`.
    ///
    /// # Panics
    /// If no port is free, or the package cannot be built.
    pub(crate) async fn start(traffic: &Traffic) -> Self {
        let files = Folders::built().await;
        let confirmed = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let confirmations = Router::new()
            .route("/confirmations", post(confirm).with_state(Arc::clone(&confirmed)))
            .layer(from_fn_with_state(traffic.clone(), observe));
        let router = Router::new().fallback(move |uri: Uri| async move { files.response(uri.path()) });
        tokio::spawn(async move { axum::serve(listener, router.merge(confirmations)).await });
        Self { port, confirmed }
    }

    /// URL of the page. `query` is described in `test/browser/environment.ts`.
    pub(crate) fn page(&self, query: &str) -> String {
        format!("http://localhost:{}/test/browser/page.html?{query}", self.port)
    }

    /// URL of the page in a context that is not secure.
    pub(crate) fn insecure_page(&self) -> String {
        format!("http://{INSECURE_HOST}:{}/test/browser/page.html", self.port)
    }

    /// Returns the ids of the items that pages have reported to have the text `text`.
    ///
    /// # Panics
    /// Never.
    pub(crate) fn confirmed(&self, text: &str) -> Vec<String> {
        let confirmed = self.confirmed.lock().expect("no panic");
        confirmed.iter().filter(|(written, _)| written == text).flat_map(|(_, ids)| ids.clone()).collect()
    }
}

async fn confirm(State(confirmed): State<Confirmed>, edit: String) {
    confirmed.lock().expect("no panic").push(serde_json::from_str(&edit).expect("a text and ids"));
}

/// Folders whose files are served.
#[derive(Clone)]
struct Folders {
    /// Built package.
    package: PathBuf,
    /// Compiled code of the tests.
    tests: PathBuf,
}

impl Folders {
    /// Builds the package and the code of the tests, once per process. `SDK_PACKAGE` names a built package to test instead.
    async fn built() -> Self {
        static BUILT: OnceCell<Folders> = OnceCell::const_new();
        let build = async || {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let tests = target.join("sdk-tests");
            compile("test/browser/tsconfig.json", &tests).await;
            if let Some(package) = std::env::var_os("SDK_PACKAGE") {
                return Self { package: package.into(), tests };
            }
            let package = target.join("sdk-package");
            compile("tsconfig.build.json", &package).await;
            Self { package, tests }
        };
        BUILT.get_or_init(build).await.clone()
    }

    /// Returns the file at a path of a URL.
    fn response(&self, path: &str) -> Response {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/clients/typescript");
        let file = match path.strip_prefix("/src/") {
            // Modules of the tests import sources. Pages load what the package has in their place.
            Some(module) => self.package.join(module),
            None if path.ends_with(".html") => sources.join(&path[1..]),
            None => self.tests.join(&path[1..]),
        };
        let media_type = if path.ends_with(".html") { "text/html" } else { "text/javascript" };
        match std::fs::read(file) {
            Ok(content) => ([(header::CONTENT_TYPE, media_type)], content).into_response(),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// Runs the TypeScript compiler.
async fn compile(project: &str, folder: &Path) {
    std::fs::remove_dir_all(folder).ok();
    let folder = folder.to_str().expect("a path in Unicode");
    let arguments = ["--project", project, "--outDir", folder];
    assert!(node::run("node_modules/typescript/bin/tsc", &arguments, &[], COMPILER).await, "{project} compiles");
}
