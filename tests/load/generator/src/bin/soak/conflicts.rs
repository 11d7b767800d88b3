use serde_json::{Value, json};
use tests::Request;

use crate::uploads::content;
use crate::user::User;

impl User {
    /// Resolves a random conflict by a random valid choice. No other request writes meanwhile, so the conflict can be
    /// outdated at most once.
    pub(crate) async fn resolve_a_conflict(&mut self) {
        let device_index = self.random_device();
        let status = ["open", "open", "resolved"][self.rng.usize(..3)];
        let list = self.devices[device_index]
            .send(Request::get(format!("/api/sync/conflicts?status={status}")))
            .await
            .expect(200);
        let conflicts = list["conflicts"].as_array().expect("a list").iter();
        // Of the resolved conflicts only those by last-write-wins can be resolved again, by a user choice.
        let some: Vec<&Value> = conflicts.filter(|one| status == "open" || by_last_write(one)).collect();
        let Some(mut conflict) = self.rng.choice(some).cloned() else { return };
        for _ in 0..2 {
            let (body, merged) = self.random_choice(&conflict);
            let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
            let response = self.devices[device_index].send(Request::post(path, &body)).await;
            if response.status == 200 {
                return;
            }
            merged.into_iter().for_each(|marker| self.expected.edits.allow_loss(marker));
            conflict = response.expect(409)["conflict"].clone();
            if conflict.is_null() {
                return self.violation(&format!("resolved differently without another request: {}", response.json()));
            }
        }
        self.violation(&format!("outdated twice without another write: {conflict}"));
    }

    /// Returns a random choice that resolves `conflict`, and the marker of its merge if it is one.
    fn random_choice(&mut self, conflict: &Value) -> (Value, Option<String>) {
        let choices = if by_last_write(conflict) { 0..3 } else { 0..5 };
        let body = match self.rng.u8(choices) {
            0 => return self.random_merge(conflict),
            1 => json!({ "strategy": "user_choice", "chosen_version": "local" }),
            2 => json!({ "strategy": "user_choice", "chosen_version": "remote" }),
            3 => json!({ "strategy": "keep_both" }),
            _ => json!({ "strategy": "last_write_wins" }),
        };
        (body, None)
    }

    fn random_merge(&mut self, conflict: &Value) -> (Value, Option<String>) {
        let versions = [&conflict["local_version"]["data"], &conflict["remote_version"]["data"]];
        let marker = self.expected.edits.record_merge(&versions);
        let kind = conflict["item_type"].as_str().expect("a kind");
        (json!({ "strategy": "user_choice", "merged_data": content(kind, &marker) }), Some(marker))
    }

    /// Returns all conflicts, open and resolved.
    pub(crate) async fn all_conflicts(&self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/sync/conflicts?status=all{cursor}");
            let page = self.devices[0].send(Request::get(path)).await.expect(200);
            all.extend(page["conflicts"].as_array().expect("a list").iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else {
                if page["count"] != all.len() {
                    self.violation(&format!("{} conflicts are listed, but the count is {}", all.len(), page["count"]));
                }
                return all;
            };
            cursor = format!("&cursor={next}");
        }
    }
}

fn by_last_write(conflict: &Value) -> bool {
    conflict["resolution"] == "last_write_wins"
}
