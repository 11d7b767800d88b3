use std::time::Duration;

use serde_json::{Value, json};
use tests::{Backends, Fault, PASSWORD, Proxy, Request, Response, Service};
use tokio::time::Instant;

/// Maximum response time, below the 29 s integration timeout of API Gateway.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

/// Store of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Store {
    Accounts,
    Data,
    Sessions,
}

impl Store {
    pub(crate) const ALL: [Self; 3] = [Self::Accounts, Self::Data, Self::Sessions];

    /// Setting with the URL of the store.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Accounts => "DATABASE_URL",
            Self::Data => "TURSO_DATABASE_URL",
            Self::Sessions => "REDIS_URL",
        }
    }
}

/// Service on real servers, with a proxy in front of each, and the account of Ada.
pub(crate) struct ProxiedService {
    pub(crate) service: Service,
    pub(crate) accounts: Proxy,
    pub(crate) data: Proxy,
    pub(crate) sessions: Proxy,
    pub(crate) token: String,
}

impl ProxiedService {
    /// Starts a service with rate limits, and signs Ada up.
    pub(crate) async fn start() -> Self {
        Self::with_settings(&[("RATE_LIMITS", "on")]).await
    }

    /// As [`start`](Self::start), with `settings`.
    pub(crate) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let mut backends = Backends::start_servers().await;
        let [accounts, data, sessions] = backends.insert_proxies().await;
        let service = Service::on_backends(backends, settings).await;
        let mut proxied = Self { service, accounts, data, sessions, token: String::new() };
        let account = proxied.service.api.sign_up("ada").await;
        account["token"].as_str().expect("a token").clone_into(&mut proxied.token);
        proxied
    }

    /// Returns the same stores, through the same proxies.
    pub(crate) fn share_backends(&self) -> Backends {
        self.service.backends.share()
    }

    pub(crate) fn proxies(&self) -> [&Proxy; 3] {
        Store::ALL.map(|store| self.proxy(store))
    }

    pub(crate) fn proxy(&self, store: Store) -> &Proxy {
        match store {
            Store::Accounts => &self.accounts,
            Store::Data => &self.data,
            Store::Sessions => &self.sessions,
        }
    }

    /// Advances the clock by a minute to refill the rate limits, sends `request` with Ada's token, and asserts that the
    /// response arrives within [`DEADLINE`].
    pub(crate) async fn send(&self, request: Request) -> Response {
        self.service.clock.advance(60);
        let started = Instant::now();
        let target = format!("{} {}", request.method, request.path);
        let response =
            tokio::time::timeout(DEADLINE + Duration::from_secs(2), self.service.api.send(request.bearer(&self.token)));
        let response = response.await.unwrap_or_else(|_| panic!("{target} hangs"));
        let took = started.elapsed();
        assert!(took < DEADLINE, "{target} took {took:?}");
        response
    }

    /// Asserts that all sample requests succeed.
    pub(crate) async fn assert_healthy(&self) {
        for request in self.sample_requests() {
            let target = format!("{} {}", request.method, request.path);
            let response = self.send(request).await;
            assert_eq!(response.status, 200, "{target}: {}", String::from_utf8_lossy(&response.body));
        }
    }

    /// Requests that cover all uses of the stores.
    pub(crate) fn sample_requests(&self) -> Vec<Request> {
        vec![
            login_request(),
            upload(&[query("q", 1)]),
            upload(&[entry("h")]),
            download(),
            Request::get("/api/auth/profile"),
            ready(),
        ]
    }
}

pub(crate) fn login_request() -> Request {
    tests::login_request("ada", PASSWORD)
}

pub(crate) fn ready() -> Request {
    Request::get("/ready")
}

pub(crate) fn download() -> Request {
    Request::get("/api/sync/download?device_id=phone")
}

pub(crate) fn upload(changes: &[Value]) -> Request {
    Request::post("/api/sync/upload", &json!({ "device_id": "laptop", "changes": changes }))
}

/// Creates a change that sets the saved query `id` to `version`.
pub(crate) fn query(id: &str, version: i64) -> Value {
    json!({ "id": format!("{id} {version}"), "item_type": "saved_query", "item_id": id, "action": "update",
        "updated_at": "2026-01-01T00:00:00Z", "sync_version": version - 1,
        "data": tests::saved_query(id, &format!("select {version}")) })
}

/// Uploads an edit of version 1 of the saved query `id` from the phone, while version 2 or later is stored. Returns the id of
/// the conflict.
pub(crate) async fn create_phone_conflict(proxied: &ProxiedService, id: &str) -> String {
    let mut stale = query(id, 2);
    (stale["id"], stale["data"]["query"]) = (json!("another"), json!("select 'phone'"));
    let phone = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": [stale] });
    let response = proxied.send(Request::post("/api/sync/upload", &phone)).await.expect(200);
    response["conflicts"][0]["id"].as_str().expect("a conflict").to_owned()
}

/// Creates a change that appends the entry `id` to the query history.
pub(crate) fn entry(id: &str) -> Value {
    json!({ "item_type": "query_history", "item_id": id, "action": "create", "updated_at": "2026-01-01T00:00:00Z",
        "sync_version": 0, "data": tests::history("select 1") })
}

/// Asserts that the service is unavailable: 503 with `retry-after`, without internal details.
#[track_caller]
pub(crate) fn expect_unavailable(response: &Response) {
    let error = response.expect_error(503, "SERVICE_UNAVAILABLE");
    let wait: u32 = response.header("retry-after").expect("a retry-after header").parse().expect("seconds");
    assert!(wait > 0);
    let text = error.to_string();
    for internal in ["127.0.0.1", "redis", "postgres", "libsql", "sqld", "timed out"] {
        assert!(!text.contains(internal), "{text}");
    }
}

/// Faults during which a store does not respond.
pub(crate) const OUTAGES: [Fault; 4] =
    [Fault::Down, Fault::BlackHole, Fault::Slow(Duration::from_secs(30)), Fault::Cut(10)];
