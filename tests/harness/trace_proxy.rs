use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::Response;
use shared::clock::{SystemRandom, random_uuid};
use tokio::net::TcpListener;

/// Starts a proxy between a function and the Lambda runtime API at the port `target` that adds a trace id to each event, and
/// returns its port.
pub(crate) async fn start_trace_proxy(target: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("the listener has an address").port();
    let client = shared::http_client::new().expect("an HTTP client can be created");
    let router = Router::new().fallback(forward).with_state(Arc::new((client, target)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn forward(
    State(upstream): State<Arc<(reqwest::Client, u16)>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (client, target) = &*upstream;
    let is_next = uri.path().ends_with("/invocation/next");
    let request = client.request(method, format!("http://127.0.0.1:{target}{uri}")).headers(headers).body(body);
    let upstream_response = request.send().await.expect("the runtime API responds");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = upstream_response.status();
    for (name, value) in upstream_response.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response.headers_mut().append(name, value.clone());
    }
    if is_next {
        let trace = HeaderValue::from_str(&trace_header()).expect("plain letters");
        response.headers_mut().insert(HeaderName::from_static("lambda-runtime-trace-id"), trace);
    }
    *response.body_mut() = Body::from(upstream_response.bytes().await.expect("a complete body"));
    response
}

/// Generates a trace header as Lambda adds it to each event, not sampled by X-Ray.
fn trace_header() -> String {
    let [root, parent] = [random_uuid(&SystemRandom), random_uuid(&SystemRandom)].map(|id| id.simple().to_string());
    format!("Root=1-{}-{};Parent={};Sampled=0", &root[..8], &root[8..], &parent[..16])
}
