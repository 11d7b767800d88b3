//! Fuzzes uploads, resolutions and restorations on a real store and compares the results with the model in `tests/model`.
//! Three devices edit three saved queries from arbitrary versions, repeat changes, resolve conflicts and restore versions.
//! After each step the items, their versions and the conflicts are compared.
#![no_main]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use model::{
    Choice, Content, Current, Data, Edit, KeptVersion, Key, PageItem, Response, SeenState, Side, UploadResponse,
};
use shared::models::{
    Change, ChangeId, Conflict, ConflictId, CurrentItem, DeviceId, Extra, ItemId, ItemKey, ItemType, ItemVersion,
    Quota, SavedQuery, Stored, Strategy, Timestamp, UserId, limits,
};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::LibsqlSync;
use shared::storage::{ChangeFeed, Commit, ConflictFilter, ConflictStore, SyncStore};
use shared::sync::{
    ChangeResult, Effect, Plan, ReadSet, ResolutionRequest, ResolveOutcome, ResolvedConflict, RestoreOutcome,
    RestoreRequest, Upload, decide, resolve, restore,
};
use tokio::runtime::Runtime;

const DEVICES: [&str; 3] = ["laptop", "phone", "tablet"];
const ITEMS: [&str; 3] = ["orders", "users", "stock"];
const NAMES: [&str; 3] = ["n", "first", "second"];
const START: i64 = 1_800_000_000_000_000;

/// Step of a run.
enum Step {
    Upload(model::Upload),
    /// Resolves the conflict with this index, modulo the number of conflicts.
    Resolve(usize, Choice),
    /// Restores this version of an item that is expected to be at the other version.
    Restore(Key, i64, i64),
}

/// Parses a step from five bytes.
fn parse_step(bytes: &[u8]) -> Step {
    let text = |number: u8| Content {
        name: NAMES[usize::from(number / 8 % 3)].to_owned(),
        text: format!("select {}", number % 8),
    };
    let key = Key { item_type: ItemType::SavedQuery, id: ITEMS[usize::from(bytes[1] % 3)].to_owned() };
    let base = i64::from(bytes[3] % 6);
    match bytes[0] {
        220.. => {
            let choices = [
                Choice::LastWriteWins,
                Choice::KeepBoth,
                Choice::Local,
                Choice::Remote,
                Choice::Merged(text(bytes[2])),
            ];
            return Step::Resolve(usize::from(bytes[1]), choices[usize::from(bytes[3] % 5)].clone());
        }
        200.. => return Step::Restore(key, base, i64::from(bytes[4] % 6)),
        _ => {}
    }
    let edit = match bytes[2] % 8 {
        0 => Edit::Delete,
        _ => Edit::Create(text(bytes[2])),
    };
    let at = Timestamp::from_micros(START).plus_seconds(i64::from(bytes[4]) - 100);
    let id = format!("{} {:?} {base} {at}", key.id, edit.content());
    let change = model::Change { id, key, edit, base, updated_at: at };
    Step::Upload(model::Upload {
        device: DEVICES[usize::from(bytes[0] % 3)].to_owned(),
        last_sync_at: None,
        strategy: Strategy::ALL[usize::from(bytes[0] / 3 % 5)],
        changes: vec![change],
    })
}

/// Parses the steps of a run. Consecutive uploads of one device under one strategy become one upload.
fn parse_steps(data: &[u8]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for bytes in data.chunks_exact(5).take(24) {
        match (steps.last_mut(), parse_step(bytes)) {
            (Some(Step::Upload(last)), Step::Upload(next))
                if (&last.device, last.strategy) == (&next.device, next.strategy) =>
            {
                last.changes.extend(next.changes);
            }
            (_, step) => steps.push(step),
        }
    }
    steps
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
        extra: Extra::default(),
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

fn side(version: &ItemVersion) -> Side {
    Side {
        content: version.item.as_ref().map(|item| content(&item.content)),
        updated_at: version.updated_at,
        version: version.sync_version,
        device: version.device.to_string(),
    }
}

fn model_conflict(conflict: &Conflict) -> model::Conflict {
    let resolution = conflict.resolution.as_ref().map(|resolution| model::Resolution {
        at: resolution.at,
        by: resolution.by,
        winner: resolution.winner,
        copy: resolution.copy_id.as_ref().map(ToString::to_string),
    });
    model::Conflict {
        id: conflict.id.to_string(),
        key: Key { item_type: ItemType::SavedQuery, id: conflict.key.id.to_string() },
        local: side(&conflict.local),
        remote: side(&conflict.remote),
        detected_at: conflict.detected_at,
        resolution,
        revision: conflict.revision(),
    }
}

fn current(current: &CurrentItem) -> Current {
    Current { version: current.version, content: current.item.as_ref().map(|(item, _)| content(&item.content)) }
}

fn model_result(result: &ChangeResult) -> model::ChangeResult {
    match result {
        ChangeResult::Applied { version, effect, current, .. } => model::ChangeResult::Applied {
            version: *version,
            effect: match effect {
                Effect::AsSent => model::Effect::AsSent,
                Effect::Merged => model::Effect::Merged,
                Effect::Unchanged => model::Effect::Unchanged,
            },
            current: current.as_ref().map(self::current),
        },
        ChangeResult::Conflict { conflict, version, current, .. } => model::ChangeResult::Conflict {
            conflict: Box::new(model_conflict(conflict)),
            version: *version,
            current: current.as_ref().map(self::current),
        },
        ChangeResult::Refused { version, current, .. } => {
            model::ChangeResult::Refused { version: *version, current: current.as_ref().map(self::current) }
        }
        ChangeResult::Rejected(rejection) => model::ChangeResult::Rejected(rejection.code.to_string()),
    }
}

fn refused(status: u16) -> Response {
    Response::Refused { status, code: String::new(), conflict: None, current: None }
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
    /// Ids of all conflicts.
    conflicts: Vec<ConflictId>,
}

impl ComparedAccount<'_> {
    async fn commit(&self, plan: &Plan, now: Timestamp) {
        let committed = self.store.commit(self.user.into(), plan, "", now).await.expect("the operation succeeds");
        assert_eq!(committed, Commit::Applied, "there is no concurrent writer");
    }

    async fn upload(&mut self, upload: &model::Upload, now: Timestamp) {
        let parsed = parsed_upload(upload);
        let snapshot =
            self.store.load(self.user.into(), &ReadSet::for_upload(&parsed)).await.expect("the operation succeeds");
        let decision = decide(snapshot, &parsed, Quota::default(), now);
        if !decision.plan.is_empty() {
            self.commit(&decision.plan, now).await;
        }
        let results = decision.results.iter().map(model_result).collect();
        let response = UploadResponse { at: decision.plan.new_head, results };
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
        let snapshot = self.store.load(self.user.into(), &read_set).await.expect("the operation succeeds");
        let resolution = resolve(&snapshot, &id, &request, Quota::default(), now).expect("the conflict exists");
        if let ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) = &resolution {
            self.commit(plan, now).await;
        }
        let outdated = |conflict: &Conflict| Response::Refused {
            status: 409,
            code: "CONFLICT".to_owned(),
            conflict: Some(Box::new(model_conflict(conflict))),
            current: None,
        };
        let response = match &resolution {
            ResolveOutcome::Resolved(_, ResolvedConflict { resolution, key, stored })
            | ResolveOutcome::AlreadyResolved(ResolvedConflict { resolution, key, stored }) => {
                Response::Resolved { at: resolution.at, item: model_item(key, stored.as_ref()) }
            }
            ResolveOutcome::ResolvedDifferently(conflict) | ResolveOutcome::Outdated(_, conflict) => outdated(conflict),
            ResolveOutcome::QuotaExceeded => unreachable!("the quota is large"),
        };
        let checked = self.model.resolve(id.as_str(), choice, SeenState::At(None), &response, now);
        checked.unwrap_or_else(|reason| panic!("{choice:?} of {id}: {reason}"));
    }

    async fn restore_version(&mut self, key: &Key, version: i64, expected: i64, now: Timestamp) {
        let id = ChangeId::parse(&format!("restore {} {version} {expected}", key.id)).expect("a valid id");
        let request = RestoreRequest { id, key: self::key(&key.id), version, expected };
        let read_set = ReadSet::for_restore(&request.key, version, &request.id);
        let snapshot = self.store.load(self.user.into(), &read_set).await.expect("the operation succeeds");
        let outcome = restore(&snapshot, &request, Quota::default(), now);
        let restored = |side: Side| {
            let updated_at = side.content.is_some().then_some(side.updated_at);
            let item = side.content.map(|content| PageItem {
                key: key.clone(),
                content: Some(content),
                version: side.version,
            });
            Response::Restored { item, updated_at }
        };
        let response = match &outcome {
            RestoreOutcome::Restored(plan, stored) => {
                self.commit(plan, now).await;
                restored(side(&ItemVersion::of(Some(stored))))
            }
            RestoreOutcome::AlreadyRestored(version) => restored(side(version)),
            RestoreOutcome::Outdated(stored) => Response::Refused {
                status: 409,
                code: "CONFLICT".to_owned(),
                conflict: None,
                current: Some(Box::new(current(&CurrentItem::of(stored.as_ref())))),
            },
            RestoreOutcome::Deletion => refused(400),
            RestoreOutcome::NotFound => refused(404),
            RestoreOutcome::QuotaExceeded => unreachable!("the quota is large"),
        };
        let checked = self.model.restore(key, (version, expected), &response, now);
        checked.unwrap_or_else(|reason| panic!("version {version} of {key:?}: {reason}"));
    }

    /// Asserts that the store contains the items of the model, and their versions.
    async fn assert_equal_items(&self) {
        for key in self.model.items.keys() {
            let stored_key = self::key(&key.id);
            let stored = self.store.item(self.user.into(), &stored_key).await.expect("the operation succeeds");
            assert_eq!(model_item(&stored_key, stored.as_ref()), self.model.visible_item(key), "{key:?}");
            let page = self.store.versions(self.user.into(), &stored_key, None, limits::PAGE_VERSIONS).await;
            let page = page.expect("the operation succeeds").expect("the item exists");
            let versions = page.versions.iter().map(|kept| {
                let Side { content, updated_at, version, device } = side(&kept.version);
                KeptVersion { content, version, updated_at, device, replaced_at: kept.replaced_at }
            });
            let checked = self.model.check_versions(key, &Response::Versions(versions.collect()));
            checked.unwrap_or_else(|reason| panic!("{key:?}: {reason}"));
        }
    }

    /// Asserts that the store contains the conflicts of the model.
    async fn assert_equal_conflicts(&mut self) {
        let page = self.store.list(self.user.into(), ConflictFilter::All, None, limits::PAGE_CONFLICTS).await;
        let conflicts = page.expect("the operation succeeds").conflicts;
        let shown: Vec<model::Conflict> = conflicts.iter().map(model_conflict).collect();
        self.model.check_conflict_list(&shown).unwrap_or_else(|reason| panic!("{reason}"));
        self.conflicts = conflicts.into_iter().map(|conflict| conflict.id).collect();
    }
}

async fn compare(store: &LibsqlSync, data: &[u8]) {
    let user = UserId::new(shared::clock::random_uuid(&shared::clock::SystemRandom));
    let mut account = ComparedAccount { store, user, model: Data::default(), conflicts: Vec::new() };
    for (index, step) in parse_steps(data).into_iter().enumerate() {
        let now = Timestamp::from_micros(START).plus_seconds(index as i64);
        match step {
            Step::Upload(upload) => account.upload(&upload, now).await,
            Step::Resolve(index, choice) => account.resolve_conflict(index, &choice, now).await,
            Step::Restore(key, version, expected) => account.restore_version(&key, version, expected, now).await,
        }
        account.assert_equal_items().await;
        account.assert_equal_conflicts().await;
    }
}

fuzz_target!(|data: &[u8]| {
    STORE.with(|cell| {
        let (runtime, store) = cell.get_or_init(store);
        runtime.block_on(compare(store, data));
    });
});
