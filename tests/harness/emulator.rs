use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::servers::{Server, find_program, free_port};
use crate::trace_proxy::start_trace_proxy;
use crate::{ServerProcess, Template};

/// Variables that every function gets, in addition to those that the template names.
const ALWAYS_PASSED: [&str; 2] = ["DATA_DIR", "RATE_LIMITS"];

/// Function binary under the AWS runtime interface emulator, which handles one event at a time.
pub struct Emulator {
    server: Server,
    client: reqwest::Client,
    invocation: Mutex<()>,
}

impl Emulator {
    /// Starts the function `name` as the template describes it. The function gets only those variables of `environment`
    /// that the template names.
    ///
    /// # Panics
    /// If the emulator or the binary is missing or does not start.
    pub async fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_wrapped(&[], name, environment).await
    }

    /// As [`start`](Self::start), but runs the function under the command `wrapper`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_wrapped(wrapper: &[&str], name: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch(free_port(), wrapper, name, environment).await
    }

    /// As [`start`](Self::start), but adds a trace id to each event, as Lambda does and its emulator does not.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_traced(name: &str, environment: &[(&str, &str)]) -> Self {
        let internal = free_port();
        let runtime_api = format!("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{}", start_trace_proxy(internal).await);
        Self::launch(internal, &["env", &runtime_api], name, environment).await
    }

    async fn launch(internal: u16, wrapper: &[&str], name: &str, environment: &[(&str, &str)]) -> Self {
        let binary = ServerProcess::binary().with_file_name(name);
        assert!(binary.is_file(), "{} is missing: build it with `cargo build --workspace --bins`", binary.display());
        let emulator = find_program("aws-lambda-rie-x86_64", &emulator_folders());
        let path = std::env::var("PATH").unwrap_or_default();
        let template = Template::project();
        let (from_template, timeout) = (template.variables(name), template.timeout(name).to_string());
        let from_aws = [
            ("PATH", path.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.as_str()),
        ];
        let fixed = from_template.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let is_passed = |variable: &str| {
            from_template.contains_key(variable) || variable.starts_with("AWS_") || ALWAYS_PASSED.contains(&variable)
        };
        let from_test = environment.iter().copied().filter(|(name, _)| is_passed(name));
        let variables: Vec<_> = from_aws.into_iter().chain(fixed).chain(from_test).collect();
        let port = free_port();
        let mut server = Server::start_at(port, "TERM", |_, port| {
            let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
            let addresses = [("--runtime-interface-emulator-address", port), ("--runtime-api-address", internal)];
            let addresses = addresses.iter().flat_map(|(flag, port)| [(*flag).to_owned(), format!("127.0.0.1:{port}")]);
            let command = ["env".to_owned(), "-i".to_owned()].into_iter().chain(variables).chain([emulator]);
            let wrapper = wrapper.iter().map(|word| (*word).to_owned());
            command.chain(addresses).chain(wrapper).chain([binary.display().to_string()]).collect()
        })
        .await;
        for port in [port, internal] {
            let is_up = |_| async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
            server.wait_until("the emulator", is_up).await;
        }
        let client = shared::http_client::new().expect("an HTTP client can be created");
        Self { server, client, invocation: Mutex::new(()) }
    }

    /// Invokes the function with `event` and returns its result.
    ///
    /// # Panics
    /// If the emulator does not respond within two minutes.
    pub async fn invoke(&self, event: &Value) -> Value {
        let _invocation = self.invocation.lock().await;
        let url = format!("http://127.0.0.1:{}/2015-03-31/functions/function/invocations", self.server.port);
        let request = self.client.post(url).body(event.to_string()).timeout(Duration::from_secs(120));
        let response = request.send().await.expect("the emulator responds").bytes().await.expect("a complete body");
        // The emulator reports a timeout as plain text.
        serde_json::from_slice(&response).unwrap_or_else(|_| String::from_utf8_lossy(&response).into())
    }

    /// Returns the log of the emulator and the function.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn emulator_folders() -> Vec<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages/samcli/local/rapid")).collect()
}
