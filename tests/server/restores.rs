//! Restoring a backup of the data folder, as an operator does.

use std::path::Path;

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tempfile::TempDir;
use tests::{Backends, Device, Request, ServerProcess, saved_query};

use crate::lifecycle::{run, stdout};
use crate::target::{sign_up, text};

/// Whether the data is in the folder. A backup of a server's data is not a copy of files.
async fn is_embedded(folder: &Path) -> bool {
    Backends::for_folder(folder).await.settings.is_empty()
}

fn copy_folder(from: &Path) -> TempDir {
    let copy = tests::scratch_dir();
    for file in std::fs::read_dir(from).expect("the folder exists").map(|file| file.expect("it can be listed")) {
        if file.path().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("the file can be copied");
        }
    }
    copy
}

/// A laptop and a phone that have synced, and a backup from before their newest edits.
struct Restored {
    folder: TempDir,
    laptop: Device,
    phone: Device,
}

impl Restored {
    async fn new() -> Option<Self> {
        let folder = tests::scratch_dir();
        if !is_embedded(folder.path()).await {
            return None;
        }
        let server = ServerProcess::start(folder.path()).await;
        let token = sign_up(&server.api, "ada").await;
        let [mut laptop, mut phone] = ["laptop", "phone"].map(|id| Device::new(&server.api, &token, id));
        edit(&mut laptop, "q0", "before").await;
        phone.download().await;
        assert!(server.stop().await);
        let backup = copy_folder(folder.path());

        let server = ServerProcess::start(folder.path()).await;
        for device in [&mut laptop, &mut phone] {
            device.set_api(&server.api);
        }
        for n in 0..7 {
            edit(&mut laptop, &format!("q{n}"), "lost").await;
        }
        phone.download().await;
        assert_eq!(phone.known.len(), 7);
        assert!(server.stop().await);
        (laptop.heals, phone.heals) = (Some(0), Some(0));
        Some(Self { folder: copy_folder(backup.path()), laptop, phone })
    }

    /// Starts the server on the backup, and logs the devices in.
    async fn start(&mut self) -> ServerProcess {
        let server = ServerProcess::start(self.folder.path()).await;
        let login = json!({ "username": "ada", "password": tests::PASSWORD });
        let response: Value = server.api.send(Request::post("/api/auth/login", &login)).await.expect(200);
        for device in [&mut self.laptop, &mut self.phone] {
            device.set_api(&server.api);
            device.set_token(&text(&response["token"]));
        }
        server
    }

    fn assert_agree(&self) {
        assert_eq!(self.laptop.known, self.phone.known);
        assert_eq!([self.laptop.heals, self.phone.heals], [Some(0), Some(0)], "before the digests were compared");
    }
}

async fn edit(device: &mut Device, id: &str, query: &str) {
    device.write("saved_query", id, saved_query(id, query), SystemClock.now());
    device.sync().await;
}

#[tokio::test]
async fn a_write_after_a_restore_does_not_hide_it() {
    let Some(mut restored) = Restored::new().await else { return };
    let _server = restored.start().await;
    edit(&mut restored.laptop, "new", "after the restore").await;
    restored.phone.download().await;
    assert_eq!(restored.phone.resets, 1);
    restored.assert_agree();
    let restored_query = restored.phone.visible_data("saved_query", "q0").expect("the item exists");
    assert_eq!(restored_query["query"], "before");
    assert_eq!(restored.phone.known.len(), 2);
}

#[tokio::test]
async fn the_command_ends_all_cursors() {
    let Some(mut restored) = Restored::new().await else { return };
    let output = stdout(&run(&["invalidate-cursors"], restored.folder.path()).await);
    assert!(output.contains("cursors of 1 accounts"), "{output}");
    let _server = restored.start().await;
    restored.laptop.write("saved_query", "q0", saved_query("q0", "after"), SystemClock.now());
    let results = restored.laptop.upload().await;
    assert_eq!(results["applied"][0]["sync_version"], 1_000_001, "no version stands for two contents");
    restored.laptop.download().await;
    restored.phone.download().await;
    assert_eq!([restored.laptop.resets, restored.phone.resets], [1, 1]);
    restored.assert_agree();
}
