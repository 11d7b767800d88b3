use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::http_client::describe;
use tower::ServiceExt;

use crate::gateway::API_KEY;
use crate::{Gateway, PASSWORD};

/// Transport by which a test reaches the service.
#[derive(Clone)]
pub enum Api {
    /// Calls the router in this process.
    Router(Router),
    /// Sends HTTP requests to a base URL.
    Http(reqwest::Client, String),
    /// Invokes the Lambda functions' binaries, each under the AWS runtime interface emulator.
    Lambda(Arc<Gateway>),
}

/// HTTP request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// HTTP response with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// Creates a request with an empty body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Creates a GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Creates a POST request with a JSON body.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a body of the media type `media_type`.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// Appends a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Appends an `Authorization` header with an access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

impl Response {
    /// Parses the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts the status and parses the body as JSON.
    ///
    /// # Panics
    /// If the status differs, or the body is not JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Asserts that the response is the error `code` in the documented shape, and returns its body.
    ///
    /// # Panics
    /// If the status, the code or the shape differs.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> Value {
        let error = self.expect(status);
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(error["error"], true, "{error}");
        assert_eq!(error["request_id"], self.header("x-request-id").unwrap_or_default(), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        error
    }

    /// Returns a header, or `None` if it is missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// Creates a transport to the service at the base URL `base`.
    pub fn at(base: &str) -> Self {
        shared::root_certificates::install_crypto_provider();
        Self::Http(reqwest::Client::new(), base.to_owned())
    }

    /// Creates a transport to the service at the base URL `base`, whose connections come from the address `local`.
    ///
    /// # Panics
    /// If no client can be created.
    pub fn from_address(base: &str, local: IpAddr) -> Self {
        shared::root_certificates::install_crypto_provider();
        let client = reqwest::Client::builder().local_address(local).build().expect("an HTTP client can be created");
        Self::Http(client, base.to_owned())
    }

    /// Sends `request`; returns `None` if the connection broke.
    pub async fn try_send(&self, request: Request) -> Option<Response> {
        self.attempt(request).await.ok()
    }

    async fn attempt(&self, request: Request) -> reqwest::Result<Response> {
        match self {
            Self::Router(router) => Ok(send_in_process(router.clone(), request).await),
            Self::Http(client, base) => send_over_http(client, base, request).await,
            Self::Lambda(gateway) => Ok(gateway.send(with_key(request)).await),
        }
    }

    /// Sends `request`.
    ///
    /// # Panics
    /// If the connection breaks.
    pub async fn send(&self, request: Request) -> Response {
        let target = format!("{} {}", request.method, request.path);
        self.attempt(request).await.unwrap_or_else(|error| panic!("{target}: {}", describe(error)))
    }

    /// Signs `name` up with [`PASSWORD`] and returns the response body.
    pub async fn sign_up(&self, name: &str) -> Value {
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        self.send(Request::post("/api/auth/signup", &body)).await.expect(201)
    }
}

async fn send_in_process(router: Router, request: Request) -> Response {
    let mut builder = axum::http::Request::builder().method(request.method).uri(request.path);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Body::from(request.body)).expect("the request is well-formed");
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory does not break").to_bytes().to_vec();
    Response { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn send_over_http(client: &reqwest::Client, base: &str, request: Request) -> reqwest::Result<Response> {
    let mut builder = client.request(request.method, format!("{base}{}", request.path)).body(request.body);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let response = builder.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Response { status, headers, body: response.bytes().await?.to_vec() })
}

/// Adds the API key of the client application, unless `request` carries one.
fn with_key(request: Request) -> Request {
    if request.headers.iter().any(|(name, _)| name == "x-api-key") {
        request
    } else {
        request.header("x-api-key", API_KEY)
    }
}
