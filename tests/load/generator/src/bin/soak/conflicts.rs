use serde_json::{Value, json};
use tests::Request;

use crate::uploads::content;
use crate::user::User;

impl User {
    /// Settles some conflict, in some way that is allowed. Meanwhile nobody else writes, so that what had moved on is met
    /// once and not again.
    pub(crate) async fn settles_a_conflict(&mut self) {
        let who = self.somebody();
        let status = ["open", "open", "resolved"][self.dice.usize(..3)];
        let list =
            self.devices[who].send(Request::get(format!("/api/sync/conflicts?status={status}"))).await.expect(200);
        let conflicts = list["conflicts"].as_array().expect("a list").iter();
        // Of those that are settled only what the last write won may be settled anew, by whoever chooses.
        let some: Vec<&Value> = conflicts.filter(|one| status == "open" || by_last_write(one)).collect();
        let Some(mut conflict) = self.dice.choice(some).cloned() else { return };
        for _ in 0..2 {
            let (body, merged) = self.some_choice(&conflict);
            let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
            let answer = self.devices[who].send(Request::post(path, &body)).await;
            if answer.status == 200 {
                return;
            }
            merged.into_iter().for_each(|marker| self.books.edits.allow_loss(marker));
            conflict = answer.expect(409)["conflict"].clone();
            if conflict.is_null() {
                return self.wrong(&format!("settled otherwise, though nobody did: {}", answer.json()));
            }
        }
        self.wrong(&format!("moved on again, though nobody wrote: {conflict}"));
    }

    /// A way to settle `conflict`, and the marker of its merge if it is one.
    fn some_choice(&mut self, conflict: &Value) -> (Value, Option<String>) {
        let choices = if by_last_write(conflict) { 0..3 } else { 0..5 };
        let body = match self.dice.u8(choices) {
            0 => return self.some_merge(conflict),
            1 => json!({ "strategy": "user_choice", "chosen_version": "local" }),
            2 => json!({ "strategy": "user_choice", "chosen_version": "remote" }),
            3 => json!({ "strategy": "keep_both" }),
            _ => json!({ "strategy": "last_write_wins" }),
        };
        (body, None)
    }

    fn some_merge(&mut self, conflict: &Value) -> (Value, Option<String>) {
        let versions = [&conflict["local_version"]["data"], &conflict["remote_version"]["data"]];
        let marker = self.books.edits.record_merge(&versions);
        let kind = conflict["item_type"].as_str().expect("a kind");
        (json!({ "strategy": "user_choice", "merged_data": content(kind, &marker) }), Some(marker))
    }

    /// All conflicts, whether open or settled.
    pub(crate) async fn all_conflicts(&self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/sync/conflicts?status=all{cursor}");
            let page = self.devices[0].send(Request::get(path)).await.expect(200);
            all.extend(page["conflicts"].as_array().expect("a list").iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else {
                if page["count"] != all.len() {
                    self.wrong(&format!("{} conflicts are listed, and counted are {}", all.len(), page["count"]));
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
