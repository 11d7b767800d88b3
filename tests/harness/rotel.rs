use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::servers::{Server, find_program, free_port};

/// OTLP receiver (<https://rotel.dev>) that logs the spans it receives.
pub struct Rotel(Server);

/// Span as the receiver logged it.
#[derive(Debug, Clone, Default)]
pub struct ReceivedSpan {
    /// Fields, from `Trace ID` to `Status message`.
    pub fields: BTreeMap<String, String>,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
}

impl ReceivedSpan {
    /// Returns the field `field`, or an empty text.
    pub fn field(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Returns the attribute `name`, or an empty text.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Start and end time, in nanoseconds since 1970.
    ///
    /// # Panics
    /// If a time is missing.
    pub fn times(&self) -> (u64, u64) {
        let time = |field| self.field(field).parse().expect("a time in nanoseconds");
        (time("Start time"), time("End time"))
    }
}

impl Rotel {
    /// Starts a receiver.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        let agent = find_program("rotel-agent", &rotel_folders());
        let mut server = Server::start_at(free_port(), "TERM", |folder, port| {
            let (grpc_port, file) = (free_port(), |name: &str| folder.join(name).display().to_string());
            let arguments = [
                (agent.as_str(), "start".to_owned()),
                ("--otlp-http-endpoint", format!("127.0.0.1:{port}")),
                ("--otlp-grpc-endpoint", format!("127.0.0.1:{grpc_port}")),
                ("--pid-file", file("pid")),
                ("--log-file", file("rotel.log")),
                ("--exporter", "blackhole".to_owned()),
                ("--debug-log", "traces".to_owned()),
                ("--debug-log-verbosity", "detailed".to_owned()),
            ];
            arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
        })
        .await;
        server.wait_until_listening("rotel").await;
        Self(server)
    }

    /// Value of `OTEL_EXPORTER_OTLP_ENDPOINT` for this receiver.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// Returns the spans received so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        let log = self.0.log();
        let mut spans = Vec::new();
        for part in log.split("\nSpan #").skip(1) {
            let mut span = ReceivedSpan::default();
            for line in part.lines().take_while(|line| !line.starts_with("ResourceSpans")) {
                if let Some((name, value)) = line.trim().strip_prefix("-> ").and_then(|rest| rest.split_once(": ")) {
                    // Values look like `Str(POST)` or `Int(200)`.
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

fn rotel_folders() -> Vec<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages/rotel")).collect()
}
