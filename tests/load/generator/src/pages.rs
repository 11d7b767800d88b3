use std::path::Path;

use serde_json::{Value, json};
use tests::{Request, ServerProcess};

use crate::account::{Account, data};

/// Number of accounts, and of items in each.
const ACCOUNTS: usize = 8;
const ITEMS: usize = 3_000;
/// Number of uploads per row of the table.
const ROUNDS: usize = 7;

/// Counts the pages of the database file that an upload writes: the frames that its transaction appends to the write-ahead log.
/// Ids are random, as clients make them.
pub(crate) async fn table() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let account = Account::of(&server.api, &format!("user {number}")).await;
        let ids: Vec<String> = (0..ITEMS).map(|_| random_id(&mut rng)).collect();
        for part in ids.chunks(1_000) {
            let changes = part.iter().map(|id| change(&mut rng, id, "create", 0)).collect();
            account.send(upload(&account, changes)).await;
        }
        accounts.push((account, ids));
    }
    for (count, action) in [(1, "create"), (100, "create"), (1, "update"), (100, "update")] {
        let mut pages = Vec::new();
        for _ in 0..ROUNDS {
            let (account, ids) = &accounts[rng.usize(..ACCOUNTS)];
            let base = i64::from(action == "update");
            let mut chosen = rng.choose_multiple(ids.iter().cloned(), count);
            if action == "create" {
                chosen = (0..count).map(|_| random_id(&mut rng)).collect();
            }
            let changes = chosen.iter().map(|id| change(&mut rng, id, action, base)).collect();
            let before = Log::read(folder.path());
            account.send(upload(account, changes)).await;
            pages.push(Log::read(folder.path()).frames_since(&before));
        }
        pages.sort_unstable();
        println!("{:<48} {:>11} pages", format!("{action} {count}"), pages[ROUNDS / 2]);
    }
}

fn random_id(rng: &mut fastrand::Rng) -> String {
    format!("{:032x}", rng.u128(..))
}

fn change(rng: &mut fastrand::Rng, id: &str, action: &str, base: i64) -> Value {
    let mut data = data();
    data["description"] = json!(random_id(rng));
    json!({ "id": random_id(rng), "item_type": "saved_query", "item_id": id, "action": action, "sync_version": base,
        "updated_at": "2026-01-01T00:00:00Z", "data": data })
}

fn upload(account: &Account, changes: Vec<Value>) -> Request {
    account.call(Request::post("/api/sync/upload", &json!({ "device_id": "laptop", "changes": changes })))
}

/// The write-ahead log of a database (<https://www.sqlite.org/fileformat2.html#walformat>).
struct Log {
    salts: Vec<u8>,
    frames: usize,
}

impl Log {
    fn read(folder: &Path) -> Self {
        let log = std::fs::read(folder.join("studio.db-wal")).expect("the database is in WAL mode");
        let page_bytes = u32::from_be_bytes(log[8..12].try_into().expect("four bytes")) as usize;
        let salts = log[16..24].to_vec();
        // Frames of the log before its last restart have other salts.
        let frames = log[32..].chunks_exact(page_bytes + 24).take_while(|frame| frame[8..16] == salts).count();
        Self { salts, frames }
    }

    fn frames_since(&self, before: &Self) -> usize {
        if self.salts == before.salts { self.frames - before.frames } else { self.frames }
    }
}
