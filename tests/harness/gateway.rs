use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::servers::{Server, low_port, program};
use crate::{Answer, Call, ServerProcess};

/// The media types that a REST API hands over in base64, as the template lists them.
const BINARY: [&str; 2] = ["application/gzip", "application/zstd"];

/// A function's binary under AWS's runtime interface emulator, which takes one event at a time.
pub struct Emulator {
    server: Server,
    client: reqwest::Client,
    turn: Mutex<()>,
}

impl Emulator {
    /// Starts the function `name` with these variables and no other.
    ///
    /// # Panics
    /// When the emulator or the binary is missing, or does not come up.
    pub async fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let binary = ServerProcess::binary().with_file_name(name);
        assert!(binary.is_file(), "{} is missing: build it with `cargo build --workspace --bins`", binary.display());
        let emulator = program("aws-lambda-rie-x86_64", &emulator_folders());
        let path = std::env::var("PATH").unwrap_or_default();
        let fixed = [
            ("PATH", path.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", "60"),
            // Without it the stage would stand before every path.
            ("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true"),
        ];
        let (port, internal) = (low_port(), low_port());
        let mut server = Server::start_at(port, "TERM", |_, port| {
            let variables = fixed.iter().chain(environment).map(|(name, value)| format!("{name}={value}"));
            let addresses = [("--runtime-interface-emulator-address", port), ("--runtime-api-address", internal)];
            let addresses = addresses.iter().flat_map(|(flag, port)| [(*flag).to_owned(), format!("127.0.0.1:{port}")]);
            let command = ["env".to_owned(), "-i".to_owned()].into_iter().chain(variables).chain([emulator]);
            command.chain(addresses).chain([binary.display().to_string()]).collect()
        })
        .await;
        for port in [port, internal] {
            let is_up = |_| async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
            server.until("the emulator", is_up).await;
        }
        let client = shared::outbound::client().expect("there can be a client");
        Self { server, client, turn: Mutex::new(()) }
    }

    /// What the function answers to `event`.
    ///
    /// # Panics
    /// When it does not answer in JSON within two minutes.
    pub async fn invoke(&self, event: &Value) -> Value {
        let _turn = self.turn.lock().await;
        let url = format!("http://127.0.0.1:{}/2015-03-31/functions/function/invocations", self.server.port);
        let request = self.client.post(url).body(event.to_string()).timeout(Duration::from_secs(120));
        let answer = request.send().await.expect("the emulator answers").bytes().await.expect("whole");
        serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&answer)))
    }

    /// What the function answers to `call`, as API Gateway hands that on.
    ///
    /// # Panics
    /// As [`invoke`](Self::invoke), and when it is no answer to a request.
    pub async fn send(&self, call: &Call) -> Answer {
        answer(&self.invoke(&event(call)).await)
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

/// A REST API of API Gateway: hands each request to the function whose path it is, as an event of the payload's version 1.
pub struct Gateway {
    functions: BTreeMap<&'static str, Emulator>,
}

impl Gateway {
    /// The functions that answer requests, with these variables.
    ///
    /// # Panics
    /// As [`Emulator::start`].
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let mut functions = BTreeMap::new();
        for name in ["auth", "upload", "download", "conflicts", "health"] {
            functions.insert(name, Emulator::start(name, environment).await);
        }
        Self { functions }
    }

    /// The function `name`.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn function(&self, name: &str) -> &Emulator {
        self.functions.get(name).unwrap_or_else(|| panic!("there is no function {name}"))
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        self.function(owner(&call.path)).send(&call).await
    }
}

/// The function that the template leads `path` to.
fn owner(path: &str) -> &'static str {
    match path.split('?').next().unwrap_or_default() {
        "/api/sync/upload" => "upload",
        path if path.starts_with("/api/sync/conflicts") => "conflicts",
        path if path.starts_with("/api/sync/") => "download",
        "/health" | "/ready" | "/openapi.json" => "health",
        _ => "auth",
    }
}

/// `call` as API Gateway hands it on.
fn event(call: &Call) -> Value {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &call.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let kind = headers.get("content-type").and_then(|values| values.first()).map_or("", String::as_str);
    let is_binary = BINARY.contains(&kind);
    let body = if is_binary { STANDARD.encode(&call.body) } else { String::from_utf8_lossy(&call.body).into_owned() };
    let last = |values: &BTreeMap<String, Vec<String>>| -> Map<String, Value> {
        values.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect()
    };
    let or_null = |value: Value| if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value };
    json!({
        "resource": path,
        "path": path,
        "httpMethod": call.method.as_str(),
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": or_null(last(&parameters).into()),
        "multiValueQueryStringParameters": or_null(json!(parameters)),
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": null,
            "domainName": "api.execute-api.eu-central-1.amazonaws.com",
            "extendedRequestId": "extended",
            "httpMethod": call.method.as_str(),
            "identity": { "sourceIp": "203.0.113.7", "userAgent": "tests" },
            "path": format!("/prod{path}"),
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": 1_767_225_600_000_i64,
            "resourceId": "resource",
            "resourcePath": path,
            "stage": "prod",
        },
        "body": if call.body.is_empty() { Value::Null } else { body.into() },
        "isBase64Encoded": is_binary,
    })
}

/// What API Gateway would make of the function's `output`.
fn answer(output: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, values) in output["multiValueHeaders"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let name = HeaderName::try_from(name.as_str()).expect("the name of a header");
            headers.append(name, HeaderValue::from_str(value).expect("the value of a header"));
        }
    }
    let text = output["body"].as_str().unwrap_or_default();
    let body = match output["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(text).expect("base64"),
        _ => text.as_bytes().to_vec(),
    };
    let status = output["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    Answer { status: status.unwrap_or_else(|| panic!("no answer to a request: {output}")), headers, body }
}
