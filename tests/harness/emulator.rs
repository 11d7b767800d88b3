use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::servers::{Server, low_port, program};
use crate::trace_giver::give_traces;
use crate::{ServerProcess, Template};

/// What functions are given beside what the template gives them: by AWS, or by a test.
const GIVEN_ANYHOW: [&str; 2] = ["DATA_DIR", "RATE_LIMITS"];

/// A function's binary under AWS's runtime interface emulator, which takes one event at a time.
pub struct Emulator {
    server: Server,
    client: reqwest::Client,
    turn: Mutex<()>,
}

impl Emulator {
    /// Starts the function `name` as the template describes it: of `environment` it gets the variables that are named there,
    /// and no other.
    ///
    /// # Panics
    /// When the emulator or the binary is missing, or does not come up.
    pub async fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_by(&[], name, environment).await
    }

    /// The same, the function itself by the command `by`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_by(by: &[&str], name: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch(low_port(), by, name, environment).await
    }

    /// The same, with a trace for each event, as Lambda gives one and its emulator does not.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_traced(name: &str, environment: &[(&str, &str)]) -> Self {
        let internal = low_port();
        let way = format!("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{}", give_traces(internal).await);
        Self::launch(internal, &["env", &way], name, environment).await
    }

    async fn launch(internal: u16, by: &[&str], name: &str, environment: &[(&str, &str)]) -> Self {
        let binary = ServerProcess::binary().with_file_name(name);
        assert!(binary.is_file(), "{} is missing: build it with `cargo build --workspace --bins`", binary.display());
        let emulator = program("aws-lambda-rie-x86_64", &emulator_folders());
        let path = std::env::var("PATH").unwrap_or_default();
        let template = Template::project();
        let (named, timeout) = (template.variables(name), template.timeout(name).to_string());
        let by_aws = [
            ("PATH", path.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.as_str()),
        ];
        let fixed = named.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let passes = |variable: &str| {
            named.contains_key(variable) || variable.starts_with("AWS_") || GIVEN_ANYHOW.contains(&variable)
        };
        let given = environment.iter().copied().filter(|(name, _)| passes(name));
        let variables: Vec<_> = by_aws.into_iter().chain(fixed).chain(given).collect();
        let port = low_port();
        let mut server = Server::start_at(port, "TERM", |_, port| {
            let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
            let addresses = [("--runtime-interface-emulator-address", port), ("--runtime-api-address", internal)];
            let addresses = addresses.iter().flat_map(|(flag, port)| [(*flag).to_owned(), format!("127.0.0.1:{port}")]);
            let command = ["env".to_owned(), "-i".to_owned()].into_iter().chain(variables).chain([emulator]);
            let by = by.iter().map(|word| (*word).to_owned());
            command.chain(addresses).chain(by).chain([binary.display().to_string()]).collect()
        })
        .await;
        for port in [port, internal] {
            let is_up = |_| async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
            server.until("the emulator", is_up).await;
        }
        let client = shared::http_client::new().expect("there can be a client");
        Self { server, client, turn: Mutex::new(()) }
    }

    /// What the function answers to `event`.
    ///
    /// # Panics
    /// When the emulator does not answer within two minutes.
    pub async fn invoke(&self, event: &Value) -> Value {
        let _turn = self.turn.lock().await;
        let url = format!("http://127.0.0.1:{}/2015-03-31/functions/function/invocations", self.server.port);
        let request = self.client.post(url).body(event.to_string()).timeout(Duration::from_secs(120));
        let answer = request.send().await.expect("the emulator answers").bytes().await.expect("whole");
        // Of a function that is out of time it tells in plain words.
        serde_json::from_slice(&answer).unwrap_or_else(|_| String::from_utf8_lossy(&answer).into())
    }

    /// What the emulator and the function have logged.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn emulator_folders() -> Vec<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages/samcli/local/rapid")).collect()
}
