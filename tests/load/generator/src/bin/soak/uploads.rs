use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tests::{Device, Key, PendingChange, Request, connection, history, saved_query};

use crate::books::is_own;
use crate::user::User;

/// Items that one device alone edits, again and again: what there is must not grow with time.
const OWN: usize = 150;
/// Items that both devices of a user edit.
const SHARED: usize = 8;
/// Most changes of an upload, one of these.
const SIZES: [usize; 4] = [3, 3, 15, 50];
/// Uploads that are kept for repeating.
const KEPT: usize = 20;
const STRATEGIES: [&str; 3] = ["last_write_wins", "keep_both", "user_choice"];

/// An upload, and how it was answered at first.
#[derive(Clone)]
pub(crate) struct Upload {
    who: usize,
    body: Value,
    answer: Value,
}

impl User {
    /// Both devices edit, unaware of each other, and upload at once; sometimes while a new one downloads everything.
    pub(crate) async fn both_upload(&mut self) {
        for who in 0..self.devices.len() {
            self.edits(who);
        }
        let bodies = self.devices.each_ref().map(Device::upload_body);
        let newcomer = if self.dice.u8(..8) == 0 { Some(self.newcomer()) } else { None };
        let first_download = async {
            if let Some(mut newcomer) = newcomer {
                newcomer.download().await;
            }
        };
        let [laptop, phone] = &self.devices;
        let (one, other, ()) =
            tokio::join!(laptop.upload_losing_response(), phone.upload_losing_response(), first_download);
        for (who, (body, answer)) in bodies.into_iter().zip([one, other]).enumerate() {
            self.hears(who, &answer);
            self.keeps(Upload { who, body, answer });
        }
        if self.dice.u8(..3) > 0 {
            self.both_download().await;
        }
    }

    pub(crate) async fn both_download(&mut self) {
        let [laptop, phone] = &mut self.devices;
        tokio::join!(laptop.download(), phone.download());
    }

    /// Takes the answer to all that waited.
    fn hears(&mut self, who: usize, answer: &Value) {
        let sent: Vec<PendingChange> = self.devices[who].unsent().cloned().collect();
        for what in self.books.hear(&sent, answer) {
            self.wrong(&what);
        }
        self.devices[who].apply_upload_response(answer);
    }

    fn keeps(&mut self, upload: Upload) {
        if self.uploads.len() < KEPT {
            self.uploads.push(upload);
        } else {
            self.uploads[self.dice.usize(..KEPT)] = upload;
        }
    }

    /// A repeat, however late, is answered as it was at first. That it changes nothing shows later.
    pub(crate) async fn repeats_an_upload(&mut self) {
        let Some(upload) = self.dice.choice(&self.uploads).cloned() else { return };
        let again = self.devices[upload.who].send(Request::post("/api/sync/upload", &upload.body)).await.expect(200);
        if what_became(&again) != what_became(&upload.answer) {
            self.wrong(&format!("first answered {}, then {again}", upload.answer));
        }
    }

    fn edits(&mut self, who: usize) {
        self.devices[who].strategy = STRATEGIES[self.dice.usize(..STRATEGIES.len())].to_owned();
        // History alone goes its own way through the service.
        let is_history = self.dice.u8(..10) == 0;
        let most = if is_history { SIZES[0] } else { SIZES[self.dice.usize(..SIZES.len())] };
        for _ in 0..self.dice.usize(1..=most) {
            if is_history || self.dice.u8(..30) == 0 {
                self.appends(who);
            } else {
                self.edits_its_own(who);
            }
        }
        if !is_history && self.dice.u8(..3) == 0 {
            self.edits_shared(who);
        }
    }

    fn appends(&mut self, who: usize) {
        let text = self.new_text();
        let id = format!("own-{}-{}", self.devices[who].id, self.texts);
        self.devices[who].write("query_history", &id, content("query_history", &text), SystemClock.now());
    }

    fn edits_its_own(&mut self, who: usize) {
        let number = self.dice.usize(..OWN);
        let kind = if number.is_multiple_of(3) { "connection" } else { "saved_query" };
        let (id, now) = (format!("own-{}-{number}", self.devices[who].id), SystemClock.now());
        if self.devices[who].visible_data(kind, &id).is_some() && self.dice.u8(..5) == 0 {
            return self.devices[who].delete(kind, &id, now);
        }
        let data = content(kind, &self.new_text());
        self.devices[who].write(kind, &id, data, now);
    }

    fn edits_shared(&mut self, who: usize) {
        let copy = if self.dice.u8(..3) == 0 { self.some_copy(who) } else { None };
        let tidies_up = copy.is_some() || self.dice.u8(..5) == 0;
        let key = copy.unwrap_or_else(|| shared_key(self.dice.usize(..SHARED)));
        let (device, now) = (&mut self.devices[who], SystemClock.now());
        if tidies_up && device.visible_data(&key.0, &key.1).is_some() {
            self.books.edits.record_replacement(device, &key);
            return device.delete(&key.0, &key.1, now);
        }
        let marker = self.books.edits.record_edit(device, &key);
        device.write(&key.0, &key.1, content(&key.0, &marker), now);
    }

    /// A copy that some conflict has left.
    fn some_copy(&mut self, who: usize) -> Option<Key> {
        let known = self.devices[who].known.iter().filter(|(_, known)| known.data.is_some());
        let is_copy = |key: &Key| !is_own(key) && !key.1.starts_with("shared");
        let copies: Vec<Key> = known.map(|(key, _)| key).filter(|key| is_copy(key)).cloned().collect();
        self.dice.choice(copies)
    }

    /// A text that no item has had.
    fn new_text(&mut self) -> String {
        self.texts += 1;
        format!("select {}{}", self.texts, ", total".repeat(self.dice.usize(..100)))
    }
}

fn shared_key(number: usize) -> Key {
    let kind = if number.is_multiple_of(3) { "connection" } else { "saved_query" };
    (kind.to_owned(), format!("shared-{number}"))
}

/// The data of an item that `text` tells from all others.
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

/// Each change with the version it was given, or the conflict that it met.
fn what_became(answer: &Value) -> Vec<(&Value, &Value)> {
    let applied = list(answer, "applied").iter().map(|entry| (&entry["change_id"], &entry["sync_version"]));
    applied.chain(list(answer, "conflicts").iter().map(|entry| (&entry["change_id"], &entry["id"]))).collect()
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
