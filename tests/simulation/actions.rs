//! Steps of a schedule.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Device, Key, PASSWORD, Request, Response, connection, history, marker_in, saved_query};

use crate::world::World;

const DAY: i64 = 86_400;

/// Request that resolves a conflict.
struct ResolutionRequest {
    request: Request,
    /// Marker of the merge, if it merges.
    merged: Option<String>,
}

impl World<'_> {
    pub(crate) async fn step(&mut self) {
        let index = self.rng.usize(..self.devices.len());
        match self.rng.u8(..100) {
            0..35 => self.edit_offline(index),
            35..55 => self.sync(index).await,
            55..60 => self.upload(index).await,
            60..67 => self.download(index).await,
            67..73 => self.upload_losing_response(index).await,
            73..79 => self.act_concurrently().await,
            79..84 => self.repeat_old_change(index).await,
            84..91 => self.resolve_conflict(index).await,
            91..95 => self.restore_version(index).await,
            95..98 => self.advance_clock().await,
            _ => self.purge().await,
        }
    }

    fn random_key(&mut self) -> Key {
        let kind = ["saved_query", "saved_query", "connection", "query_history"][self.rng.usize(..4)];
        (kind.to_owned(), format!("i{}", self.rng.u8(..4)))
    }

    fn edit_offline(&mut self, index: usize) {
        let key = self.random_key();
        let now = self.now();
        let device = &mut self.devices[index];
        let exists = device.visible_data(&key.0, &key.1).is_some();
        if exists && self.rng.u8(..5) == 0 {
            if let Some(marker) = device.visible_data(&key.0, &key.1).filter(|_| key.0 == "query_history") {
                marker_in(&marker).into_iter().for_each(|marker| self.edits.allow_loss(marker));
            }
            device.delete(&key.0, &key.1, now);
            return self.log_step(|| format!("{index} deletes {key:?}"));
        }
        let history_id = format!("h{index}-{}", self.rng.u32(..));
        let key = if key.0 == "query_history" { (key.0, history_id) } else { key };
        if exists && key.0 != "query_history" && self.rng.bool() {
            return self.edit_other_field(index, key);
        }
        let marker = self.edits.record_edit(device, &key);
        let data = match key.0.as_str() {
            "connection" => json_with(connection("name"), "database", &marker),
            "saved_query" => saved_query("name", &format!("select '{marker}'")),
            _ => history(&format!("select '{marker}'")),
        };
        device.write(&key.0, &key.1, data, now);
        self.log_step(|| format!("{index} writes {marker} to {key:?}"));
    }

    /// Edits a field besides the text, or one that the server does not know, as a client does that may not know the latter either.
    fn edit_other_field(&mut self, index: usize, key: Key) {
        let (now, number) = (self.now(), self.rng.u8(..));
        let device = &mut self.devices[index];
        let Some(mut data) = device.visible_data(&key.0, &key.1) else { return };
        match self.rng.u8(..3) {
            0 => data["name"] = json!(format!("name {number}")),
            1 => data["folder"] = json!({ "number": number }),
            _ => data["metadata"][format!("key {}", number % 3)] = json!(number.to_string()),
        }
        if self.rng.u8(..3) == 0 {
            data.as_object_mut().expect("an object").remove("folder");
        }
        device.write(&key.0, &key.1, data, now);
        self.log_step(|| format!("{index} edits other fields of {key:?}"));
    }

    /// Restores a version of a random item, sometimes with an outdated expectation.
    async fn restore_version(&mut self, index: usize) {
        let (kind, id) = self.random_key();
        let versions = if kind == "query_history" { Vec::new() } else { self.versions_of(&kind, &id).await };
        let (Some(current), Some(version)) = (versions.first(), self.rng.choice(&versions)) else { return };
        let expected = current["sync_version"].as_i64().expect("a version") - i64::from(self.rng.u8(..5) == 0);
        let body = json!({ "item_type": kind, "item_id": id, "sync_version": version["sync_version"],
            "expected_version": expected });
        let request = Request::post("/api/sync/restore", &body);
        let response = self.devices[index].send(request.clone()).await;
        match response.status {
            200 => {
                let item = &response.json()["item"];
                for field in ["name", "query", "database", "folder", "tags"] {
                    assert_eq!(item[field], version["data"][field], "{field}");
                }
                let repeat = self.devices[index].send(request).await.expect(200);
                assert_eq!(repeat, response.json(), "a repeat is answered alike");
            }
            400 => assert_eq!(version["deleted"], true, "{body}"),
            409 => {
                let error = response.json();
                let is_outdated = error["current"]["sync_version"] == current["sync_version"];
                assert!(
                    error["code"] == "QUOTA_EXCEEDED" || is_outdated && expected != current["sync_version"],
                    "{error}"
                );
            }
            status => panic!("{status} {:?}", response.json()),
        }
        self.log_step(|| format!("{index} restores {body}: {}", response.status));
    }

    async fn sync(&mut self, index: usize) {
        self.upload(index).await;
        self.download(index).await;
    }

    pub(crate) async fn upload(&mut self, index: usize) {
        self.record_pending(index);
        let response = self.devices[index].upload().await;
        self.check_upload_response(&response);
        self.log_step(|| format!("{index} uploads: {}", summary(&response)));
    }

    pub(crate) async fn download(&mut self, index: usize) {
        if self.rng.u8(..4) == 0 {
            self.devices[index].download_page().await;
        } else {
            self.devices[index].download().await;
        }
        self.log_step(|| format!("{index} downloads to {:?}", self.devices[index].since));
    }

    async fn upload_losing_response(&mut self, index: usize) {
        self.record_pending(index);
        let response = self.devices[index].upload_losing_response().await;
        self.check_upload_response(&response);
        self.log_step(|| format!("{index} uploads and loses the response: {}", summary(&response)));
    }

    /// All devices upload while conflicts are resolved and a purge runs.
    async fn act_concurrently(&mut self) {
        for index in 0..self.devices.len() {
            self.record_pending(index);
        }
        let resolutions = self.random_resolutions().await;
        self.allow_loss_of_due_conflicts().await;
        let uploads = join_all(self.devices.iter().map(Device::upload_losing_response));
        let resolving = join_all(resolutions.iter().map(|resolution| self.devices[0].send(resolution.request.clone())));
        let (responses, resolved, report) = tokio::join!(uploads, resolving, self.service.purge());
        self.conflicts_purged |= report.conflicts > 0;
        for (device, response) in self.devices.iter_mut().zip(&responses) {
            device.apply_upload_response(response);
        }
        for response in &responses {
            self.check_upload_response(response);
        }
        for (resolution, response) in resolutions.into_iter().zip(&resolved) {
            self.check_resolution(resolution, response);
        }
        let statuses: Vec<u16> = resolved.iter().map(|response| response.status).collect();
        let uploaded: String = responses.iter().map(summary).collect();
        self.log_step(|| format!("concurrently, uploads: {uploaded}; resolutions: {statuses:?}; purge: {report:?}"));
    }

    /// Creates random resolutions of up to three conflicts, sometimes one of them twice.
    async fn random_resolutions(&mut self) -> Vec<ResolutionRequest> {
        let mut conflicts = self.conflicts("open").await;
        conflicts.extend(self.conflicts("resolved").await);
        let mut resolutions = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            if let Some(conflict) = self.rng.choice(&conflicts).cloned() {
                let (body, merged) = self.edits.resolution(self.rng.u8(..), &conflict);
                let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
                resolutions.push(ResolutionRequest { request: Request::post(path, &body), merged });
            }
        }
        if let Some(again) = resolutions.first().filter(|_| self.rng.bool()) {
            resolutions.push(ResolutionRequest { request: again.request.clone(), merged: None });
        }
        resolutions
    }

    /// Checks that a resolution succeeded, or was rejected because the conflict has changed or is gone, or the account is full.
    fn check_resolution(&mut self, resolution: ResolutionRequest, response: &Response) {
        assert!(matches!(response.status, 200 | 404 | 409), "{} {:?}", response.status, response.json());
        if response.status != 200 {
            resolution.merged.into_iter().for_each(|marker| self.edits.allow_loss(marker));
        }
    }

    /// Deletes the account while its devices upload and download. Each request either succeeds or is rejected with 401.
    pub(crate) async fn delete_account_during_uploads(&mut self) {
        let now = self.now();
        for device in &mut self.devices {
            device.write("saved_query", "last", saved_query("name", &format!("select '{}'", device.id)), now);
        }
        let deletion = Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
        let uploads = self.devices.iter().map(|device| Request::post("/api/sync/upload", &device.upload_body()));
        let downloads = self.devices.iter().map(|_| Request::get("/api/sync/download?device_id=reader"));
        let requests: Vec<Request> = uploads.chain(downloads).collect();
        let requests = join_all(requests.into_iter().map(|request| self.devices[0].send(request)));
        let (deleted, responses) = tokio::join!(self.devices[0].send(deletion), requests);
        deleted.expect(200);
        for response in responses {
            assert!(matches!(response.status, 200 | 401), "{} {:?}", response.status, response.json());
        }
        for path in ["/api/sync/status", "/api/sync/conflicts", "/api/auth/profile"] {
            self.devices[0].send(Request::get(path)).await.expect_error(401, "UNAUTHORIZED");
        }
    }

    async fn repeat_old_change(&mut self, index: usize) {
        let Some((author, change)) = self.rng.choice(&self.uploaded_changes).cloned() else { return };
        if !self.first_results.contains_key(change["id"].as_str().unwrap_or_default()) {
            return;
        }
        let mut device = self.devices[author].clone();
        device.strategy.clone_from(&self.devices[index].strategy);
        device.pending.clear();
        device.pending.push(tests::PendingChange { key: (String::new(), String::new()), json: change, applied: None });
        let before = self.state().await;
        let response = device.upload_losing_response().await;
        self.check_upload_response(&response);
        assert_eq!(self.state().await, before, "a repeat must change nothing");
        self.log_step(|| format!("{author} repeats: {}", summary(&response)));
    }

    async fn resolve_conflict(&mut self, index: usize) {
        let status = ["open", "open", "resolved"][self.rng.usize(..3)];
        let path = format!("/api/sync/conflicts?status={status}");
        let conflicts = self.devices[index].send(Request::get(path)).await.expect(200);
        let Some(conflict) = self.rng.choice(conflicts["conflicts"].as_array().expect("a list")).cloned() else {
            return;
        };
        let (body, merged) = self.edits.resolution(self.rng.u8(..), &conflict);
        let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
        let request = Request::post(path, &body);
        let response = self.devices[index].send(request.clone()).await;
        self.check_resolution(ResolutionRequest { request, merged }, &response);
        self.log_step(|| format!("{index} resolves {} by {body}: {}", conflict["id"], response.status));
    }

    async fn advance_clock(&mut self) {
        let seconds = [1, 60, 3_600, DAY, -3_600][self.rng.usize(..5)];
        self.service.clock.advance(seconds);
        self.log_in().await;
    }

    async fn purge(&mut self) {
        // Sometimes nothing is due for the purge yet.
        self.service.clock.advance([10, 31, 45][self.rng.usize(..3)] * DAY);
        self.log_in().await;
        self.allow_loss_of_due_conflicts().await;
        let report = self.service.purge().await;
        self.conflicts_purged = true;
        self.log_step(|| format!("purge: {report:?}"));
    }

    /// Allows the loss of edits that exist only in conflicts or versions which the next purge removes.
    async fn allow_loss_of_due_conflicts(&mut self) {
        let cutoff = self.now().plus_seconds(-30 * DAY).to_string();
        for version in self.versions().await {
            if version["replaced_at"].as_str().is_some_and(|replaced_at| replaced_at < cutoff.as_str()) {
                marker_in(&version["data"]).into_iter().for_each(|marker| self.edits.allow_loss(marker));
            }
        }
        for conflict in self.conflicts("resolved").await {
            if conflict["resolved_at"].as_str() < Some(&cutoff) {
                for version in ["local_version", "remote_version"] {
                    marker_in(&conflict[version]["data"]).into_iter().for_each(|marker| self.edits.allow_loss(marker));
                }
            }
        }
    }

    fn record_pending(&mut self, index: usize) {
        self.uploaded_changes.extend(self.devices[index].unsent().map(|change| (index, change.json.clone())));
    }

    /// Checks that each change has the same result as the first time, and that changes are rejected for no other reason than
    /// `RESYNC_REQUIRED` or, with a small quota, `QUOTA_EXCEEDED`.
    fn check_upload_response(&mut self, response: &Value) {
        for list in ["applied", "conflicts"] {
            let is_recorded = |entry: &&Value| entry.get("refused").is_none();
            for entry in response[list].as_array().expect("a list").iter().filter(is_recorded) {
                let mut result = if list == "applied" { entry.clone() } else { entry["id"].clone() };
                // The state of the item now.
                result.as_object_mut().and_then(|result| result.remove("current"));
                let change = entry["change_id"].as_str().expect("a change").to_owned();
                let first = self.first_results.entry(change).or_insert_with(|| result.clone());
                // After a resolved conflict is purged, a repeat returns the stored version instead.
                let is_purged_conflict = self.conflicts_purged && first.is_string() && list == "applied";
                assert!(is_purged_conflict || *first == result, "first {first}, then {result}");
            }
        }
        assert_eq!(response["success"], response["rejected"].as_array().is_some_and(Vec::is_empty), "{response}");
        for rejected in response["rejected"].as_array().expect("a list") {
            if rejected["code"] == "QUOTA_EXCEEDED" && self.has_small_quota {
                self.allow_loss_of_rejected(&rejected["change"]["id"]);
                continue;
            }
            assert_eq!(rejected["code"], "RESYNC_REQUIRED", "{rejected}");
        }
    }
}

impl World<'_> {
    fn allow_loss_of_rejected(&mut self, change: &Value) {
        let uploaded = self.uploaded_changes.iter().find(|(_, uploaded)| uploaded["id"] == *change);
        let marker = uploaded.and_then(|(_, uploaded)| marker_in(&uploaded["data"]));
        marker.into_iter().for_each(|marker| self.edits.allow_loss(marker));
    }
}

fn json_with(mut data: Value, field: &str, value: &str) -> Value {
    data[field] = json!(value);
    data
}

fn summary(response: &Value) -> String {
    let entries_text = |list: &str, id: &str| {
        let entries = response[list].as_array().expect("a list").iter();
        entries.map(|entry| format!(" {}={}", entry[id], entry["sync_version"])).collect::<String>()
    };
    format!(
        "applied{} conflicts{} rejected{}",
        entries_text("applied", "item_id"),
        entries_text("conflicts", "item_id"),
        response["rejected"]
    )
}
