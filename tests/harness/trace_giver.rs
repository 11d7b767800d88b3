use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::Response;
use shared::clock::{SystemRandom, random_uuid};
use tokio::net::TcpListener;

/// What comes between a function and the runtime API at the port `target`: each event gets a trace on its way. Returns where
/// it listens.
pub(crate) async fn give_traces(target: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let client = shared::http_client::new().expect("there can be a client");
    let router = Router::new().fallback(forward).with_state(Arc::new((client, target)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn forward(
    State(way): State<Arc<(reqwest::Client, u16)>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (client, target) = &*way;
    let is_next = uri.path().ends_with("/invocation/next");
    let request = client.request(method, format!("http://127.0.0.1:{target}{uri}")).headers(headers).body(body);
    let answer = request.send().await.expect("the runtime API answers");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response.headers_mut().append(name, value.clone());
    }
    if is_next {
        let trace = HeaderValue::from_str(&trace()).expect("plain letters");
        response.headers_mut().insert(HeaderName::from_static("lambda-runtime-trace-id"), trace);
    }
    *response.body_mut() = Body::from(answer.bytes().await.expect("whole"));
    response
}

/// A trace such as Lambda gives each event, of which X-Ray takes no sample.
fn trace() -> String {
    let [root, parent] = [random_uuid(&SystemRandom), random_uuid(&SystemRandom)].map(|id| id.simple().to_string());
    format!("Root=1-{}-{};Parent={};Sampled=0", &root[..8], &root[8..], &parent[..16])
}
