use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::models::Timestamp;
use uuid::Uuid;

use crate::{Answer, Api, Call};

/// The lists of a download, and the kind of the items in each.
const LISTS: [(&str, &str); 3] =
    [("connections", "connection"), ("saved_queries", "saved_query"), ("query_history", "query_history")];

/// Which item: its kind and its id.
pub type Key = (String, String);

/// A client as one would write it: it knows what the server told it, and keeps its own edits until they are uploaded.
#[derive(Clone)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// How its conflicts are settled.
    pub strategy: String,
    /// What the server told it, deleted items included.
    pub known: BTreeMap<Key, Known>,
    /// Its own edits, until they are answered and downloaded.
    pub pending: Vec<PendingChange>,
    /// The newest `sync_timestamp`.
    pub since: Option<String>,
    /// How far its clock is off, in seconds.
    pub skew: i64,
    /// Whether it keeps times in milliseconds only.
    pub rounds: bool,
    /// Items it asks for at a time.
    pub page: usize,
    api: Api,
    token: String,
    /// The newest version of each item that a download brought since the last reset, and whether that was its deletion.
    delivered: BTreeMap<Key, (i64, bool)>,
}

/// What the server said of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its version.
    pub version: i64,
    /// Its data, unless it is deleted.
    pub data: Option<Value>,
}

/// An edit of its own.
#[derive(Debug, Clone)]
pub struct PendingChange {
    /// The item.
    pub key: Key,
    /// The change as it is uploaded.
    pub json: Value,
    /// The version it was given, once it is known to be applied. What is there only a download tells, so it is shown
    /// until the next one: the answer to a repeat may be older than what was downloaded in between.
    pub applied: Option<i64>,
}

impl Device {
    /// A new device of the account that `token` belongs to.
    pub fn new(api: &Api, token: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            strategy: "last_write_wins".to_owned(),
            known: BTreeMap::new(),
            pending: Vec::new(),
            since: None,
            skew: 0,
            rounds: false,
            page: 1_000,
            api: api.clone(),
            token: token.to_owned(),
            delivered: BTreeMap::new(),
        }
    }

    /// Uses another access token from now on.
    pub fn authenticates(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// The same with another strategy.
    #[must_use]
    pub fn settling_by(mut self, strategy: &str) -> Self {
        self.strategy = strategy.to_owned();
        self
    }

    /// What its user sees of an item.
    pub fn sees(&self, kind: &str, id: &str) -> Option<Value> {
        let key = (kind.to_owned(), id.to_owned());
        match self.pending.iter().rev().find(|change| change.key == key) {
            Some(change) => change.json.get("data").cloned(),
            None => self.known.get(&key)?.data.clone(),
        }
    }

    /// The newest version of an item that it has seen.
    pub fn base(&self, key: &Key) -> i64 {
        let known = self.known.get(key).map_or(0, |known| known.version);
        let applied = self.pending.iter().filter(|change| change.key == *key).filter_map(|change| change.applied);
        applied.fold(known, i64::max)
    }

    /// Its edits that no answer has come for.
    pub fn unsent(&self) -> impl Iterator<Item = &PendingChange> {
        self.pending.iter().filter(|change| change.applied.is_none())
    }

    /// Its user writes an item, at the true time `now`.
    pub fn writes(&mut self, kind: &str, id: &str, data: Value, now: Timestamp) {
        let action = if self.sees(kind, id).is_some() { "update" } else { "create" };
        self.edit(kind, id, action, Some(data), now);
    }

    /// Its user deletes an item, at the true time `now`.
    pub fn deletes(&mut self, kind: &str, id: &str, now: Timestamp) {
        self.edit(kind, id, "delete", None, now);
    }

    fn edit(&mut self, kind: &str, id: &str, action: &str, data: Option<Value>, now: Timestamp) {
        let key = (kind.to_owned(), id.to_owned());
        let base = self.base(&key);
        let mut change = json!({
            "id": Uuid::from_bytes(shared::clock::random_bytes(&shared::clock::SystemRandom)).to_string(),
            "item_type": kind, "item_id": id, "action": action,
            "updated_at": now.plus_seconds(self.skew).to_string(), "sync_version": base,
        });
        if let Some(data) = data {
            change["data"] = data;
        }
        self.pending.push(PendingChange { key, json: change, applied: None });
    }

    /// The body of an upload of everything that waits.
    pub fn upload_body(&self) -> Value {
        let changes: Vec<&Value> = self.unsent().map(|change| &change.json).collect();
        let mut body = json!({ "device_id": self.id, "conflict_strategy": self.strategy, "changes": changes });
        if let Some(since) = &self.since {
            body["last_sync_at"] = json!(since);
        }
        body
    }

    /// A call with its access token.
    pub async fn send(&self, call: Call) -> Answer {
        self.api.send(call.bearer(&self.token)).await
    }

    /// Uploads what waits, and loses the answer. Where nothing waits there is nothing to upload.
    pub async fn uploads_in_vain(&self) -> Value {
        if self.unsent().next().is_none() {
            return json!({ "success": true, "applied": [], "conflicts": [], "rejected": [] });
        }
        self.send(Call::post("/api/sync/upload", &self.upload_body())).await.expect(200)
    }

    /// Uploads what waits, and returns the answer.
    pub async fn uploads(&mut self) -> Value {
        let answer = self.uploads_in_vain().await;
        self.takes(&answer);
        answer
    }

    /// Takes the answer to an upload.
    pub fn takes(&mut self, answer: &Value) {
        for applied in list(answer, "applied") {
            let change = self.pending.iter_mut().find(|change| change.json["id"] == applied["change_id"]);
            if let Some(change) = change {
                change.applied = applied["sync_version"].as_i64();
            }
        }
        for conflict in list(answer, "conflicts") {
            self.forget(&conflict["change_id"]);
        }
        for rejected in list(answer, "rejected") {
            if rejected["code"] == "RESYNC_REQUIRED" {
                self.since = None;
            } else {
                self.forget(&rejected["change"]["id"]);
            }
        }
    }

    fn forget(&mut self, change_id: &Value) {
        self.pending.retain(|change| change.json["id"] != *change_id);
    }

    /// Downloads until there is no more, and returns the last page.
    ///
    /// # Panics
    /// When a page breaks a promise: something twice, or a time that does not move on.
    pub async fn downloads(&mut self) -> Value {
        for _ in 0..10_000 {
            let page = self.downloads_page().await;
            if page["has_more"] == false {
                return page;
            }
        }
        panic!("{} never gets to the end of its download", self.id);
    }

    /// Downloads one page.
    ///
    /// # Panics
    /// As [`downloads`](Self::downloads).
    pub async fn downloads_page(&mut self) -> Value {
        let mut path = format!("/api/sync/download?device_id={}&limit={}", self.id, self.page);
        if let Some(since) = &self.since {
            path += &format!("&since={since}");
        }
        let page = self.send(Call::get(path)).await.expect(200);
        if page["reset"] == true {
            self.known.clear();
            self.delivered.clear();
        } else {
            let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
            let (since, now) = (time(self.since.as_deref()), time(page["sync_timestamp"].as_str()));
            assert!(since <= now, "{} goes back from {since:?}: {page}", self.id);
        }
        for (list_name, kind) in LISTS {
            for item in list(&page, list_name) {
                self.receives(kind, item, &item["id"], Some(item.clone()));
            }
        }
        for tombstone in list(&page, "deleted") {
            let kind = tombstone["item_type"].as_str().unwrap_or_default();
            self.receives(kind, tombstone, &tombstone["item_id"], None);
        }
        if page["has_more"] == false {
            self.pending.retain(|change| change.applied.is_none());
        }
        self.since = page["sync_timestamp"]
            .as_str()
            .map(|time| if self.rounds { to_milliseconds(time) } else { time.to_owned() });
        page
    }

    fn receives(&mut self, kind: &str, said: &Value, id: &Value, data: Option<Value>) {
        let key = (kind.to_owned(), id.as_str().unwrap_or_default().to_owned());
        let version = said["sync_version"].as_i64().unwrap_or_default();
        let before = self.delivered.insert(key.clone(), (version, data.is_none()));
        // Once its tombstone is purged, an item that is made again starts again.
        let fresh = before.is_none_or(|(before, deleted)| before < version || (deleted && data.is_some()));
        assert!(fresh, "{} gets version {version} of {key:?} twice", self.id);
        let newer = self.known.get(&key).is_none_or(|known| known.version <= version || known.data.is_none());
        if newer {
            self.known.insert(key, Known { version, data });
        }
    }

    /// Uploads, then downloads; the answer to the upload.
    pub async fn syncs(&mut self) -> Value {
        let answer = self.uploads().await;
        self.downloads().await;
        answer
    }
}

fn list<'a>(page: &'a Value, name: &str) -> &'a [Value] {
    page[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Rounds a time down, as a client does that keeps milliseconds.
fn to_milliseconds(time: &str) -> String {
    let whole = time.len().saturating_sub("456Z".len());
    format!("{}Z", &time[..whole])
}
