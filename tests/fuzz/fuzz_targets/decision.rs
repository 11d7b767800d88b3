//! Fuzzes uploads and resolutions on a real store and compares the results with the model in `tests/model`. Three
//! devices edit three saved queries from arbitrary versions, repeat changes, and resolve conflicts.
#![no_main]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use model::{Choice, Content, Data, Edit, Key, PageItem, Response, SeenState, Side, UploadResponse};
use shared::models::{
    Change, ChangeId, Conflict, ConflictId, ConflictRecord, DeviceId, Item, ItemId, ItemKey, ItemType, SavedQuery,
    Stored, Strategy, Timestamp, UserId, VersionRecord,
};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::LibsqlSync;
use shared::storage::{ChangeFeed, Commit, SyncStore};
use shared::sync::{
    ChangeResult, Plan, ReadSet, ResolutionRequest, ResolveOutcome, ResolvedConflict, Upload, decide, resolve,
};
use tokio::runtime::Runtime;

const DEVICES: [&str; 3] = ["laptop", "phone", "tablet"];
const ITEMS: [&str; 3] = ["orders", "users", "stock"];
const START: i64 = 1_800_000_000_000_000;

/// Step of a run.
enum Step {
    Upload(model::Upload),
    /// Resolves the conflict with this index, modulo the number of conflicts.
    Resolve(usize, Choice),
}

/// Parses a step from five bytes.
fn parse_step(bytes: &[u8]) -> Step {
    let text = |number: u8| Content { name: "n".to_owned(), text: format!("select {number}") };
    if bytes[0] >= 200 {
        let choices =
            [Choice::LastWriteWins, Choice::KeepBoth, Choice::Local, Choice::Remote, Choice::Merged(text(bytes[2]))];
        return Step::Resolve(usize::from(bytes[1]), choices[usize::from(bytes[3] % 5)].clone());
    }
    let key = Key { item_type: ItemType::SavedQuery, id: ITEMS[usize::from(bytes[1] % 3)].to_owned() };
    let edit = match bytes[2] % 8 {
        0 => Edit::Delete,
        number => Edit::Create(text(number)),
    };
    let (base, at) = (i64::from(bytes[3] % 6), Timestamp::from_micros(START).plus_seconds(i64::from(bytes[4]) - 100));
    let id = format!("{} {:?} {base} {at}", key.id, edit.content());
    let change = model::Change { id, key, edit, base, updated_at: at };
    Step::Upload(model::Upload {
        device: DEVICES[usize::from(bytes[0] % 3)].to_owned(),
        last_sync_at: None,
        strategy: Strategy::ALL[usize::from(bytes[0] / 3 % 3)],
        changes: vec![change],
    })
}

fn query(content: &Content) -> Arc<shared::models::Content> {
    Arc::new(shared::models::Content::SavedQuery(SavedQuery {
        name: content.name.clone(),
        description: None,
        query: content.text.clone(),
        connection_id: None,
        tags: Vec::new(),
        favorite: false,
        metadata: BTreeMap::new(),
    }))
}

fn content(content: &shared::models::Content) -> Content {
    match content {
        shared::models::Content::SavedQuery(query) => Content { name: query.name.clone(), text: query.query.clone() },
        _ => unreachable!("all items are saved queries"),
    }
}

fn key(id: &str) -> ItemKey {
    ItemKey { item_type: ItemType::SavedQuery, id: ItemId::parse(id).expect("a valid id") }
}

/// Converts an upload of the model into the parsed upload of the service.
fn parsed_upload(upload: &model::Upload) -> Upload {
    let change = |change: &model::Change| Change {
        id: ChangeId::parse(&change.id).expect("a valid id"),
        key: key(&change.key.id),
        edit: change.edit.content().map_or(shared::models::Edit::Delete, |content| shared::models::Edit::Put {
            content: query(content),
            created_at: None,
            expects_item: false,
        }),
        updated_at: change.updated_at,
        base: change.base,
    };
    let device = DeviceId::parse(&upload.device).expect("a valid id");
    let changes = upload.changes.iter().map(|model_change| Ok(change(model_change))).collect();
    Upload { device, last_sync_at: upload.last_sync_at, strategy: upload.strategy, changes }
}

fn model_conflict(conflict: &Conflict) -> model::Conflict {
    let record = ConflictRecord::from(conflict);
    let side = |version: &VersionRecord, item: &Option<Item>| Side {
        content: item.as_ref().map(|item| content(&item.content)),
        updated_at: version.updated_at,
        version: version.sync_version,
        device: version.device_id.to_string(),
    };
    let resolution = conflict.resolution.as_ref().map(|resolution| model::Resolution {
        at: resolution.at,
        strategy: resolution.strategy,
        winner: resolution.winner,
        copy: resolution.copy_id.as_ref().map(ToString::to_string),
    });
    model::Conflict {
        id: conflict.id.to_string(),
        key: Key { item_type: ItemType::SavedQuery, id: conflict.key.id.to_string() },
        local: side(&record.local_version, &conflict.local.item),
        remote: side(&record.remote_version, &conflict.remote.item),
        resolution,
        revision: record.revision,
    }
}

fn model_item(key: &ItemKey, stored: Option<&Stored>) -> Option<PageItem> {
    let stored = stored.filter(|stored| stored.is_live())?;
    let key = Key { item_type: ItemType::SavedQuery, id: key.id.to_string() };
    Some(PageItem { key, content: Some(content(&stored.item.as_ref()?.content)), version: stored.version })
}

thread_local! {
    static STORE: OnceCell<(Runtime, LibsqlSync)> = const { OnceCell::new() };
}

fn store() -> (Runtime, LibsqlSync) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("the runtime builds");
    let store = runtime.block_on(async {
        let embedded = Embedded::open(&tests::scratch_dir().keep()).await.expect("the file opens");
        embedded.migrate().await.expect("the migrations succeed");
        embedded.sync()
    });
    (runtime, store)
}

/// Account in the store and in the model.
struct ComparedAccount<'a> {
    store: &'a LibsqlSync,
    user: UserId,
    model: Data,
    conflicts: Vec<ConflictId>,
}

impl ComparedAccount<'_> {
    async fn commit(&self, plan: &Plan, now: Timestamp) {
        let committed = self.store.commit(self.user, plan, "", now).await.expect("the operation succeeds");
        assert_eq!(committed, Commit::Applied, "there is no concurrent writer");
    }

    async fn upload(&mut self, upload: &model::Upload, now: Timestamp) {
        let parsed = parsed_upload(upload);
        let snapshot = self.store.load(self.user, &ReadSet::for_upload(&parsed)).await.expect("the operation succeeds");
        let decision = decide(snapshot, &parsed, now);
        if !decision.plan.is_empty() {
            self.commit(&decision.plan, now).await;
        }
        let results = decision.results.iter().map(|result| match result {
            ChangeResult::Applied { version, .. } => model::ChangeResult::Applied(*version),
            ChangeResult::Conflict { conflict, .. } => {
                model::ChangeResult::Conflict(Box::new(model_conflict(conflict)))
            }
            ChangeResult::Rejected(rejection) => model::ChangeResult::Rejected(rejection.code.to_string()),
        });
        let response = UploadResponse { at: decision.plan.new_head, results: results.collect() };
        self.conflicts.extend(decision.results.into_iter().filter_map(|result| match result {
            ChangeResult::Conflict { conflict, .. } => Some(conflict.id),
            _ => None,
        }));
        self.model.upload(upload, &response, now).unwrap_or_else(|reason| panic!("{upload:?}: {reason}"));
    }

    async fn resolve_conflict(&mut self, index: usize, choice: &Choice, now: Timestamp) {
        let Some(id) = self.conflicts.get(index % self.conflicts.len().max(1)).cloned() else { return };
        let request = ResolutionRequest {
            id: ChangeId::parse(&format!("resolve {id} {choice:?}")).expect("a valid id"),
            choice: match choice {
                Choice::LastWriteWins => shared::sync::Choice::LastWriteWins,
                Choice::KeepBoth => shared::sync::Choice::KeepBoth,
                Choice::Local => shared::sync::Choice::Local,
                Choice::Remote => shared::sync::Choice::Remote,
                Choice::Merged(content) => shared::sync::Choice::Merged(query(content)),
            },
            revision: None,
        };
        let read_set = ReadSet::for_resolution(&id, &request.id);
        let snapshot = self.store.load(self.user, &read_set).await.expect("the operation succeeds");
        let resolution = resolve(&snapshot, &id, &request, now).expect("the conflict exists");
        if let ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) = &resolution {
            self.commit(plan, now).await;
        }
        let refused = |conflict: &Conflict| Response::Refused {
            status: 409,
            code: "CONFLICT".to_owned(),
            conflict: Some(Box::new(model_conflict(conflict))),
        };
        let response = match &resolution {
            ResolveOutcome::Resolved(_, ResolvedConflict { resolution, key, stored })
            | ResolveOutcome::AlreadyResolved(ResolvedConflict { resolution, key, stored }) => {
                Response::Resolved { at: resolution.at, item: model_item(key, stored.as_ref()) }
            }
            ResolveOutcome::ResolvedDifferently(conflict) | ResolveOutcome::Outdated(_, conflict) => refused(conflict),
        };
        let checked = self.model.resolve(id.as_str(), choice, SeenState::Write(None), &response, now);
        checked.unwrap_or_else(|reason| panic!("{choice:?} of {id}: {reason}"));
    }

    /// Asserts that the store contains the items of the model.
    async fn assert_equal_items(&self) {
        for key in self.model.items.keys() {
            let stored = self.store.item(self.user, &self::key(&key.id)).await.expect("the operation succeeds");
            assert_eq!(model_item(&self::key(&key.id), stored.as_ref()), self.model.visible_item(key), "{key:?}");
        }
    }
}

async fn compare(store: &LibsqlSync, data: &[u8]) {
    let user = UserId::new(shared::clock::random_uuid(&shared::clock::SystemRandom));
    let mut account = ComparedAccount { store, user, model: Data::default(), conflicts: Vec::new() };
    for (index, bytes) in data.chunks_exact(5).take(24).enumerate() {
        let now = Timestamp::from_micros(START).plus_seconds(index as i64);
        match parse_step(bytes) {
            Step::Upload(upload) => account.upload(&upload, now).await,
            Step::Resolve(index, choice) => account.resolve_conflict(index, &choice, now).await,
        }
        account.assert_equal_items().await;
    }
}

fuzz_target!(|data: &[u8]| {
    STORE.with(|cell| {
        let (runtime, store) = cell.get_or_init(store);
        runtime.block_on(compare(store, data));
    });
});
