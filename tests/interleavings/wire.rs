//! Translation of model requests into API calls, and of API responses into model responses.

use axum::http::Method;
use model::{
    Change, ChangeResult, Choice, Conflict, Content, Current, Edit, Effect, KeptVersion, Key, Page, PageItem, Request,
    Resolution, Response, Side, Status, UploadResponse,
};
use serde_json::{Value, json};
use shared::models::{ItemType, ResolvedBy, Timestamp, Winner};
use tests::{Request as HttpRequest, Response as HttpResponse, connection, history, saved_query};

use crate::digest;

/// Lists of a page, with the item type of each.
const LISTS: [(&str, ItemType); 3] = [
    ("connections", ItemType::Connection),
    ("saved_queries", ItemType::SavedQuery),
    ("query_history", ItemType::QueryHistory),
];

/// Returns the JSON of an item with `content`.
fn data(item_type: ItemType, content: &Content) -> Value {
    match item_type {
        ItemType::Connection => {
            let mut data = connection(&content.name);
            data["database"] = json!(content.text);
            data
        }
        ItemType::SavedQuery => saved_query(&content.name, &content.text),
        ItemType::QueryHistory => history(&content.text),
    }
}

fn content(item_type: ItemType, data: &Value) -> Content {
    let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
    match item_type {
        ItemType::Connection => Content { name: text("name"), text: text("database") },
        ItemType::SavedQuery => Content { name: text("name"), text: text("query") },
        ItemType::QueryHistory => Content { name: String::new(), text: text("query") },
    }
}

/// Returns the API call of `request` for the user `name`; `None` for events that are not API calls.
pub(crate) fn call(name: &str, request: &Request) -> Option<HttpRequest> {
    let post = |path: &str, body: Value| HttpRequest::post(path, &body);
    let authorized = |call: HttpRequest, token: &str| Some(call.bearer(token));
    match request {
        Request::Upload { token, upload } => {
            let changes: Vec<Value> = upload.changes.iter().map(change).collect();
            let mut body =
                json!({ "device_id": upload.device, "conflict_strategy": upload.strategy, "changes": changes });
            if let Some(last) = upload.last_sync_at {
                body["last_sync_at"] = json!(last);
            }
            authorized(post("/api/sync/upload", body), token)
        }
        Request::Download { token, device, since, limit, item_type } => {
            let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
            let item_type = item_type.map(|item_type| format!("&item_type={item_type}")).unwrap_or_default();
            let path = format!("/api/sync/download?device_id={device}&limit={limit}{since}{item_type}");
            authorized(HttpRequest::get(path), token)
        }
        Request::Status { token } => authorized(HttpRequest::get("/api/sync/status"), token),
        Request::ListConflicts { token } => authorized(HttpRequest::get("/api/sync/conflicts?status=all"), token),
        Request::Resolve { token, conflict, choice, revision } => {
            let mut body = resolution(choice);
            if let Some(revision) = revision {
                body["revision"] = json!(revision);
            }
            authorized(post(&format!("/api/sync/conflicts/{conflict}/resolve"), body), token)
        }
        Request::ListVersions { token, key: Key { item_type, id } } => {
            let path = format!("/api/sync/versions?item_type={item_type}&item_id={id}");
            authorized(HttpRequest::get(path), token)
        }
        Request::Restore { token, key: Key { item_type, id }, version, expected } => {
            let body = json!({ "item_type": item_type, "item_id": id, "sync_version": version,
                "expected_version": expected });
            authorized(post("/api/sync/restore", body), token)
        }
        Request::LogIn { password } => Some(post("/api/auth/login", json!({ "username": name, "password": password }))),
        Request::Refresh { refresh_token } => {
            Some(post("/api/auth/refresh", json!({ "refresh_token": refresh_token })))
        }
        Request::LogOut { token } => authorized(HttpRequest::new(Method::POST, "/api/auth/logout"), token),
        Request::ShowProfile { token } => authorized(HttpRequest::get("/api/auth/profile"), token),
        Request::DeleteAccount { token, password } => {
            let body = json!({ "password": password });
            authorized(HttpRequest::new(Method::DELETE, "/api/auth/profile").json(&body), token)
        }
        Request::ChangePassword { token, current, new } => {
            let body = json!({ "current_password": current, "new_password": new });
            authorized(post("/api/auth/change-password", body), token)
        }
        Request::RequestReset => {
            Some(post("/api/auth/request-password-reset", json!({ "email": format!("{name}@example.com") })))
        }
        Request::ResetPassword { link, new } => {
            Some(post("/api/auth/reset-password", json!({ "token": link, "new_password": new })))
        }
        Request::VerifyEmail { link } => Some(post("/api/auth/verify-email", json!({ "token": link }))),
        Request::OpenSession
        | Request::BeginDeletion
        | Request::DeliverEmail
        | Request::Purge
        | Request::MoveUser { .. }
        | Request::AdvanceClock { .. } => None,
    }
}

fn change(change: &Change) -> Value {
    let Change { id, key, edit, base, updated_at } = change;
    let action = match edit {
        Edit::Create(_) => "create",
        Edit::Update(_) => "update",
        Edit::Delete => "delete",
    };
    let mut json = json!({ "id": id, "item_type": key.item_type, "item_id": key.id, "action": action,
        "updated_at": updated_at, "sync_version": base });
    if let Some(content) = edit.content() {
        json["data"] = data(key.item_type, content);
    }
    json
}

fn resolution(choice: &Choice) -> Value {
    match choice {
        Choice::LastWriteWins => json!({ "strategy": "last_write_wins" }),
        Choice::KeepBoth => json!({ "strategy": "keep_both" }),
        Choice::Local => json!({ "strategy": "user_choice", "chosen_version": "local" }),
        Choice::Remote => json!({ "strategy": "user_choice", "chosen_version": "remote" }),
        Choice::Merged(content) => {
            json!({ "strategy": "user_choice", "merged_data": data(ItemType::SavedQuery, content) })
        }
    }
}

/// Translates an API response into a model response.
///
/// # Panics
/// Panics if the response violates the API schema.
pub(crate) fn response(request: &Request, response: &HttpResponse) -> Response {
    let json = response.json();
    if response.status >= 400 {
        let conflict = json.get("conflict").map(|json| Box::new(conflict(json)));
        let item_type = if let Request::Restore { key, .. } = request { key.item_type } else { ItemType::SavedQuery };
        let current = json.get("current").map(|json| Box::new(current(item_type, json)));
        return Response::Refused { status: response.status, code: text(&json["code"]), conflict, current };
    }
    match request {
        Request::Upload { upload, .. } => {
            let results = upload.changes.iter().enumerate().map(|(index, change)| result(&json, index, change));
            Response::Uploaded(UploadResponse { at: time(&json["synced_at"]), results: results.collect() })
        }
        Request::Download { since, .. } => {
            let page = page(&json);
            if since.is_none() && page.reset && !page.has_more {
                digest::check(&json);
            }
            Response::Page(page)
        }
        Request::Status { .. } => Response::Status(status(&json)),
        Request::ListConflicts { .. } => Response::Conflicts(list(&json["conflicts"]).iter().map(conflict).collect()),
        Request::Resolve { .. } => {
            let item = json.get("item").map(|item| {
                let item_type = if item.get("query").is_some() { ItemType::SavedQuery } else { ItemType::Connection };
                page_item(item_type, item)
            });
            Response::Resolved { at: time(&json["resolved_at"]), item }
        }
        Request::ListVersions { key, .. } => {
            assert_eq!(json.get("next_cursor"), None, "the versions fit on one page");
            let versions = list(&json["versions"]).iter().map(|version| kept_version(key.item_type, version));
            Response::Versions(versions.collect())
        }
        Request::Restore { key, .. } => Response::Restored {
            item: json.get("item").map(|item| page_item(key.item_type, item)),
            updated_at: json.get("item").map(|item| time(&item["updated_at"])),
        },
        Request::LogIn { .. } | Request::Refresh { .. } => {
            Response::Tokens { access: text(&json["token"]), refresh: text(&json["refresh_token"]) }
        }
        _ => Response::Done,
    }
}

/// Returns the result of one change, which must be in exactly one of the lists.
fn result(json: &Value, index: usize, change: &Change) -> ChangeResult {
    let id = &change.id;
    let applied = list(&json["applied"]).iter().filter(|entry| entry["change_id"] == *id);
    let conflicts = list(&json["conflicts"]).iter().filter(|entry| entry["change_id"] == *id);
    let rejected = list(&json["rejected"]).iter().filter(|entry| entry["change"]["index"] == index);
    let all: Vec<ChangeResult> = applied
        .map(|entry| applied_change(change.key.item_type, entry))
        .chain(conflicts.map(|entry| conflict_outcome(change.key.item_type, entry)))
        .chain(rejected.map(|entry| ChangeResult::Rejected(text(&entry["code"]))))
        .collect();
    <[ChangeResult; 1]>::try_from(all)
        .map(|[only]| only)
        .unwrap_or_else(|all| panic!("{id} has the results {all:?} in {json}"))
}

fn applied_change(item_type: ItemType, entry: &Value) -> ChangeResult {
    let is = |field: &str| entry.get(field).map(|value| assert_eq!(*value, true, "{entry} has a superfluous field"));
    let effect = match (is("merged"), is("unchanged")) {
        (None, None) => Effect::AsSent,
        (Some(()), None) => Effect::Merged,
        (None, Some(())) => Effect::Unchanged,
        _ => panic!("{entry} is merged and unchanged"),
    };
    let current = entry.get("current").map(|json| current(item_type, json));
    ChangeResult::Applied { version: number(&entry["sync_version"]), effect, current }
}

fn conflict_outcome(item_type: ItemType, entry: &Value) -> ChangeResult {
    let version = number(&entry["sync_version"]);
    let current = entry.get("current").map(|json| current(item_type, json));
    match entry.get("refused") {
        None => ChangeResult::Conflict { conflict: Box::new(conflict(entry)), version, current },
        Some(refused) => {
            assert!(*refused == true && entry.get("id").is_none(), "{entry} is no refusal");
            ChangeResult::Refused { version, current }
        }
    }
}

fn current(item_type: ItemType, json: &Value) -> Current {
    let content = json.get("data").map(|data| content(item_type, data));
    assert_eq!(json["deleted"], content.is_none(), "{json} is deleted or has data");
    Current { version: number(&json["sync_version"]), content }
}

fn kept_version(item_type: ItemType, json: &Value) -> KeptVersion {
    let Side { content, updated_at, version, device } = side(item_type, json);
    assert_eq!(json["deleted"], content.is_none(), "{json} is deleted or has data");
    KeptVersion { content, version, updated_at, device, replaced_at: json.get("replaced_at").map(time) }
}

fn page(json: &Value) -> Page {
    let items =
        LISTS.iter().flat_map(|(name, item_type)| list(&json[*name]).iter().map(|item| page_item(*item_type, item)));
    let deleted = list(&json["deleted"]).iter().map(|entry| PageItem {
        key: Key { item_type: item_type(&entry["item_type"]), id: text(&entry["item_id"]) },
        content: None,
        version: number(&entry["sync_version"]),
    });
    let mut items: Vec<PageItem> = items.chain(deleted).collect();
    items.sort();
    let count = |digest: &Value, name: &str| digest.get(name).map(|summary| number(&summary["count"]));
    let digest =
        json.get("digest").map(|digest| LISTS.iter().filter_map(|(name, _)| count(digest, name)).collect::<Vec<_>>());
    assert_eq!(json["has_more"], digest.is_none(), "the last page has a digest: {json}");
    Page {
        items,
        conflicts: list(&json["conflicts"]).iter().map(conflict).collect(),
        sync_timestamp: time(&json["sync_timestamp"]),
        has_more: json["has_more"] == true,
        reset: json["reset"] == true,
        digest,
    }
}

fn page_item(item_type: ItemType, item: &Value) -> PageItem {
    PageItem {
        key: Key { item_type, id: text(&item["id"]) },
        content: Some(content(item_type, item)),
        version: number(&item["sync_version"]),
    }
}

fn status(json: &Value) -> Status {
    let mut devices: Vec<(String, i64, i64)> = list(&json["devices"])
        .iter()
        .map(|device| (text(&device["device_id"]), number(&device["total_synced"]), number(&device["conflicts_count"])))
        .collect();
    devices.sort();
    Status {
        devices,
        counts: ["connection", "saved_query", "query_history"].map(|name| number(&json["counts"][name])),
        open_conflicts: number(&json["open_conflicts"]),
        sync_timestamp: time(&json["sync_timestamp"]),
    }
}

fn side(item_type: ItemType, json: &Value) -> Side {
    Side {
        content: json.get("data").map(|data| content(item_type, data)),
        updated_at: time(&json["updated_at"]),
        version: number(&json["sync_version"]),
        device: text(&json["device_id"]),
    }
}

fn conflict(json: &Value) -> Conflict {
    let item_type = item_type(&json["item_type"]);
    let resolution = json.get("resolved_at").map(|at| Resolution {
        at: time(at),
        by: ResolvedBy::from_name(&text(&json["resolution"])).expect("a valid resolution"),
        winner: json.get("winner").map(|winner| Winner::from_name(&text(winner)).expect("a valid winner")),
        copy: json.get("copy_id").map(text),
    });
    Conflict {
        id: text(&json["id"]),
        key: Key { item_type, id: text(&json["item_id"]) },
        local: side(item_type, &json["local_version"]),
        remote: side(item_type, &json["remote_version"]),
        detected_at: time(&json["detected_at"]),
        resolution,
        revision: number(&json["revision"]),
    }
}

fn list(json: &Value) -> &[Value] {
    json.as_array().unwrap_or_else(|| panic!("{json} is not a list"))
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("{json} is not a string")).to_owned()
}

fn number(json: &Value) -> i64 {
    json.as_i64().unwrap_or_else(|| panic!("{json} is not a number"))
}

fn time(json: &Value) -> Timestamp {
    text(json).parse().unwrap_or_else(|_| panic!("{json} is not a time"))
}

fn item_type(json: &Value) -> ItemType {
    ItemType::from_name(&text(json)).unwrap_or_else(|| panic!("{json} is not an item type"))
}
