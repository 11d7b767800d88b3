use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::models::Timestamp;
use uuid::Uuid;

use crate::{Api, Request, Response};

/// Item lists of a download page, with the item type of each.
const LISTS: [(&str, &str); 3] =
    [("connections", "connection"), ("saved_queries", "saved_query"), ("query_history", "query_history")];

/// Time after which a request is sent again.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Key of an item: item type and item id.
pub type Key = (String, String);

/// Reference implementation of a sync client: it keeps the server state that it downloaded, and its own edits until they
/// are uploaded and downloaded again.
#[derive(Clone)]
pub struct Device {
    /// Device id.
    pub id: String,
    /// Conflict strategy of its uploads.
    pub strategy: String,
    /// Downloaded items, including deleted ones.
    pub known: BTreeMap<Key, KnownItem>,
    /// Own edits that are not both acknowledged and downloaded, oldest first.
    pub pending: Vec<PendingChange>,
    /// `sync_timestamp` of the last download, the `since` of the next.
    pub since: Option<String>,
    /// Offset of its clock in seconds.
    pub clock_skew_seconds: i64,
    /// Whether it truncates `since` to milliseconds.
    pub truncates_to_milliseconds: bool,
    /// Page size of its downloads, in items.
    pub page_size: usize,
    /// Whether it takes the item that a result has, also if the change conflicted. Otherwise its next edit is on the version that it
    /// has downloaded, and renews the conflict.
    pub takes_current: bool,
    /// Number of times that its state differed from the digest, so that it downloaded everything again. `None` if that is a defect.
    pub heals: Option<usize>,
    /// Number of answers that started a full sync although it had a cursor.
    pub resets: usize,
    /// Counts the requests that were refused as unavailable, and are sent again. `None` if that is a defect.
    pub refusals: Option<Arc<AtomicUsize>>,
    api: Api,
    token: String,
    /// Newest version of each item downloaded since the last reset, and whether it was a deletion.
    delivered: BTreeMap<Key, (i64, bool)>,
}

/// State of an item on the server, as downloaded.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownItem {
    /// `sync_version`.
    pub version: i64,
    /// Data, or `None` if the item is deleted.
    pub data: Option<Value>,
}

/// Local edit of a device.
#[derive(Debug, Clone)]
pub struct PendingChange {
    /// Edited item.
    pub key: Key,
    /// Change as it is uploaded.
    pub json: Value,
    /// Version assigned by the server once the change is applied. The edit stays visible until the next download, because
    /// the response to a repeated upload may be older than a download in between.
    pub applied: Option<i64>,
}

impl Device {
    /// Creates a device without data for the account of the access token `token`.
    pub fn new(api: &Api, token: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            strategy: "last_write_wins".to_owned(),
            known: BTreeMap::new(),
            pending: Vec::new(),
            since: None,
            clock_skew_seconds: 0,
            truncates_to_milliseconds: false,
            page_size: 1_000,
            takes_current: false,
            heals: None,
            resets: 0,
            refusals: None,
            api: api.clone(),
            token: token.to_owned(),
            delivered: BTreeMap::new(),
        }
    }

    /// Replaces the transport to the service.
    pub fn set_api(&mut self, api: &Api) {
        self.api = api.clone();
    }

    /// Replaces the access token.
    pub fn set_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// Sets the conflict strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: &str) -> Self {
        self.strategy = strategy.to_owned();
        self
    }

    /// Returns the data of an item as its user sees it: local edits first, then the downloaded state.
    pub fn visible_data(&self, kind: &str, id: &str) -> Option<Value> {
        let key = (kind.to_owned(), id.to_owned());
        match self.pending.iter().rev().find(|change| change.key == key) {
            Some(change) => change.json.get("data").cloned(),
            None => self.known.get(&key)?.data.clone(),
        }
    }

    /// Returns the version of an item that the device's next edit is based on: that of an unsent edit, on which it builds, or the
    /// newest that the device has seen, or 0.
    pub fn base_version(&self, key: &Key) -> i64 {
        if let Some(unsent) = self.unsent().filter(|change| change.key == *key).last() {
            return unsent.json["sync_version"].as_i64().unwrap_or_default();
        }
        let known = self.known.get(key).map_or(0, |known| known.version);
        let applied = self.pending.iter().filter(|change| change.key == *key).filter_map(|change| change.applied);
        applied.fold(known, i64::max)
    }

    /// Returns the edits that are not acknowledged.
    pub fn unsent(&self) -> impl Iterator<Item = &PendingChange> {
        self.pending.iter().filter(|change| change.applied.is_none())
    }

    /// Creates or updates an item locally, at the true time `now`.
    pub fn write(&mut self, kind: &str, id: &str, data: Value, now: Timestamp) {
        let action = if self.visible_data(kind, id).is_some() { "update" } else { "create" };
        self.edit(kind, id, action, Some(data), now);
    }

    /// Deletes an item locally, at the true time `now`.
    pub fn delete(&mut self, kind: &str, id: &str, now: Timestamp) {
        self.edit(kind, id, "delete", None, now);
    }

    fn edit(&mut self, kind: &str, id: &str, action: &str, data: Option<Value>, now: Timestamp) {
        let key = (kind.to_owned(), id.to_owned());
        let base = self.base_version(&key);
        let mut change = json!({
            "id": Uuid::from_bytes(shared::clock::random_bytes(&shared::clock::SystemRandom)).to_string(),
            "item_type": kind, "item_id": id, "action": action,
            "updated_at": now.plus_seconds(self.clock_skew_seconds).to_string(), "sync_version": base,
        });
        if let Some(data) = data {
            change["data"] = data;
        }
        self.pending.push(PendingChange { key, json: change, applied: None });
    }

    /// Returns the body of an upload of all unsent edits.
    pub fn upload_body(&self) -> Value {
        // Under `refuse` an upload changes an item once, because no later change can name the version that the first one makes.
        let mut keys = BTreeSet::new();
        let is_sent = |change: &&PendingChange| self.strategy != "refuse" || keys.insert(change.key.clone());
        let changes: Vec<&Value> = self.unsent().filter(is_sent).map(|change| &change.json).collect();
        let mut body = json!({ "device_id": self.id, "conflict_strategy": self.strategy, "changes": changes });
        if let Some(since) = &self.since {
            body["last_sync_at"] = json!(since);
        }
        body
    }

    /// Sends `request` with the access token.
    pub async fn send(&self, request: Request) -> Response {
        let request = request.bearer(&self.token);
        loop {
            let response = self.api.send(request.clone()).await;
            let Some(refusals) = self.refusals.as_ref().filter(|_| response.status == 503) else { return response };
            refusals.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Uploads the unsent edits, but does not process the response. Sends no request if there are none.
    pub async fn upload_losing_response(&self) -> Value {
        if self.unsent().next().is_none() {
            return json!({ "success": true, "applied": [], "conflicts": [], "rejected": [] });
        }
        self.send(Request::post("/api/sync/upload", &self.upload_body())).await.expect(200)
    }

    /// Uploads the unsent edits, processes the response, and returns it.
    pub async fn upload(&mut self) -> Value {
        let response = self.upload_losing_response().await;
        self.apply_upload_response(&response);
        response
    }

    /// Processes the response to an upload.
    pub fn apply_upload_response(&mut self, response: &Value) {
        for applied in list(response, "applied") {
            if self.takes_current || applied["merged"] == true {
                self.take_current(applied);
            }
            if applied["merged"] == true {
                self.discard_edit(&applied["change_id"]);
                continue;
            }
            let change = self.pending.iter_mut().find(|change| change.json["id"] == applied["change_id"]);
            if let Some(change) = change {
                change.applied = applied["sync_version"].as_i64();
            }
            if self.strategy == "refuse" {
                self.rebase(applied);
            }
        }
        for conflict in list(response, "conflicts") {
            if self.takes_current || conflict["refused"] == true {
                self.take_current(conflict);
            }
            if conflict["refused"] == true {
                self.rebase(conflict);
            } else {
                self.discard_edit(&conflict["change_id"]);
            }
        }
        for rejected in list(response, "rejected") {
            if rejected["code"] == "RESYNC_REQUIRED" {
                self.since = None;
            } else {
                self.discard_edit(&rejected["change"]["id"]);
            }
        }
    }

    /// Makes the unsent edits of an item again, on the version that the server has.
    fn rebase(&mut self, entry: &Value) {
        let key: Key = key_of(entry).into();
        for change in self.pending.iter_mut().filter(|change| change.key == key && change.applied.is_none()) {
            change.json["sync_version"] = entry["sync_version"].clone();
        }
    }

    /// Takes the item that a result has. Unsent edits keep their base.
    fn take_current(&mut self, entry: &Value) {
        let (key, current) = (key_of(entry), &entry["current"]);
        let version = current["sync_version"].as_i64().unwrap_or_default();
        let is_newer = self.known.get(&key.clone().into()).is_none_or(|known| known.version < version);
        if is_newer && (current["deleted"] == true || current["data"].is_object()) {
            let data = Some(current["data"].clone()).filter(Value::is_object);
            self.known.insert(key.into(), KnownItem { version, data });
        }
    }

    fn discard_edit(&mut self, change_id: &Value) {
        self.pending.retain(|change| change.json["id"] != *change_id);
    }

    /// Downloads all pages, and returns the last.
    ///
    /// # Panics
    /// If a page violates the protocol: an item version is repeated, `sync_timestamp` decreases, or the digest of the last page
    /// is not that of the device.
    pub async fn download(&mut self) -> Value {
        for _ in 0..10_000 {
            let page = self.download_page().await;
            if page["has_more"] == false {
                return page;
            }
        }
        panic!("the download of {} does not end", self.id);
    }

    /// Downloads one page.
    ///
    /// # Panics
    /// As [`download`](Self::download).
    pub async fn download_page(&mut self) -> Value {
        let mut path = format!("/api/sync/download?device_id={}&limit={}", self.id, self.page_size);
        if let Some(since) = &self.since {
            path += &format!("&since={since}");
        }
        let page = self.send(Request::get(path)).await.expect(200);
        if page["reset"] == true {
            self.resets += usize::from(self.since.is_some());
            self.known.clear();
            self.delivered.clear();
        } else {
            let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
            let (since, now) = (time(self.since.as_deref()), time(page["sync_timestamp"].as_str()));
            assert!(since <= now, "sync_timestamp of {} decreases from {since:?}: {page}", self.id);
        }
        for (list_name, kind) in LISTS {
            for item in list(&page, list_name) {
                self.apply_downloaded(kind, item, &item["id"], Some(item.clone()));
            }
        }
        for tombstone in list(&page, "deleted") {
            let kind = tombstone["item_type"].as_str().unwrap_or_default();
            self.apply_downloaded(kind, tombstone, &tombstone["item_id"], None);
        }
        if page["has_more"] == false {
            self.pending.retain(|change| change.applied.is_none());
            if let Some(digest) = page.get("digest").filter(|digest| **digest != self.digest()) {
                let Some(heals) = &mut self.heals else {
                    panic!(
                        "the digest of {} at {} is {}, not {digest}",
                        self.id,
                        page["sync_timestamp"],
                        self.digest()
                    );
                };
                *heals += 1;
                self.since = None;
                return Box::pin(self.download_page()).await;
            }
        }
        self.since = page["sync_timestamp"]
            .as_str()
            .map(|time| if self.truncates_to_milliseconds { to_milliseconds(time) } else { time.to_owned() });
        page
    }

    /// Computes the digest of the downloaded state, as the API documents it.
    pub fn digest(&self) -> Value {
        let live = |kind: &str| {
            let live = self.known.iter().filter(|(key, known)| key.0 == kind && known.data.is_some());
            live.map(|(key, known)| (key.clone(), known.clone())).collect::<Vec<_>>()
        };
        let of_kind = |kind: &str| {
            let items = live(kind);
            let hash = items.iter().fold(0_u64, |sum, (key, known)| sum.wrapping_add(item_hash(key, known)));
            json!({ "count": items.len(), "hash": format!("{hash:016x}") })
        };
        json!({ "connections": of_kind("connection"), "saved_queries": of_kind("saved_query"),
            "query_history": { "count": live("query_history").len() } })
    }

    fn apply_downloaded(&mut self, kind: &str, entry: &Value, id: &Value, data: Option<Value>) {
        let key = (kind.to_owned(), id.as_str().unwrap_or_default().to_owned());
        let version = entry["sync_version"].as_i64().unwrap_or_default();
        let before = self.delivered.insert(key.clone(), (version, data.is_none()));
        // After its tombstone is purged, a recreated item starts at version 1 again.
        let fresh = before.is_none_or(|(before, deleted)| before < version || (deleted && data.is_some()));
        assert!(fresh, "{} downloads version {version} of {key:?} twice", self.id);
        let newer = self.known.get(&key).is_none_or(|known| known.version <= version || known.data.is_none());
        if newer {
            self.known.insert(key, KnownItem { version, data });
        }
    }

    /// Uploads, then downloads; returns the response to the upload.
    pub async fn sync(&mut self) -> Value {
        let response = self.upload().await;
        self.download().await;
        response
    }
}

fn item_hash((kind, id): &Key, known: &KnownItem) -> u64 {
    let updated_at = known.data.as_ref().and_then(|data| data["updated_at"].as_str()?.parse::<Timestamp>().ok());
    let millis = updated_at.expect("an item has a time").micros().div_euclid(1_000);
    let hash = Sha256::digest(format!("{kind}\0{id}\0{}\0{millis}", known.version));
    u64::from_be_bytes(hash[..8].try_into().expect("eight bytes"))
}

/// Returns type and id of the item that an entry of a response is about.
fn key_of(entry: &Value) -> [String; 2] {
    ["item_type", "item_id"].map(|field| entry[field].as_str().unwrap_or_default().to_owned())
}

fn list<'a>(page: &'a Value, name: &str) -> &'a [Value] {
    page[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Truncates a time to milliseconds, as JavaScript clients do.
fn to_milliseconds(time: &str) -> String {
    let whole = time.len().saturating_sub("456Z".len());
    format!("{}Z", &time[..whole])
}
