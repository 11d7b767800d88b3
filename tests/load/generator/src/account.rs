use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Api, Request, history, saved_query};

/// Maximum number of changes of an upload.
const MAX_CHANGES: usize = 5_000;

/// Account with its number of items.
pub(crate) struct Account {
    pub(crate) api: Api,
    token: String,
    items: usize,
}

impl Account {
    /// Creates an account named `name`.
    pub(crate) async fn of(api: &Api, name: &str) -> Self {
        let session = api.sign_up(name).await;
        Self { api: api.clone(), token: session["token"].as_str().expect("a token").to_owned(), items: 0 }
    }

    /// Returns an upload of `count` new saved queries.
    pub(crate) fn upload(&mut self, count: usize) -> Request {
        self.changes("saved_query", &data(), count)
    }

    /// Returns an upload of `count` new history entries.
    pub(crate) fn upload_history(&mut self, count: usize) -> Request {
        self.changes("query_history", &history("SELECT 1"), count)
    }

    fn changes(&mut self, item_type: &str, data: &Value, count: usize) -> Request {
        let change = |index: usize| {
            let id = format!("q{}", self.items + index);
            json!({ "id": id, "item_type": item_type, "item_id": id, "action": "create", "sync_version": 0,
                "updated_at": "2026-01-01T00:00:00Z", "data": data })
        };
        let changes: Vec<Value> = (0..count).map(change).collect();
        self.items += count;
        self.call(Request::post("/api/sync/upload", &json!({ "device_id": "laptop", "changes": changes })))
    }

    /// Uploads items until the account has `count` items.
    pub(crate) async fn grow(&mut self, count: usize) {
        while self.items < count {
            let call = self.upload(MAX_CHANGES.min(count - self.items));
            self.send(call).await;
        }
    }

    /// Returns a download of the phone since `since` with at most `limit` items.
    pub(crate) fn download(&self, since: Option<&str>, limit: usize) -> Request {
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        self.call(Request::get(format!("/api/sync/download?device_id=phone&limit={limit}{since}")))
    }

    /// Downloads everything and returns the cursor.
    pub(crate) async fn cursor(&self) -> String {
        let mut response = self.send(self.download(None, 1_000)).await;
        while response["has_more"] == true {
            let since = response["sync_timestamp"].as_str().expect("a time").to_owned();
            response = self.send(self.download(Some(&since), 1_000)).await;
        }
        response["sync_timestamp"].as_str().expect("a time").to_owned()
    }

    /// Authorizes `call` as this account.
    pub(crate) fn call(&self, call: Request) -> Request {
        call.bearer(&self.token)
    }

    pub(crate) async fn send(&self, call: Request) -> Value {
        self.api.send(call).await.expect(200)
    }

    /// Returns the time until the complete response to `call`; does not parse it.
    pub(crate) async fn time(&self, call: Request) -> Duration {
        time_of(&self.api, call).await
    }
}

/// Returns the response time of the service for `call`.
pub(crate) async fn time_of(api: &Api, call: Request) -> Duration {
    let start = Instant::now();
    let response = api.send(call).await;
    let time = start.elapsed();
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    time
}

/// Returns the data of a typical item.
pub(crate) fn data() -> Value {
    let query = "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id \
                 WHERE o.created_at > now() - interval '30 days' ORDER BY o.total DESC LIMIT 100";
    saved_query("Largest orders of the last month", query)
}
