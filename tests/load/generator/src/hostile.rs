use axum::http::Method;
use serde_json::{Value, json};
use tests::{Request, ServerProcess, saved_query};

use crate::account::Account;
use crate::server::measure;
use crate::{median, print_row};

/// Size of the texts of an upload without the JSON around them, in bytes.
const BYTES: usize = 9_000_000;
/// Numbers of items of an upload: as many as it may have, and as few as it can have.
const ITEMS: [usize; 2] = [4_900, 10];
/// Uploads of each kind.
const ROUNDS: usize = 3;

/// Units of texts that took the secret scanner long: found by hand, and by `slowest`.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "creds:-", "login:", "logins:", "credentials:", "pw:", "token=", "Token ", "password ", "пароль ", "'pass ','", "key '",
    "secret managerms", "pageset password", "„", "q'[", "((((", "$a$'", "ｐａｓｓ", "@", "s3('",
];

/// Measures the CPU time of the server for the largest uploads; the baseline is one of ordinary texts. No body may take more
/// than five times as long, whatever its bytes.
pub(crate) async fn table() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let account = Account::of(&server.api, "ada").await;
    let mut ids = 0..;
    let mut upload = async |text: &str, items: usize| {
        let changes: Vec<Value> = ids.by_ref().take(items).map(|id| change(id, text)).collect();
        let body = json!({ "device_id": "laptop", "changes": changes }).to_string();
        let call = Request::new(Method::POST, "/api/sync/upload").body("application/json", body);
        measure(&server, vec![account.call(call)]).await.0
    };
    let ordinary = ordinary_text();
    for items in ITEMS {
        let length = BYTES / items;
        for unit in [ordinary.as_str()].iter().chain(UNITS) {
            let (mut baselines, mut times) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                baselines.push(upload(&repeat(&ordinary, BYTES / ITEMS[0]), ITEMS[0]).await);
                times.push(upload(&repeat(unit, length), items).await);
            }
            let name = format!("{items} items of {:?}", unit.chars().take(24).collect::<String>());
            print_row(&name, median(baselines), median(times));
        }
    }
}

fn change(id: usize, text: &str) -> Value {
    json!({ "item_type": "saved_query", "item_id": id.to_string(), "action": "create", "sync_version": 0,
        "updated_at": "2026-01-01T00:00:00Z", "data": saved_query("Large", text) })
}

/// The unit again and again, about `length` bytes long.
fn repeat(unit: &str, length: usize) -> String {
    let mut text = unit.repeat(length / unit.len() + 1);
    text.truncate(text.floor_char_boundary(length));
    text
}

/// Statements that people wrote, without a credential.
fn ordinary_text() -> String {
    let statement = |line: &str| {
        let mut item: Value = serde_json::from_str(line).expect("each line is JSON");
        let clean = item["credential"] == false && item["kind"] == "saved_query";
        if clean { item["data"]["query"].take().as_str().map(|query| format!("{query};\n")) } else { None }
    };
    include_str!("../../../corpus/seen.jsonl").lines().filter_map(statement).collect()
}
