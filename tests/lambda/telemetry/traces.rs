use serde_json::json;
use tests::{Emulator, Gateway, ReceivedSpan, Request, Rotel, eventually, saved_query};

use crate::cloud::Cloud;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN_ID: &str = "b7ad6b7169203331";

/// Starts an environment whose functions `auth` and `upload` are traced.
async fn start_traced(rotel: &Rotel) -> Cloud {
    let endpoint = rotel.endpoint();
    Cloud::with(&[], async |gateway: Gateway, variables: &[(&str, &str)]| {
        let variables = [variables, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]].concat();
        let gateway = gateway.with("auth", Emulator::start_traced("auth", &variables).await);
        gateway.with("upload", Emulator::start_traced("upload", &variables).await)
    })
    .await
}

fn upload(token: &str, query: &str) -> Request {
    let change = json!({ "item_type": "saved_query", "item_id": "orders", "action": "create", "sync_version": 0,
        "updated_at": "2026-01-01T10:00:00Z", "data": saved_query("Orders", query) });
    Request::post("/api/sync/upload", &json!({ "device_id": "laptop", "changes": [change] })).bearer(token)
}

/// Waits for the span `name` of the trace `trace`.
async fn span(rotel: &Rotel, trace: &str, name: &str) -> ReceivedSpan {
    let matches = |span: &ReceivedSpan| span.field("Trace ID") == trace && span.field("Name") == name;
    eventually(name, async || rotel.spans().into_iter().find(matches)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_traced_from_the_client_to_the_stores() {
    let rotel = Rotel::start().await;
    let cloud = start_traced(&rotel).await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let call = upload(token, "select 1").header("traceparent", &format!("00-{TRACE_ID}-{CLIENT_SPAN_ID}-01"));
    cloud.api.send(call).await.expect(200);

    let request = span(&rotel, TRACE_ID, "POST /api/sync/upload").await;
    assert_eq!(request.field("Parent ID"), CLIENT_SPAN_ID);
    assert_eq!(request.field("Kind"), "SPAN_KIND_SERVER");
    assert_eq!(request.attribute("http.response.status_code"), "200");
    let (begin, ended) = request.times();
    let mut last = begin;
    for name in ["redis authenticate", "libsql load", "decide", "libsql commit"] {
        let part = span(&rotel, TRACE_ID, name).await;
        assert_eq!(part.field("Parent ID"), request.field("ID"), "{name}");
        let (start, end) = part.times();
        assert!(last <= start && start <= end && end <= ended, "{name}: {start} to {end}, of {begin} to {ended}");
        last = end;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_traceparent_uses_the_trace_of_lambda_including_emails() {
    let rotel = Rotel::start().await;
    let cloud = start_traced(&rotel).await;
    cloud.api.sign_up("ada").await;
    cloud.mail("verify_email").await;
    let is_request = |span: &ReceivedSpan| span.field("Name") == "POST /api/auth/signup";
    let request = eventually("the request", async || rotel.spans().into_iter().find(is_request)).await;
    let trace = request.field("Trace ID");
    let invocation = span(&rotel, trace, "invocation").await;
    assert_eq!(request.field("Parent ID"), invocation.field("ID"));
    let xray = format!("1-{}-{}", &trace[..8], &trace[8..]);
    assert_eq!(invocation.attribute("xray_trace_id"), xray, "the same trace in the format of X-Ray");
    let mail = span(&rotel, trace, "mail").await;
    assert_eq!(span(&rotel, trace, "mailer verify_email").await.field("Parent ID"), mail.field("ID"));
    assert_eq!(mail.field("Parent ID"), invocation.field("ID"));
}
