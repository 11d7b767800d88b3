use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::template::Route;
use crate::{Answer, Call, Emulator, Template};

/// Most bytes of an event
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const EVENT_BYTES: usize = 6 << 20;

/// The key of a client application.
pub(crate) const API_KEY: &str = "the key of the desktop application";

/// The id that the gateway gives to every request.
pub const REQUEST_ID: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";

/// The REST API of the template: hands each request to the function that the template leads it to, as an event of the
/// payload's version 1.
pub struct Gateway {
    functions: BTreeMap<String, Emulator>,
}

impl Gateway {
    /// The functions that answer requests, with these variables.
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

    /// The same with another emulator of the function `name`.
    #[must_use]
    pub fn with(mut self, name: &str, emulator: Emulator) -> Self {
        self.functions.insert(name.to_owned(), emulator);
        self
    }

    /// The function `name`.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn function(&self, name: &str) -> &Emulator {
        self.functions.get(name).unwrap_or_else(|| panic!("there is no function {name}"))
    }

    /// What all functions have logged.
    pub fn log(&self) -> String {
        self.functions.values().map(Emulator::log).collect()
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let refused = |kind| Template::project().gateway_response(kind, REQUEST_ID);
        let Some(route) = route(&call) else { return refused("MISSING_AUTHENTICATION_TOKEN") };
        let key = call.headers.iter().find(|(name, _)| name == "x-api-key");
        if route.needs_key && key.is_none_or(|(_, key)| key != API_KEY) {
            return refused("INVALID_API_KEY");
        }
        if route.needs_object && !serde_json::from_slice::<Value>(&call.body).is_ok_and(|body| body.is_object()) {
            return refused("BAD_REQUEST_BODY");
        }
        let event = event(&call, &route.path);
        if event.to_string().len() > EVENT_BYTES {
            return refused("REQUEST_TOO_LARGE");
        }
        answer(&self.function(&route.function).invoke(&event).await).unwrap_or_else(|| refused("DEFAULT_5XX"))
    }
}

/// Where the template leads `call`.
fn route(call: &Call) -> Option<Route> {
    let path = call.path.split('?').next().unwrap_or_default();
    let method = call.method.as_str().to_lowercase();
    let mut routes: Vec<_> = Template::project().routes().into_iter().filter(|route| fits(&route.path, path)).collect();
    // A path without parameters before one with, and that before one that takes all; a method before any.
    routes.sort_by_key(|route| (route.path.ends_with("+}"), route.path.contains('{'), route.method == "any"));
    routes.into_iter().find(|route| route.method == method || route.method == "any")
}

/// Whether `path` is one of those that `pattern` stands for.
fn fits(pattern: &str, path: &str) -> bool {
    if let Some(folder) = pattern.strip_suffix("{proxy+}") {
        return path.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
    }
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}

/// `call` as API Gateway hands it on.
fn event(call: &Call, resource: &str) -> Value {
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
    let is_binary = Template::project().binary_media_types().contains(&kind);
    let body = if is_binary { STANDARD.encode(&call.body) } else { String::from_utf8_lossy(&call.body).into_owned() };
    let last = |values: &BTreeMap<String, Vec<String>>| -> Map<String, Value> {
        values.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect()
    };
    let or_null = |value: Value| if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value };
    json!({
        "resource": resource,
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
            "requestId": REQUEST_ID,
            "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": 1_767_225_600_000_i64,
            "resourceId": "resource",
            "resourcePath": resource,
            "stage": "prod",
        },
        "body": if call.body.is_empty() { Value::Null } else { body.into() },
        "isBase64Encoded": is_binary,
    })
}

/// What API Gateway makes of the function's `output`, if that is an answer.
fn answer(output: &Value) -> Option<Answer> {
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
    Some(Answer { status, headers, body })
}
