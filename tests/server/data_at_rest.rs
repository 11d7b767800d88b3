//! What other users of the machine, and whoever finds the file later, can read of the local server's data.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};
use tests::{PASSWORD, Request, ServerProcess, history, saved_query};

use crate::target::sign_up;

/// Marks every text of the account that is removed.
const MARK: &str = "e7b1c9d2-marked-text";

/// Returns the number of occurrences of `text` in the database and its log.
fn occurrences(folder: &Path, text: &str) -> usize {
    let files = ["studio.db", "studio.db-wal"].map(|name| std::fs::read(folder.join(name)).unwrap_or_default());
    files.iter().map(|file| file.windows(text.len()).filter(|window| *window == text.as_bytes()).count()).sum()
}

/// Returns a body that uploads 300 marked items of each size, so that some are stored on pages of their own.
fn upload(round: usize) -> Value {
    let changes = (0..300).map(|number| {
        let text = format!("{MARK} {}", "x".repeat(number * 37 % 9_000));
        let (item_type, data) = if number % 3 == 0 {
            ("query_history", history(&text))
        } else {
            ("saved_query", saved_query(&format!("{MARK} {round}"), &text))
        };
        json!({ "id": format!("{round} {number}"), "item_type": item_type, "item_id": format!("i{number}"), "action": "create",
            "data": data, "updated_at": "2026-01-01T00:00:00Z", "sync_version": round })
    });
    json!({ "device_id": "laptop", "changes": changes.collect::<Vec<_>>() })
}

#[tokio::test]
async fn the_texts_of_a_removed_account_are_overwritten() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    if !folder.path().join("studio.db").exists() {
        return; // The data is on servers.
    }
    let (token, other) = (sign_up(&server.api, "ada").await, sign_up(&server.api, "bob").await);
    for round in 0..3 {
        let call = Request::post("/api/sync/upload", &upload(round)).bearer(&token);
        assert_eq!(server.api.send(call).await.expect(200)["success"], true);
        let rest = upload(round).to_string().replace(MARK, "of another account");
        let rest: Value = serde_json::from_str(&rest).expect("JSON");
        server.api.send(Request::post("/api/sync/upload", &rest).bearer(&other)).await.expect(200);
    }
    assert!(occurrences(folder.path(), MARK) > 900, "with the replaced versions");
    let deletion = Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
    server.api.send(deletion.bearer(&token)).await.expect(200);
    assert_eq!(occurrences(folder.path(), MARK), 0);
    assert!(occurrences(folder.path(), "of another account") > 900);
    let mail = std::fs::read(folder.path().join("studio.db")).expect("the file is there");
    assert!(!mail.windows(15).any(|window| window == b"ada@example.com"));
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let folder = tests::scratch_dir();
    // Files of an older release, which others could read.
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("outbox")).expect("the folder is created");
    for (path, mode) in [(data.clone(), 0o755), (data.join("outbox"), 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the folder is ours");
    }
    std::fs::write(data.join("studio.db"), "").expect("the file is written");
    let server = ServerProcess::start(&data).await;
    sign_up(&server.api, "ada").await;
    let database = data.join("studio.db");
    if database.metadata().expect("a file").len() == 0 {
        // The data is on servers.
        std::fs::remove_file(database).expect("the file is ours");
    }
    let outbox = data.join("outbox");
    for _ in 0..100 {
        if std::fs::read_dir(&outbox).expect("a folder").count() > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let files = [&data, &outbox].into_iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    assert!(files.iter().any(|path| path.extension().is_some_and(|extension| extension == "html")), "{files:?}");
    for path in files {
        let mode = path.metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", path.display());
    }
}
