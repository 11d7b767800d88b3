use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::servers::{Server, low_port, program};

/// A receiver of OTLP (<https://rotel.dev>), which writes down the spans that it is sent.
pub struct Rotel(Server);

/// A span as the receiver understood it.
#[derive(Debug, Clone, Default)]
pub struct ReceivedSpan {
    /// What it says of itself, from `Trace ID` to `Status message`.
    pub fields: BTreeMap<String, String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

impl ReceivedSpan {
    /// What it says as `field`; nothing where it does not.
    pub fn field(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Its attribute `name`; nothing where it has none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// When it began and ended, in nanoseconds since 1970.
    ///
    /// # Panics
    /// When it does not say.
    pub fn times(&self) -> (u64, u64) {
        let time = |field| self.field(field).parse().expect("a time in nanoseconds");
        (time("Start time"), time("End time"))
    }
}

impl Rotel {
    /// Starts one.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start() -> Self {
        let agent = program("rotel-agent", &folders());
        let mut server = Server::start_at(low_port(), "TERM", |folder, port| {
            let (other, file) = (low_port(), |name: &str| folder.join(name).display().to_string());
            let words = [
                (agent.as_str(), "start".to_owned()),
                ("--otlp-http-endpoint", format!("127.0.0.1:{port}")),
                ("--otlp-grpc-endpoint", format!("127.0.0.1:{other}")),
                ("--pid-file", file("pid")),
                ("--log-file", file("rotel.log")),
                ("--exporter", "blackhole".to_owned()),
                ("--debug-log", "traces".to_owned()),
                ("--debug-log-verbosity", "detailed".to_owned()),
            ];
            words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
        })
        .await;
        server.until_it_listens("rotel").await;
        Self(server)
    }

    /// Where it takes spans, as `OTEL_EXPORTER_OTLP_ENDPOINT` says it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// The spans that it was sent so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        let log = self.0.log();
        let mut spans = Vec::new();
        for part in log.split("\nSpan #").skip(1) {
            let mut span = ReceivedSpan::default();
            for line in part.lines().take_while(|line| !line.starts_with("ResourceSpans")) {
                if let Some((name, value)) = line.trim().strip_prefix("-> ").and_then(|rest| rest.split_once(": ")) {
                    // As `Str(POST)` or `Int(200)`.
                    let value = value.split_once('(').map_or(value, |(_, rest)| rest.trim_end_matches(')'));
                    span.attributes.insert(name.to_owned(), value.to_owned());
                } else if let Some((name, value)) = line.split_once(':') {
                    span.fields.entry(name.trim().to_owned()).or_insert_with(|| value.trim().to_owned());
                }
            }
            spans.push(span);
        }
        spans
    }
}

fn folders() -> Vec<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages/rotel")).collect()
}
