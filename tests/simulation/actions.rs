//! What happens in a schedule, one step at a time.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Call, Device, Key, PASSWORD, connection, history, marker_in, saved_query};

use crate::world::World;

const DAY: i64 = 86_400;

/// A conflict that somebody is about to resolve.
struct ResolveOutcome {
    call: Call,
    /// The marker of the merge, if it is one.
    merged: Option<String>,
}

impl World<'_> {
    pub(crate) async fn step(&mut self) {
        let who = self.rng.usize(..self.devices.len());
        match self.rng.u8(..100) {
            0..35 => self.edits_offline(who),
            35..55 => self.syncs(who).await,
            55..60 => self.uploads(who).await,
            60..67 => self.downloads(who).await,
            67..73 => self.loses_an_answer(who).await,
            73..79 => self.all_at_once().await,
            79..84 => self.repeats_an_old_change(who).await,
            84..94 => self.settles_a_conflict(who).await,
            94..98 => self.time_passes().await,
            _ => self.a_month_passes().await,
        }
    }

    fn some_key(&mut self) -> Key {
        let kind = ["saved_query", "saved_query", "connection", "query_history"][self.rng.usize(..4)];
        (kind.to_owned(), format!("i{}", self.rng.u8(..4)))
    }

    fn edits_offline(&mut self, who: usize) {
        let key = self.some_key();
        let now = self.now();
        let device = &mut self.devices[who];
        let exists = device.sees(&key.0, &key.1).is_some();
        if exists && self.rng.u8(..5) == 0 {
            self.edits.replaces(device, &key);
            device.deletes(&key.0, &key.1, now);
            return self.tell(|| format!("{who} deletes {key:?}"));
        }
        let history_id = format!("h{who}-{}", self.rng.u32(..));
        let key = if key.0 == "query_history" { (key.0, history_id) } else { key };
        let marker = self.edits.mark(device, &key);
        let data = match key.0.as_str() {
            "connection" => json_with(connection("name"), "database", &marker),
            "saved_query" => saved_query("name", &format!("select '{marker}'")),
            _ => history(&format!("select '{marker}'")),
        };
        device.writes(&key.0, &key.1, data, now);
        self.tell(|| format!("{who} writes {marker} to {key:?}"));
    }

    async fn syncs(&mut self, who: usize) {
        self.uploads(who).await;
        self.downloads(who).await;
    }

    pub(crate) async fn uploads(&mut self, who: usize) {
        self.remember_pending(who);
        let answer = self.devices[who].uploads().await;
        self.hears(&answer);
        self.tell(|| format!("{who} uploads: {}", brief(&answer)));
    }

    pub(crate) async fn downloads(&mut self, who: usize) {
        if self.rng.u8(..4) == 0 {
            self.devices[who].downloads_page().await;
        } else {
            self.devices[who].downloads().await;
        }
        self.tell(|| format!("{who} downloads to {:?}", self.devices[who].since));
    }

    async fn loses_an_answer(&mut self, who: usize) {
        self.remember_pending(who);
        let answer = self.devices[who].uploads_in_vain().await;
        self.hears(&answer);
        self.tell(|| format!("{who} uploads and hears nothing: {}", brief(&answer)));
    }

    /// All devices upload while conflicts are resolved and the purge runs.
    async fn all_at_once(&mut self) {
        for who in 0..self.devices.len() {
            self.remember_pending(who);
        }
        let resolutions = self.some_resolutions().await;
        self.forget_what_is_due().await;
        let uploads = join_all(self.devices.iter().map(Device::uploads_in_vain));
        let resolving = join_all(resolutions.iter().map(|resolution| self.devices[0].send(resolution.call.clone())));
        let (answers, resolved, report) = tokio::join!(uploads, resolving, self.service.purge());
        self.purged |= report.conflicts > 0;
        for (device, answer) in self.devices.iter_mut().zip(&answers) {
            device.takes(answer);
        }
        for answer in &answers {
            self.hears(answer);
        }
        for (resolution, answer) in resolutions.into_iter().zip(&resolved) {
            self.hears_of(resolution, answer);
        }
        let statuses: Vec<u16> = resolved.iter().map(|answer| answer.status).collect();
        let uploaded: String = answers.iter().map(brief).collect();
        self.tell(|| format!("at once, uploads: {uploaded}; resolutions: {statuses:?}; purge: {report:?}"));
    }

    /// Ways to resolve a few conflicts, some of them twice.
    async fn some_resolutions(&mut self) -> Vec<ResolveOutcome> {
        let mut conflicts = self.conflicts("open").await;
        conflicts.extend(self.conflicts("resolved").await);
        let mut resolutions = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            if let Some(conflict) = self.rng.choice(&conflicts).cloned() {
                let (body, merged) = self.edits.choice(self.rng.u8(..), &conflict);
                let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
                resolutions.push(ResolveOutcome { call: Call::post(path, &body), merged });
            }
        }
        if let Some(again) = resolutions.first().filter(|_| self.rng.bool()) {
            resolutions.push(ResolveOutcome { call: again.call.clone(), merged: None });
        }
        resolutions
    }

    /// A resolution is taken, or refused because the conflict is another by now.
    fn hears_of(&mut self, resolution: ResolveOutcome, answer: &Answer) {
        assert!(matches!(answer.status, 200 | 404 | 409), "{} {:?}", answer.status, answer.json());
        if answer.status != 200 {
            resolution.merged.into_iter().for_each(|marker| self.edits.forget(marker));
        }
    }

    /// The account is deleted while all its devices upload and download: each of them is answered, or knows nobody any more.
    pub(crate) async fn is_erased_while_devices_are_at_it(&mut self) {
        let now = self.now();
        for device in &mut self.devices {
            device.writes("saved_query", "last", saved_query("name", &format!("select '{}'", device.id)), now);
        }
        let erase = Call::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
        let uploads = self.devices.iter().map(|device| Call::post("/api/sync/upload", &device.upload_body()));
        let downloads = self.devices.iter().map(|_| Call::get("/api/sync/download?device_id=reader"));
        let calls: Vec<Call> = uploads.chain(downloads).collect();
        let calls = join_all(calls.into_iter().map(|call| self.devices[0].send(call)));
        let (erased, answers) = tokio::join!(self.devices[0].send(erase), calls);
        erased.expect(200);
        for answer in answers {
            assert!(matches!(answer.status, 200 | 401), "{} {:?}", answer.status, answer.json());
        }
        for path in ["/api/sync/status", "/api/sync/conflicts", "/api/auth/profile"] {
            self.devices[0].send(Call::get(path)).await.refused(401, "UNAUTHORIZED");
        }
    }

    async fn repeats_an_old_change(&mut self, who: usize) {
        let Some((author, change)) = self.rng.choice(&self.uploaded).cloned() else { return };
        if !self.answered.contains_key(change["id"].as_str().unwrap_or_default()) {
            return;
        }
        let mut device = self.devices[author].clone();
        device.strategy.clone_from(&self.devices[who].strategy);
        device.pending.clear();
        device.pending.push(tests::PendingChange { key: (String::new(), String::new()), json: change, applied: None });
        let before = self.state().await;
        let answer = device.uploads_in_vain().await;
        self.hears(&answer);
        assert_eq!(self.state().await, before, "a repeat changes nothing");
        self.tell(|| format!("{author} repeats: {}", brief(&answer)));
    }

    async fn settles_a_conflict(&mut self, who: usize) {
        let status = ["open", "open", "resolved"][self.rng.usize(..3)];
        let path = format!("/api/sync/conflicts?status={status}");
        let conflicts = self.devices[who].send(Call::get(path)).await.expect(200);
        let Some(conflict) = self.rng.choice(conflicts["conflicts"].as_array().expect("a list")).cloned() else {
            return;
        };
        let (body, merged) = self.edits.choice(self.rng.u8(..), &conflict);
        let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
        let call = Call::post(path, &body);
        let answer = self.devices[who].send(call.clone()).await;
        self.hears_of(ResolveOutcome { call, merged }, &answer);
        self.tell(|| format!("{who} settles {} by {body}: {}", conflict["id"], answer.status));
    }

    async fn time_passes(&mut self) {
        let seconds = [1, 60, 3_600, DAY, -3_600][self.rng.usize(..5)];
        self.service.clock.advance(seconds);
        self.log_in().await;
    }

    async fn a_month_passes(&mut self) {
        // Sometimes the purge comes when nothing is due for it yet.
        self.service.clock.advance([10, 31, 45][self.rng.usize(..3)] * DAY);
        self.log_in().await;
        self.forget_what_is_due().await;
        let report = self.service.purge().await;
        self.purged = true;
        self.tell(|| format!("purge: {report:?}"));
    }

    /// What only conflicts hold that the next purge removes is forgotten by right.
    async fn forget_what_is_due(&mut self) {
        let cutoff = self.now().plus_seconds(-30 * DAY).to_string();
        for conflict in self.conflicts("resolved").await {
            if conflict["resolved_at"].as_str() < Some(&cutoff) {
                for version in ["local_version", "remote_version"] {
                    marker_in(&conflict[version]["data"]).into_iter().for_each(|marker| self.edits.forget(marker));
                }
            }
        }
    }

    fn remember_pending(&mut self, who: usize) {
        self.uploaded.extend(self.devices[who].unsent().map(|change| (who, change.json.clone())));
    }

    /// Every change is in one list; a repeated one is answered as it was the first time.
    fn hears(&mut self, answer: &Value) {
        for list in ["applied", "conflicts"] {
            for entry in answer[list].as_array().expect("a list") {
                let said = if list == "applied" { entry.clone() } else { entry["id"].clone() };
                let change = entry["change_id"].as_str().expect("a change").to_owned();
                let first = self.answered.entry(change).or_insert_with(|| said.clone());
                // A conflict that was settled and purged can only be told as the version that stood.
                let purged = self.purged && first.is_string() && list == "applied";
                assert!(purged || *first == said, "first {first}, then {said}");
            }
        }
        assert_eq!(answer["success"], answer["rejected"].as_array().is_some_and(Vec::is_empty), "{answer}");
        for rejected in answer["rejected"].as_array().expect("a list") {
            assert_eq!(rejected["code"], "RESYNC_REQUIRED", "{rejected}");
        }
    }
}

fn json_with(mut data: Value, field: &str, value: &str) -> Value {
    data[field] = json!(value);
    data
}

fn brief(answer: &Value) -> String {
    let ids = |list: &str, id: &str| {
        let entries = answer[list].as_array().expect("a list").iter();
        entries.map(|entry| format!(" {}={}", entry[id], entry["sync_version"])).collect::<String>()
    };
    format!(
        "applied{} conflicts{} rejected{}",
        ids("applied", "item_id"),
        ids("conflicts", "item_id"),
        answer["rejected"]
    )
}
