//! The law of [`shared::storage::SyncStore::load`]: the state at one moment, of exactly what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ChangeId, Conflict, ConflictId, ItemKey, ItemType, Timestamp};
use shared::sync::{ReadSet, Snapshot, resolution_copy_id};

use crate::fixtures::{conflict, content, device, key, query, second, settled, text};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, loads:
            what_no_single_answer_carries_is_loaded_whole,
            a_new_user_has_nothing,
            what_is_written_is_what_is_read,
            any_text_is_kept_to_the_letter,
            only_what_is_touched_is_loaded,
            a_tombstone_is_loaded_with_what_it_covers,
            history_is_known_by_its_key,
            history_is_buried_unseen,
            receipts_are_those_of_the_device,
            a_receipt_brings_the_conflict_it_names,
            a_branch_brings_its_newest_conflict,
            a_branch_brings_the_copy_it_made,
            a_conflict_is_kept_as_it_was_written,
            a_renewed_conflict_takes_the_place_of_the_old,
            a_conflict_is_loaded_with_what_settling_it_touches,
            a_conflict_of_somebody_else_is_none,
            a_load_is_the_state_at_one_moment,
        }
    };
}
pub(crate) use suite;

fn read_set(items: &[&ItemKey], changes: &[&str], branches: &[(&ItemKey, i64)]) -> ReadSet {
    ReadSet {
        device: device("laptop"),
        items: items.iter().map(|key| (*key).clone()).collect(),
        changes: changes.iter().map(|id| ChangeId::new_unchecked(*id)).collect(),
        branches: branches.iter().map(|(key, base)| ((*key).clone(), *base)).collect(),
        history_tombstones: [].into(),
        conflict: None,
    }
}

async fn load(line: &Line, read_set: &ReadSet) -> Snapshot {
    line.data.load(line.user, read_set).await.expect("the store answers")
}

/// The conflict `id` as it is loaded to be resolved by `request`, and all that is loaded with it.
async fn load_conflict(line: &Line, id: &str, request: &str) -> Option<(Conflict, Snapshot)> {
    let (id, request) = (ConflictId::new_unchecked(id), ChangeId::new_unchecked(request));
    let snapshot = load(line, &ReadSet::for_resolution(&id, &request)).await;
    Some((snapshot.conflicts.get(&id)?.clone(), snapshot))
}

pub(crate) async fn a_new_user_has_nothing(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let everything = read_set(&[&query("a")], &["change"], &[(&query("a"), 1)]);
    assert_eq!(load(&line, &everything).await, Snapshot::default());
    assert_eq!(load(&line, &read_set(&[], &[], &[])).await, Snapshot::default());
}

pub(crate) async fn what_is_written_is_what_is_read(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let keys = [key(ItemType::Connection, "a"), key(ItemType::SavedQuery, "a")];
    let plan = line.write(|draft| keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "one")))).await;
    assert_eq!(line.load(&[&keys[0], &keys[1]]).await.expect("the store answers").items, plan.items);

    let fill = |draft: crate::draft::Draft| keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "two")));
    let plan = line.write(|draft| fill(draft.version(2).by("phone"))).await;
    let snapshot = line.load(&[&keys[0], &keys[1]]).await.expect("the store answers");
    assert_eq!((&snapshot.items, snapshot.head().time), (&plan.items, plan.new_head));
}

/// Ids that some layer might take for something else, and of which no two are the same.
const IDS: [&str; 14] = [
    "a",
    "A",
    "a ",
    "1",
    "01",
    "null",
    "'; DROP TABLE connections; --",
    "\"quoted\" and \\ back",
    "$.id",
    "é",
    "e\u{301}",
    "\u{2028}\u{feff}",
    "界🦀",
    "?1",
];

pub(crate) async fn any_text_is_kept_to_the_letter(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let keys: Vec<ItemKey> = ItemType::ALL.iter().flat_map(|item_type| IDS.map(|id| key(*item_type, id))).collect();
    let fill = |draft| {
        keys.iter().fold(draft, |draft: crate::draft::Draft, key| {
            let change = format!("{} {}", key.item_type, key.id);
            draft.put(key, content(key, key.id.as_str())).receipt(&change, key, None)
        })
    };
    let plan = line.write(fill).await;

    assert_eq!(line.everything().await, plan.items);
    let changes: Vec<String> = keys.iter().map(|key| format!("{} {}", key.item_type, key.id)).collect();
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let all = read_set(&keys.iter().collect::<Vec<_>>(), &changes, &[]);
    let snapshot = load(&line, &all).await;
    assert_eq!(snapshot.items.len(), keys.len());
    let receipts: BTreeMap<_, _> = plan.receipts.into_iter().map(|receipt| (receipt.change.clone(), receipt)).collect();
    assert_eq!(snapshot.receipts, receipts);
}

pub(crate) async fn only_what_is_touched_is_loaded(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let other_kind = key(ItemType::Connection, "a");
    line.write(|draft| {
        draft
            .put(&query("a"), content(&query("a"), "text"))
            .put(&query("b"), content(&query("b"), "text"))
            .put(&other_kind, content(&other_kind, "text"))
            .receipt("first", &query("a"), None)
            .receipt("second", &query("b"), None)
            .conflict(conflict("c", &query("b")))
    })
    .await;
    let snapshot = load(&line, &read_set(&[&query("a"), &query("absent")], &["first", "absent"], &[])).await;
    assert_eq!(snapshot.items.keys().collect::<Vec<_>>(), [&query("a")]);
    assert_eq!(snapshot.receipts.keys().map(ChangeId::as_str).collect::<Vec<_>>(), ["first"]);
    assert!(snapshot.conflicts.is_empty() && snapshot.branches.is_empty());
}

pub(crate) async fn a_tombstone_is_loaded_with_what_it_covers(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| draft.put(&query("a"), content(&query("a"), "text"))).await;
    let buried = line.write(|draft| draft.version(2).tombstone(&query("a"), content(&query("a"), "text"))).await;
    assert_eq!(line.load(&[&query("a")]).await.expect("the store answers").items, buried.items);
    let raised = line.write(|draft| draft.version(3).put(&query("a"), content(&query("a"), "again"))).await;
    assert_eq!(line.load(&[&query("a")]).await.expect("the store answers").items, raised.items);
}

pub(crate) async fn history_is_known_by_its_key(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let entry = key(ItemType::QueryHistory, "ran");
    let plan = line.write(|draft| draft.put(&entry, content(&entry, "text"))).await;
    let snapshot = line.load(&[&entry]).await.expect("the store answers");
    let (loaded, written) = (&snapshot.items[&entry], &plan.items[&entry]);
    assert_eq!((loaded.version, loaded.seq, loaded.deleted_at), (written.version, written.seq, None));
    assert_eq!((&loaded.device, loaded.updated_at), (&written.device, written.updated_at));
}

pub(crate) async fn history_is_buried_unseen(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let (entry, other) = (key(ItemType::QueryHistory, "ran"), key(ItemType::QueryHistory, "ran too"));
    let fill = |draft: crate::draft::Draft| draft.put(&entry, content(&entry, "text")).put(&other, content(&other, ""));
    let (ours, theirs) = (line.write(fill).await, line.neighbour());
    theirs.write(fill).await;

    let plan = line.write(|draft| draft.version(2).by("phone").tombstone_unseen(&entry)).await;

    let buried = line.item(&entry).await.expect("a tombstone stays");
    assert_eq!((buried.version, buried.seq, buried.deleted_at), (2, plan.new_head, Some(plan.new_head)));
    assert_eq!((&buried.device, buried.is_live()), (&device("phone"), false));
    assert_eq!(line.item(&other).await.as_ref(), ours.items.get(&other));
    assert!(theirs.item(&entry).await.expect("an entry of the same name").is_live());
}

pub(crate) async fn receipts_are_those_of_the_device(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = line
        .write(|draft| draft.receipt("change", &query("a"), None).by("phone").receipt("change", &query("b"), None))
        .await;
    let snapshot = load(&line, &read_set(&[], &["change"], &[])).await;
    assert_eq!(snapshot.receipts.values().cloned().collect::<Vec<_>>(), plan.receipts[..1]);
}

pub(crate) async fn a_receipt_brings_the_conflict_it_names(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = line
        .write(|draft| {
            let draft = draft.conflict(conflict("met", &query("a"))).conflict(conflict("other", &query("b")));
            draft.receipt("change", &query("a"), Some("met")).receipt("late", &query("a"), Some("purged since"))
        })
        .await;
    let snapshot = load(&line, &read_set(&[], &["change", "late"], &[])).await;
    assert_eq!(snapshot.receipts.len(), 2);
    assert_eq!(snapshot.conflicts.values().cloned().collect::<Vec<_>>(), plan.conflicts[..1]);
}

/// A conflict of the branch that `device_id` began on version `base` of `key`.
fn branching(id: &str, key: &ItemKey, device_id: &str, base: i64) -> Conflict {
    let mut conflict = conflict(id, key);
    conflict.local.device = device(device_id);
    conflict.local.sync_version = base;
    conflict
}

pub(crate) async fn a_branch_brings_its_newest_conflict(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let (item, other_kind) = (query("a"), key(ItemType::Connection, "a"));
    line.write(|draft| {
        draft
            .conflict(branching("old", &item, "laptop", 1))
            .conflict(branching("new", &item, "laptop", 1))
            .conflict(branching("other base", &item, "laptop", 2))
            .conflict(branching("other device", &item, "phone", 1))
            .conflict(branching("other item", &query("b"), "laptop", 1))
            .conflict(branching("other kind", &other_kind, "laptop", 1))
    })
    .await;
    let snapshot = load(&line, &read_set(&[&item], &[], &[(&item, 1), (&item, 7)])).await;
    assert_eq!(snapshot.branches, BTreeMap::from([((item, 1), [ConflictId::new_unchecked("new")].into())]));
    assert_eq!(snapshot.conflicts.keys().map(ConflictId::as_str).collect::<Vec<_>>(), ["new"]);
}

pub(crate) async fn a_branch_brings_the_copy_it_made(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for item_type in [ItemType::Connection, ItemType::SavedQuery] {
        let (item, copy) = (key(item_type, "a"), key(item_type, "copy"));
        let kept = settled(branching(item_type.name(), &item, "laptop", 1), second(9));
        line.write(|draft| draft.put(&copy, content(&copy, "the copy")).conflict(kept)).await;
        let snapshot = load(&line, &read_set(&[&item], &[], &[(&item, 1)])).await;
        assert_eq!(snapshot.items.keys().collect::<Vec<_>>(), [&copy]);
        assert_eq!(snapshot.items[&copy].item, line.item(&copy).await.and_then(|stored| stored.item));
    }
}

pub(crate) async fn a_conflict_is_kept_as_it_was_written(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let mut of_deletion = conflict("of a deletion", &query("a"));
    of_deletion.local.item = None;
    of_deletion.remote.device = shared::models::DeviceId::none();
    let mut undecided = settled(conflict("both kept", &query("a")), second(9));
    undecided.resolution.as_mut().expect("settled").winner = None;
    let connection = key(ItemType::Connection, "a");
    let all =
        [of_deletion, undecided, conflict("open", &connection), settled(conflict("done", &connection), second(8))];
    let plan = line.write(|draft| all.into_iter().fold(draft, crate::draft::Draft::conflict)).await;
    for written in plan.conflicts {
        let (read, _) = load_conflict(&line, written.id.as_str(), "request").await.expect("it is there");
        assert_eq!(read, written);
    }
}

pub(crate) async fn a_renewed_conflict_takes_the_place_of_the_old(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| draft.conflict(conflict("c", &query("a")))).await;
    let mut renewed = settled(conflict("c", &query("a")), second(9));
    renewed.local.item = None;
    renewed.remote.sync_version = 5;
    renewed.item_version = 5;
    let plan = line.write(|draft| draft.conflict(renewed)).await;
    let (read, _) = load_conflict(&line, "c", "request").await.expect("it is there");
    assert_eq!(read, plan.conflicts[0]);
}

pub(crate) async fn a_conflict_is_loaded_with_what_settling_it_touches(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let (item, copy) = (query("a"), query("copy"));
    let plan = line
        .write(|draft| {
            let draft = draft.put(&item, content(&item, "item")).put(&copy, content(&copy, "copy"));
            let further = query(resolution_copy_id(&ConflictId::new_unchecked("c")).as_str());
            let draft = draft.put(&further, content(&further, "what the next copy would replace"));
            let draft = draft.put(&query("b"), content(&query("b"), "no part of it"));
            draft.conflict(settled(conflict("c", &item), second(9))).by("").receipt("request", &item, Some("c"))
        })
        .await;
    let (read, snapshot) = load_conflict(&line, "c", "request").await.expect("it is there");
    assert_eq!(read, plan.conflicts[0]);
    let further = query(resolution_copy_id(&ConflictId::new_unchecked("c")).as_str());
    assert_eq!(snapshot.items.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&item, &copy, &further]));
    assert_eq!(snapshot.receipts.values().cloned().collect::<Vec<_>>(), plan.receipts);
    assert_eq!(snapshot.head().time, plan.new_head);
    let (_, snapshot) = load_conflict(&line, "c", "another request").await.expect("it is there");
    assert!(snapshot.receipts.is_empty());
}

pub(crate) async fn a_conflict_of_somebody_else_is_none(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| draft.conflict(conflict("c", &query("a")))).await;
    assert!(load_conflict(&line.neighbour(), "c", "request").await.is_none());
    assert!(load_conflict(&line, "C", "request").await.is_none());
}

pub(crate) async fn a_load_is_the_state_at_one_moment(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let (query, connection) = (query("a"), key(ItemType::Connection, "a"));
    let writer = line.clone();
    let written = tokio::spawn(async move {
        for round in 0..150 {
            let (query, connection, text) = (self::query("a"), key(ItemType::Connection, "a"), round.to_string());
            writer
                .write(|draft| draft.put(&query, content(&query, &text)).put(&connection, content(&connection, &text)))
                .await;
        }
    });
    let mut last = Timestamp::EPOCH;
    while !written.is_finished() {
        let snapshot = line.load(&[&query, &connection]).await.expect("the store answers");
        let texts = [&query, &connection].map(|key| {
            snapshot.items.get(key).and_then(|stored| Some(text(&stored.item.as_ref()?.content).to_owned()))
        });
        assert_eq!(texts[0], texts[1]);
        let newest = snapshot.items.values().map(|stored| stored.seq).max().unwrap_or_default();
        assert_eq!(snapshot.head().time, newest);
        assert!(newest >= last, "time runs backwards");
        last = newest;
    }
    written.await.expect("the writer writes");
}

pub(crate) async fn what_no_single_answer_carries_is_loaded_whole(place: SyncPlace<'_>) {
    // A libSQL server answers with 10 MB at most.
    let line = Line::new(place).await;
    let keys: Vec<_> = (0..14).map(|place| query(&place.to_string())).collect();
    let large = "x".repeat(900_000);
    for some in keys.chunks(5) {
        line.write(|draft| some.iter().fold(draft, |draft, key| draft.put(key, content(key, &large)))).await;
    }
    let loaded = line.load(&keys.iter().collect::<Vec<_>>()).await.expect("the store answers");
    assert_eq!(loaded.items.len(), keys.len());
    assert_eq!(loaded.head(), line.head().await);
}
