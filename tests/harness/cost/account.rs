//! The account on which requests are measured.

use serde_json::{Value, json};

use super::{Live, honest_upload};
use crate::{Api, PASSWORD, Request, TestUser, no_op_upload, saved_query};

/// Number of devices, and of sessions besides the first.
const DEVICES: usize = 1_000;
const SESSIONS: usize = 90;

/// Number of replaced versions of one item, and the length of their texts in bytes.
const VERSIONS: usize = 100;
const VERSION_BYTES: usize = 39_000;

/// Number of open conflicts besides the largest, and the length of their texts in bytes.
const CONFLICTS: usize = 60;
const CONFLICT_BYTES: usize = 30_000;

/// Length of the text of a large item, in bytes.
const LARGE: usize = 990_000;

/// Texts of large items, each of which fills a page of a download, and the name of the cursor before the page.
const TEXTS: [(&str, Filling); 8] = [
    ("$cursor0", Filling::Repeated("SELECT id, total FROM orders WHERE total > 100 ORDER BY id;\n")),
    ("$cursor1", Filling::Repeated("a")),
    ("$cursor2", Filling::Repeated("\u{1}\u{2}")),
    ("$cursor3", Filling::Repeated("\"\\\"")),
    ("$cursor4", Filling::Repeated("\u{fdfa}")),
    ("$cursor5", Filling::Random("ab")),
    ("$cursor6", Filling::Random("abcd")),
    ("$cursor7", Filling::Random("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")),
];

/// What a text consists of.
#[derive(Clone, Copy)]
enum Filling {
    /// A string, again and again.
    Repeated(&'static str),
    /// Letters of an alphabet in a random order, which compressors search for repetitions.
    Random(&'static str),
}

impl Filling {
    /// Returns a text that is [`LARGE`] bytes of JSON.
    fn text(self) -> String {
        match self {
            Self::Repeated(unit) => unit.repeat(LARGE / (Value::from(unit).to_string().len() - 2)),
            Self::Random(alphabet) => {
                let mut state = 1_u64;
                let mut letter = || {
                    // Knuth's constants of a linear congruential generator, whose high bits are random.
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(alphabet.as_bytes()[(state >> 33) as usize % alphabet.len()])
                };
                (0..LARGE).map(|_| letter()).collect()
            }
        }
    }
}

/// An account that is being filled.
pub(super) struct Account {
    user: TestUser,
    live: Vec<(&'static str, String)>,
}

impl Account {
    /// Creates the account.
    pub(super) async fn sign_up(api: &Api) -> Self {
        Self { user: TestUser::sign_up(api, "ada").await, live: Vec::new() }
    }

    /// Fills the account with items, versions, conflicts, devices and sessions.
    pub(super) async fn fill(mut self) -> Live {
        self.user.send(honest_upload()).await.expect(200);
        self.add_large_items().await;
        self.add_versions().await;
        self.add_conflicts().await;
        for device in 0..DEVICES {
            self.user.post("/api/sync/upload", &no_op_upload(&format!("device {device}"))).await.expect(200);
        }
        for _ in 0..SESSIONS {
            self.user.log_in().await;
        }
        let session = self.user.sessions().await[1]["id"].as_str().expect("an id").to_owned();
        let known = [
            ("$token", self.user.token.clone()),
            ("$refresh", self.user.refresh_token.clone()),
            ("$session", session),
            ("$username", "ada".to_owned()),
            ("$email", "ada@example.com".to_owned()),
            ("$password", PASSWORD.to_owned()),
        ];
        self.live.into_iter().chain(known).collect()
    }

    async fn add_large_items(&mut self) {
        for (cursor, filling) in TEXTS {
            let status = self.user.get("/api/sync/status").await.expect(200);
            self.live.push((cursor, status["sync_timestamp"].as_str().expect("a time").to_owned()));
            for part in 0..4 {
                self.write("laptop", &format!("large {cursor} {part}"), &filling.text(), 0).await;
            }
        }
        self.live.push(("$item", "large $cursor0 0".to_owned()));
    }

    async fn add_versions(&mut self) {
        for version in 0..=VERSIONS {
            let text = format!("{version}{}", "SELECT \"a\"; ".repeat(VERSION_BYTES / 12));
            self.write("laptop", "versioned", &text, version).await;
        }
        self.live.push(("$versioned", "versioned".to_owned()));
        self.live.push(("$version", (VERSIONS + 1).to_string()));
    }

    async fn add_conflicts(&mut self) {
        for conflict in 0..CONFLICTS {
            self.conflict(&format!("conflict {conflict}"), CONFLICT_BYTES).await;
        }
        let conflict = self.conflict("contested", LARGE).await;
        self.live.push(("$contested", "contested".to_owned()));
        self.live.push(("$conflict", conflict["id"].as_str().expect("an id").to_owned()));
    }

    /// Opens a conflict of an item whose versions have texts of `bytes` bytes.
    async fn conflict(&self, item: &str, bytes: usize) -> Value {
        let text = |word: &str| format!("SELECT {word} FROM t; ").repeat(bytes / 22);
        self.write("laptop", item, &text("a"), 0).await;
        self.write("phone", item, &text("b"), 0).await["conflicts"][0].clone()
    }

    /// Uploads a version of a saved query, whose conflicts wait for a resolution.
    async fn write(&self, device: &str, item: &str, text: &str, base: usize) -> Value {
        let change = json!({ "id": format!("{device} {item} {base}"), "item_type": "saved_query", "item_id": item,
            "action": "update", "sync_version": base, "updated_at": "2026-01-01T00:00:00Z",
            "data": saved_query("Large", text) });
        let body = json!({ "device_id": device, "conflict_strategy": "user_choice", "changes": [change] });
        let response = self.user.send(Request::post("/api/sync/upload", &body)).await.expect(200);
        assert_eq!(response["rejected"], json!([]), "{item}");
        response
    }
}
