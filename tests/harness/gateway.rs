use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use crate::template::Route;
use crate::{Emulator, Request, Response, Template};

/// Maximum size of an event, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const EVENT_BYTES: usize = 6 << 20;

/// API key of the client application.
pub const API_KEY: &str = "the key of the desktop application";

/// Request id that the gateway assigns to every request.
pub const REQUEST_ID: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";

/// REST API of the template: routes each request to a function by the template, as an API Gateway proxy event (payload
/// version 1.0).
pub struct Gateway {
    functions: BTreeMap<String, Emulator>,
}

impl Gateway {
    /// Starts all functions that the template's routes name, with these variables.
    ///
    /// # Panics
    /// As [`Emulator::start`].
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let names: BTreeSet<_> = Template::project().routes().into_iter().map(|route| route.function).collect();
        let mut functions = BTreeMap::new();
        for name in names {
            let emulator = Emulator::start(&name, environment).await;
            functions.insert(name, emulator);
        }
        Self { functions }
    }

    /// Replaces the emulator of the function `name`.
    #[must_use]
    pub fn with(mut self, name: &str, emulator: Emulator) -> Self {
        self.functions.insert(name.to_owned(), emulator);
        self
    }

    /// Returns the function `name`.
    ///
    /// # Panics
    /// If there is none.
    pub fn function(&self, name: &str) -> &Emulator {
        self.functions.get(name).unwrap_or_else(|| panic!("there is no function {name}"))
    }

    /// Returns the logs of all functions.
    pub fn log(&self) -> String {
        self.functions.values().map(Emulator::log).collect()
    }

    /// Serves the API over HTTP below the name of a stage, as AWS does, and returns the base URL.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn listen(self: Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let handler = move |request| {
            let gateway = self.clone();
            async move { gateway.answer(request).await }
        };
        let router = Router::new().nest("/dev", Router::new().fallback(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/dev")
    }

    async fn answer(&self, request: axum::extract::Request) -> axum::response::Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(parts.method, path);
        for (name, value) in &parts.headers {
            request = request.header(name.as_str(), value.to_str().expect("a test sends text in headers"));
        }
        request.body = body.collect().await.expect("a complete body").to_bytes().to_vec();
        let response = self.send(request).await;
        let mut answer = axum::response::Response::builder().status(response.status);
        answer.headers_mut().expect("the status is valid").extend(response.headers);
        answer.body(Body::from(response.body)).expect("the response is well-formed")
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        let gateway_error = |kind| Template::project().gateway_response(kind, REQUEST_ID);
        let Some(route) = route(&request) else { return gateway_error("MISSING_AUTHENTICATION_TOKEN") };
        let key = request.headers.iter().find(|(name, _)| name == "x-api-key");
        if route.needs_key && key.is_none_or(|(_, key)| key != API_KEY) {
            return gateway_error("INVALID_API_KEY");
        }
        if route.needs_object && !serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body.is_object()) {
            return gateway_error("BAD_REQUEST_BODY");
        }
        let event = event(&request, &route.path);
        if event.to_string().len() > EVENT_BYTES {
            return gateway_error("REQUEST_TOO_LARGE");
        }
        to_response(&self.function(&route.function).invoke(&event).await)
            .unwrap_or_else(|| gateway_error("DEFAULT_5XX"))
    }
}

/// Returns the template's route for `request`.
fn route(request: &Request) -> Option<Route> {
    let path = request.path.split('?').next().unwrap_or_default();
    let method = request.method.as_str().to_lowercase();
    let mut routes: Vec<_> =
        Template::project().routes().into_iter().filter(|route| matches_pattern(&route.path, path)).collect();
    // Precedence: paths without parameters, with parameters, catch-all; an exact method before `any`.
    routes.sort_by_key(|route| (route.path.ends_with("+}"), route.path.contains('{'), route.method == "any"));
    routes.into_iter().find(|route| route.method == method || route.method == "any")
}

/// Whether `path` matches `pattern`.
fn matches_pattern(pattern: &str, path: &str) -> bool {
    if let Some(folder) = pattern.strip_suffix("{proxy+}") {
        return path.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
    }
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(path).all(|(expected, actual)| expected.starts_with('{') || *expected == actual)
}

/// Converts `request` to the event that API Gateway passes to a function.
fn event(request: &Request, resource: &str) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let content_type = headers.get("content-type").and_then(|values| values.first()).map_or("", String::as_str);
    let is_binary = Template::project().binary_media_types().contains(&content_type);
    let body =
        if is_binary { STANDARD.encode(&request.body) } else { String::from_utf8_lossy(&request.body).into_owned() };
    let last = |values: &BTreeMap<String, Vec<String>>| -> Map<String, Value> {
        values.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect()
    };
    let or_null = |value: Value| if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value };
    json!({
        "resource": resource,
        "path": path,
        "httpMethod": request.method.as_str(),
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
            "httpMethod": request.method.as_str(),
            "identity": { "sourceIp": "203.0.113.7", "userAgent": "tests" },
            "path": format!("/prod{path}"),
            "protocol": "HTTP/1.1",
            "requestId": REQUEST_ID,
            "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": 1_767_225_600_000_i64,
            "resourceId": "resource",
            "resourcePath": resource,
            "stage": "prod",
        },
        "body": if request.body.is_empty() { Value::Null } else { body.into() },
        "isBase64Encoded": is_binary,
    })
}

/// Converts a function's `output` to a response as API Gateway does. Returns `None` if it is not a valid response.
fn to_response(output: &Value) -> Option<Response> {
    let status = output["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok())?;
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
    Some(Response { status, headers, body })
}
