use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::Gateway;
use crate::gateway::API_KEY;

/// A way to the service.
#[derive(Clone)]
pub enum Api {
    /// By its router, in this process.
    Router(Router),
    /// Over HTTP, at this base URL.
    Http(reqwest::Client, String),
    /// By the functions' binaries, each under AWS's emulator.
    Lambda(Arc<Gateway>),
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Call {
    /// A request with an empty body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST of JSON.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// The same with a body of some kind.
    #[must_use]
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with an access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as JSON, after a look at the status.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The error, after a look at its status, its code and its shape.
    ///
    /// # Panics
    /// When it is another error, or none.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let error = self.expect(status);
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(error["error"], true, "{error}");
        assert_eq!(error["request_id"], self.header("x-request-id").unwrap_or_default(), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        error
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// The service at `base`.
    pub fn at(base: &str) -> Self {
        shared::root_certificates::install_crypto_provider();
        Self::Http(reqwest::Client::new(), base.to_owned())
    }

    /// Sends `call`; `None` where the connection broke.
    pub async fn try_send(&self, call: Call) -> Option<Answer> {
        match self {
            Self::Router(router) => Some(send_in_process(router.clone(), call).await),
            Self::Http(client, base) => send_over_http(client, base, call).await.ok(),
            Self::Lambda(gateway) => Some(gateway.send(with_key(call)).await),
        }
    }

    /// Sends `call`.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn send(&self, call: Call) -> Answer {
        let what = format!("{} {}", call.method, call.path);
        self.try_send(call).await.unwrap_or_else(|| panic!("the connection broke: {what}"))
    }

    /// Signs `name` up and returns the whole answer.
    pub async fn sign_up(&self, name: &str) -> Value {
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": "Sesame42" });
        self.send(Call::post("/api/auth/signup", &body)).await.expect(201)
    }
}

async fn send_in_process(router: Router, call: Call) -> Answer {
    let mut request = Request::builder().method(call.method).uri(call.path);
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(call.body)).expect("the request is well-formed");
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory does not break").to_bytes().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn send_over_http(client: &reqwest::Client, base: &str, call: Call) -> reqwest::Result<Answer> {
    let mut request = client.request(call.method, format!("{base}{}", call.path)).body(call.body);
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
}

/// `call` as a client application sends it, which has a key, unless it comes with one.
fn with_key(call: Call) -> Call {
    if call.headers.iter().any(|(name, _)| name == "x-api-key") { call } else { call.header("x-api-key", API_KEY) }
}
