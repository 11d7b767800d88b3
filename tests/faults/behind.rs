use std::time::Duration;

use serde_json::{Value, json};
use tests::{Answer, Backends, Call, Fault, PASSWORD, Proxy, Service};
use tokio::time::Instant;

/// Well under the 29 s after which API Gateway gives up on a function.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

/// A store of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Store {
    Accounts,
    Data,
    Sessions,
}

impl Store {
    pub(crate) const ALL: [Self; 3] = [Self::Accounts, Self::Data, Self::Sessions];

    /// The setting that holds its URL.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Accounts => "DATABASE_URL",
            Self::Data => "TURSO_DATABASE_URL",
            Self::Sessions => "REDIS_URL",
        }
    }
}

/// A service on real servers, with a proxy before each.
pub(crate) struct Behind {
    pub(crate) service: Service,
    pub(crate) accounts: Proxy,
    pub(crate) data: Proxy,
    pub(crate) sessions: Proxy,
    pub(crate) token: String,
}

impl Behind {
    /// A service, and ada's account.
    pub(crate) async fn start() -> Self {
        Self::with(&[("RATE_LIMITS", "on")]).await
    }

    /// As [`Self::start`], with `settings`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let mut backends = Backends::servers().await;
        let [accounts, data, sessions] = backends.put_proxies().await;
        let service = Service::on(backends, settings).await;
        let mut behind = Self { service, accounts, data, sessions, token: String::new() };
        let account = behind.service.api.sign_up("ada").await;
        account["token"].as_str().expect("a token").clone_into(&mut behind.token);
        behind
    }

    /// The same stores, by the same proxies.
    pub(crate) fn lent(&self) -> Backends {
        self.service.backends.lent()
    }

    pub(crate) fn all(&self) -> [&Proxy; 3] {
        Store::ALL.map(|store| self.proxy(store))
    }

    pub(crate) fn proxy(&self, store: Store) -> &Proxy {
        match store {
            Store::Accounts => &self.accounts,
            Store::Data => &self.data,
            Store::Sessions => &self.sessions,
        }
    }

    /// Sends `call` with ada's token, and sees that it is answered in time. A minute goes by for the token buckets.
    pub(crate) async fn send(&self, call: Call) -> Answer {
        self.service.clock.advance(60);
        let started = Instant::now();
        let what = format!("{} {}", call.method, call.path);
        let answer =
            tokio::time::timeout(DEADLINE + Duration::from_secs(2), self.service.api.send(call.bearer(&self.token)));
        let answer = answer.await.unwrap_or_else(|_| panic!("{what} hangs"));
        let took = started.elapsed();
        assert!(took < DEADLINE, "{what} took {took:?}");
        answer
    }

    /// Sees that everything works.
    pub(crate) async fn is_well(&self) {
        for call in self.calls() {
            let what = format!("{} {}", call.method, call.path);
            let answer = self.send(call).await;
            assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
        }
    }

    /// A call for each way in which stores are used.
    pub(crate) fn calls(&self) -> Vec<Call> {
        vec![
            login(),
            upload(&[query("q", 1)]),
            upload(&[entry("h")]),
            download(),
            Call::get("/api/auth/profile"),
            ready(),
        ]
    }
}

pub(crate) fn login() -> Call {
    tests::login("ada", PASSWORD)
}

pub(crate) fn ready() -> Call {
    Call::get("/ready")
}

pub(crate) fn download() -> Call {
    Call::get("/api/sync/download?device_id=phone")
}

pub(crate) fn upload(changes: &[Value]) -> Call {
    Call::post("/api/sync/upload", &json!({ "device_id": "laptop", "changes": changes }))
}

/// A change that makes the saved query `id`.
pub(crate) fn query(id: &str, version: i64) -> Value {
    json!({ "id": format!("{id} {version}"), "item_type": "saved_query", "item_id": id, "action": "update",
        "updated_at": "2026-01-01T00:00:00Z", "sync_version": version - 1,
        "data": tests::saved_query(id, &format!("select {version}")) })
}

/// The phone edits the first version of the saved query `id`, of which there is a second; the id of the conflict.
pub(crate) async fn conflict_of_the_phone(behind: &Behind, id: &str) -> String {
    let mut stale = query(id, 2);
    (stale["id"], stale["data"]["query"]) = (json!("another"), json!("select 'phone'"));
    let phone = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": [stale] });
    let answer = behind.send(Call::post("/api/sync/upload", &phone)).await.expect(200);
    answer["conflicts"][0]["id"].as_str().expect("a conflict").to_owned()
}

/// A change that appends the entry `id` to the history.
pub(crate) fn entry(id: &str) -> Value {
    json!({ "item_type": "query_history", "item_id": id, "action": "create", "updated_at": "2026-01-01T00:00:00Z",
        "sync_version": 0, "data": tests::history("select 1") })
}

/// Sees that the service is out, says when to come again, and tells nothing of its inside.
#[track_caller]
pub(crate) fn is_out(answer: &Answer) {
    let error = answer.refused(503, "SERVICE_UNAVAILABLE");
    let wait: u32 = answer.header("retry-after").expect("when to come again").parse().expect("seconds");
    assert!(wait > 0);
    let text = error.to_string();
    for inside in ["127.0.0.1", "redis", "postgres", "libsql", "sqld", "timed out"] {
        assert!(!text.contains(inside), "{text}");
    }
}

/// The ways in which a store does not answer.
pub(crate) const OUTAGES: [Fault; 4] =
    [Fault::Down, Fault::BlackHole, Fault::Slow(Duration::from_secs(30)), Fault::Cut(10)];
