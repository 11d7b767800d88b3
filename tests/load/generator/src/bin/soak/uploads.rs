use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tests::{Device, Key, PendingChange, Request, connection, history, saved_query};

use crate::expected_state::is_own;
use crate::user::User;

/// Number of items that a single device edits repeatedly. The amount of data is constant over time.
const OWN_ITEMS: usize = 150;
/// Number of items that both devices of a user edit.
const SHARED_ITEMS: usize = 8;
/// Maximum numbers of changes of an upload; one is chosen at random.
const MAX_CHANGES: [usize; 4] = [3, 3, 15, 50];
/// Number of uploads stored for repetition.
const STORED_UPLOADS: usize = 20;
const STRATEGIES: [&str; 3] = ["last_write_wins", "keep_both", "user_choice"];

/// Upload with its first response.
#[derive(Clone)]
pub(crate) struct Upload {
    device_index: usize,
    body: Value,
    response: Value,
}

impl User {
    /// Edits on both devices independently and uploads concurrently, sometimes while a new device downloads everything.
    pub(crate) async fn upload_on_both_devices(&mut self) {
        for device_index in 0..self.devices.len() {
            self.edit_items(device_index);
        }
        let bodies = self.devices.each_ref().map(Device::upload_body);
        let new_device = if self.rng.u8(..8) == 0 { Some(self.new_device()) } else { None };
        let first_download = async {
            if let Some(mut new_device) = new_device {
                new_device.download().await;
            }
        };
        let [laptop, phone] = &self.devices;
        let (laptop_response, phone_response, ()) =
            tokio::join!(laptop.upload_losing_response(), phone.upload_losing_response(), first_download);
        for (device_index, (body, response)) in bodies.into_iter().zip([laptop_response, phone_response]).enumerate() {
            self.apply_response(device_index, &response);
            self.store_upload(Upload { device_index, body, response });
        }
        if self.rng.u8(..3) > 0 {
            self.download_on_both_devices().await;
        }
    }

    pub(crate) async fn download_on_both_devices(&mut self) {
        let [laptop, phone] = &mut self.devices;
        tokio::join!(laptop.download(), phone.download());
    }

    /// Applies the response to all pending changes.
    fn apply_response(&mut self, device_index: usize, response: &Value) {
        let sent: Vec<PendingChange> = self.devices[device_index].unsent().cloned().collect();
        for reason in self.expected.record_response(&sent, response) {
            self.violation(&reason);
        }
        self.devices[device_index].apply_upload_response(response);
    }

    fn store_upload(&mut self, upload: Upload) {
        if self.uploads.len() < STORED_UPLOADS {
            self.uploads.push(upload);
        } else {
            self.uploads[self.rng.usize(..STORED_UPLOADS)] = upload;
        }
    }

    /// Repeats an upload: its response must equal the first one. Later verification shows that it changed nothing.
    pub(crate) async fn repeat_an_upload(&mut self) {
        let Some(upload) = self.rng.choice(&self.uploads).cloned() else { return };
        let repeated =
            self.devices[upload.device_index].send(Request::post("/api/sync/upload", &upload.body)).await.expect(200);
        if results(&repeated) != results(&upload.response) {
            self.violation(&format!("the first response was {}, the repeated one {repeated}", upload.response));
        }
    }

    fn edit_items(&mut self, device_index: usize) {
        self.devices[device_index].strategy = STRATEGIES[self.rng.usize(..STRATEGIES.len())].to_owned();
        // Uploads of history entries only use a separate path in the service.
        let is_history = self.rng.u8(..10) == 0;
        let most = if is_history { MAX_CHANGES[0] } else { MAX_CHANGES[self.rng.usize(..MAX_CHANGES.len())] };
        for _ in 0..self.rng.usize(1..=most) {
            if is_history || self.rng.u8(..30) == 0 {
                self.append_history(device_index);
            } else {
                self.edit_own_item(device_index);
            }
        }
        if !is_history && self.rng.u8(..3) == 0 {
            self.edit_shared_item(device_index);
        }
    }

    fn append_history(&mut self, device_index: usize) {
        let text = self.new_text();
        let id = format!("own-{}-{}", self.devices[device_index].id, self.texts);
        self.devices[device_index].write("query_history", &id, content("query_history", &text), SystemClock.now());
    }

    fn edit_own_item(&mut self, device_index: usize) {
        let number = self.rng.usize(..OWN_ITEMS);
        let kind = if number.is_multiple_of(3) { "connection" } else { "saved_query" };
        let (id, now) = (format!("own-{}-{number}", self.devices[device_index].id), SystemClock.now());
        if self.devices[device_index].visible_data(kind, &id).is_some() && self.rng.u8(..5) == 0 {
            return self.devices[device_index].delete(kind, &id, now);
        }
        let data = content(kind, &self.new_text());
        self.devices[device_index].write(kind, &id, data, now);
    }

    fn edit_shared_item(&mut self, device_index: usize) {
        let copy = if self.rng.u8(..3) == 0 { self.random_copy(device_index) } else { None };
        let deletes = copy.is_some() || self.rng.u8(..5) == 0;
        let key = copy.unwrap_or_else(|| shared_key(self.rng.usize(..SHARED_ITEMS)));
        let (device, now) = (&mut self.devices[device_index], SystemClock.now());
        if deletes && device.visible_data(&key.0, &key.1).is_some() {
            self.expected.edits.record_replacement(device, &key);
            return device.delete(&key.0, &key.1, now);
        }
        let marker = self.expected.edits.record_edit(device, &key);
        device.write(&key.0, &key.1, content(&key.0, &marker), now);
    }

    /// Returns a random copy that a conflict created.
    fn random_copy(&mut self, device_index: usize) -> Option<Key> {
        let known = self.devices[device_index].known.iter().filter(|(_, known)| known.data.is_some());
        let is_copy = |key: &Key| !is_own(key) && !key.1.starts_with("shared");
        let copies: Vec<Key> = known.map(|(key, _)| key).filter(|key| is_copy(key)).cloned().collect();
        self.rng.choice(copies)
    }

    /// Returns a text that no item has had.
    fn new_text(&mut self) -> String {
        self.texts += 1;
        format!("select {}{}", self.texts, ", total".repeat(self.rng.usize(..100)))
    }
}

fn shared_key(number: usize) -> Key {
    let kind = if number.is_multiple_of(3) { "connection" } else { "saved_query" };
    (kind.to_owned(), format!("shared-{number}"))
}

/// Returns the data of an item with the unique text `text`.
pub(crate) fn content(kind: &str, text: &str) -> Value {
    match kind {
        "connection" => {
            let mut data = connection("Shop");
            data["database"] = json!(text);
            data
        }
        "saved_query" => saved_query("Report", text),
        _ => history(text),
    }
}

/// Returns each change with its version or the id of its conflict.
fn results(response: &Value) -> Vec<(&Value, &Value)> {
    let applied = list(response, "applied").iter().map(|entry| (&entry["change_id"], &entry["sync_version"]));
    applied.chain(list(response, "conflicts").iter().map(|entry| (&entry["change_id"], &entry["id"]))).collect()
}

fn list<'a>(response: &'a Value, name: &str) -> &'a [Value] {
    response[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
