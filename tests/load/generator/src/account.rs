use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Api, Request, history, saved_query};

/// Most changes of an upload.
const MOST: usize = 5_000;

/// Somebody's account, and how many items it was given.
pub(crate) struct Account {
    pub(crate) api: Api,
    token: String,
    items: usize,
}

impl Account {
    /// A new one named `name`.
    pub(crate) async fn of(api: &Api, name: &str) -> Self {
        let session = api.sign_up(name).await;
        Self { api: api.clone(), token: session["token"].as_str().expect("a token").to_owned(), items: 0 }
    }

    /// An upload of `count` saved queries that are new.
    pub(crate) fn upload(&mut self, count: usize) -> Request {
        self.changes("saved_query", &data(), count)
    }

    /// An upload of `count` entries of the history that are new.
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

    /// Uploads until there are `count` items.
    pub(crate) async fn grow(&mut self, count: usize) {
        while self.items < count {
            let call = self.upload(MOST.min(count - self.items));
            self.send(call).await;
        }
    }

    /// What the phone has missed since `since`, at most `limit` items.
    pub(crate) fn download(&self, since: Option<&str>, limit: usize) -> Request {
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        self.call(Request::get(format!("/api/sync/download?device_id=phone&limit={limit}{since}")))
    }

    /// Where the account stands.
    pub(crate) async fn cursor(&self) -> String {
        let mut answer = self.send(self.download(None, 1_000)).await;
        while answer["has_more"] == true {
            let since = answer["sync_timestamp"].as_str().expect("a time").to_owned();
            answer = self.send(self.download(Some(&since), 1_000)).await;
        }
        answer["sync_timestamp"].as_str().expect("a time").to_owned()
    }

    /// `call` by this account.
    pub(crate) fn call(&self, call: Request) -> Request {
        call.bearer(&self.token)
    }

    pub(crate) async fn send(&self, call: Request) -> Value {
        self.api.send(call).await.expect(200)
    }

    /// How long `call` takes, until its whole answer is there; nobody reads that.
    pub(crate) async fn time(&self, call: Request) -> Duration {
        time_of(&self.api, call).await
    }
}

/// How long the service takes for `call`.
pub(crate) async fn time_of(api: &Api, call: Request) -> Duration {
    let begun = Instant::now();
    let answer = api.send(call).await;
    let time = begun.elapsed();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    time
}

/// The data of one item: about what people save.
pub(crate) fn data() -> Value {
    let query = "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id \
                 WHERE o.created_at > now() - interval '30 days' ORDER BY o.total DESC LIMIT 100";
    saved_query("Largest orders of the last month", query)
}
