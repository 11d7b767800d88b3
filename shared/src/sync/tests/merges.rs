//! Merging, field by field, and what devices that merge each other's edits end up with.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MemoryStore, at_second, delete, key, upload};
use crate::models::{
    Change, ChangeId, Connection, Content, DatabaseType, Edit, Extra, ItemType, Strategy as Resolution, SyncVersion,
};
use crate::sync::Effect;
use crate::sync::merge::merge;
use crate::sync::plan::Outcome;

fn content_of(data: &Value) -> Arc<Content> {
    let data = data.as_object().cloned().expect("an object");
    Arc::new(Content::from_stored(ItemType::SavedQuery, data).expect("valid content"))
}

fn base() -> Value {
    json!({ "name": "orders", "query": "select 1", "tags": ["b", "a"], "metadata": { "color": "red" }, "folder": "work" })
}

/// Returns [`base`] with other values of some fields.
fn edited(changes: &Value) -> Value {
    let mut data = base();
    for (field, value) in changes.as_object().expect("an object") {
        data[field] = value.clone();
    }
    data
}

#[track_caller]
fn assert_merges(local: &Value, remote: &Value, expected: Option<&Value>) {
    let (base, local, remote) = (content_of(&base()), content_of(&edited(local)), content_of(&edited(remote)));
    let expected = expected.map(|expected| content_of(&edited(expected)));
    assert_eq!(merge(&base, &local, &remote), expected);
    assert_eq!(merge(&base, &remote, &local), expected, "the sides are equal");
}

#[test]
fn fields_that_one_side_changed_are_taken_from_it() {
    assert_merges(
        &json!({ "name": "paid orders", "favorite": true }),
        &json!({ "query": "select 2", "description": "of today" }),
        Some(&json!({ "name": "paid orders", "favorite": true, "query": "select 2", "description": "of today" })),
    );
    assert_merges(&json!({ "query": "select 2" }), &json!({ "query": "select 3", "name": "x" }), None);
    assert_merges(
        &json!({ "query": "select 2" }),
        &json!({ "query": "select 2" }),
        Some(&json!({ "query": "select 2" })),
    );
}

#[test]
fn tags_are_merged_as_a_set() {
    let tags = |tags: &[&str]| json!({ "tags": tags });
    assert_merges(&tags(&["b", "a", "z"]), &tags(&["b", "a", "c"]), Some(&tags(&["b", "a", "c", "z"])));
    assert_merges(&tags(&["a"]), &tags(&["b", "a", "c"]), Some(&tags(&["a", "c"])));
    assert_merges(&tags(&["a", "b"]), &json!({ "name": "n" }), Some(&json!({ "name": "n", "tags": ["a", "b"] })));
}

#[test]
fn metadata_and_unknown_fields_are_merged_by_key() {
    assert_merges(
        &json!({ "metadata": { "color": "red", "size": "1" }, "folder": "home" }),
        &json!({ "metadata": {}, "limits": { "rows": 10 } }),
        Some(&json!({ "metadata": { "size": "1" }, "folder": "home", "limits": { "rows": 10 } })),
    );
    assert_merges(&json!({ "metadata": { "color": "green" } }), &json!({ "metadata": {} }), None);
    assert_merges(&json!({ "folder": "home" }), &json!({ "folder": { "name": "x" } }), None);
}

/// Generates content of a saved query from few values, so that sides often agree.
fn arbitrary_content() -> impl Strategy<Value = Arc<Content>> {
    let text = || prop::sample::select(vec!["a", "b", "c"]);
    let tags = prop::collection::vec(text(), 0..4);
    let map = || prop::collection::btree_map(prop::sample::select(vec!["k", "l"]), text(), 0..2);
    (text(), text(), any::<bool>(), tags, map(), map()).prop_map(|(name, query, favorite, tags, metadata, extra)| {
        let mut data =
            json!({ "name": name, "query": query, "favorite": favorite, "tags": tags, "metadata": metadata });
        for (field, value) in extra {
            data[field] = json!({ "text": value });
        }
        content_of(&data)
    })
}

/// Returns the texts of the fields in which `content` differs from `base`, by field.
fn changed_fields(base: &Content, content: &Content) -> BTreeMap<String, Value> {
    let fields =
        |content: &Content| serde_json::to_value(content).expect("JSON").as_object().cloned().expect("an object");
    let (base, content) = (fields(base), fields(content));
    content.into_iter().filter(|(field, value)| base.get(field) != Some(value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn merging_with_an_unchanged_side_gives_the_other(base in arbitrary_content(), side in arbitrary_content()) {
        prop_assert_eq!(merge(&base, &side, &base), Some(side.clone()));
        prop_assert_eq!(merge(&base, &base, &side), Some(side.clone()));
        prop_assert_eq!(merge(&base, &side, &side), Some(side));
    }

    #[test]
    fn the_sides_are_equal(base in arbitrary_content(), local in arbitrary_content(), remote in arbitrary_content()) {
        prop_assert_eq!(merge(&base, &local, &remote), merge(&base, &remote, &local));
    }

    #[test]
    fn neither_side_loses_anything_without_a_conflict(base in arbitrary_content(), local in arbitrary_content(), remote in arbitrary_content()) {
        if let Some(merged) = merge(&base, &local, &remote) {
            let merged = changed_fields(&base, &merged);
            for side in [&local, &remote] {
                for (field, value) in changed_fields(&base, side) {
                    if !["tags", "metadata"].contains(&field.as_str()) {
                        prop_assert_eq!(merged.get(&field), Some(&value), "{}", field);
                    }
                }
            }
        }
    }

    /// Three devices edit different fields of one version, offline, and upload in any order.
    #[test]
    fn edits_of_different_fields_merge_to_the_same_item_in_any_order(order in Just([0, 1, 2]).prop_shuffle(), resend in any::<bool>()) {
        let edits = [json!({ "name": "new name" }), json!({ "query": "select 2", "tags": ["b", "a", "z"] }),
            json!({ "folder": "home", "tags": ["a", "c"] })];
        let mut store = store_with(&base());
        for place in order {
            let device = ["laptop", "phone", "tablet"][place];
            let change = put(&format!("{place}"), &edited(&edits[place]), 1);
            for _ in 0..=usize::from(resend) {
                store.apply(&upload(device, Resolution::Merge, [change.clone()]), at_second(20));
            }
        }
        prop_assert!(store.conflicts.is_empty());
        let expected = edited(&json!({ "name": "new name", "query": "select 2", "folder": "home", "tags": ["a", "c", "z"] }));
        prop_assert_eq!(stored_content(&store), content_of(&expected));
    }

    /// Devices edit one field each, again and again, merge by uploading, and download now and then. The field of each ends as its
    /// device left it, and no edit of one device overwrites that of another.
    #[test]
    fn devices_that_merge_each_others_edits_converge(steps in prop::collection::vec((0..3_usize, 0..4_u8), 1..40)) {
        let mut store = store_with(&base());
        let mut devices = ["laptop", "phone", "tablet"].map(|name| Device::new(name, &store));
        for (number, (index, kind)) in steps.into_iter().enumerate() {
            match kind {
                0 => devices[index].download(&store),
                1 => devices[index].upload(&mut store, true),
                2 => devices[index].upload(&mut store, false),
                _ => devices[index].edit(number),
            }
        }
        for device in &mut devices {
            device.upload(&mut store, true);
        }
        prop_assert!(store.conflicts.is_empty(), "each device edits a field of its own");
        let stored = serde_json::to_value(&*stored_content(&store)).expect("JSON");
        for device in &devices {
            prop_assert_eq!(&stored[device.field], &device.data[device.field], "{}", device.name);
        }
    }
}

/// A device that edits one field.
struct Device {
    name: &'static str,
    field: &'static str,
    data: Value,
    version: SyncVersion,
    pending: Vec<Change>,
}

impl Device {
    fn new(name: &'static str, store: &MemoryStore) -> Self {
        let field = match name {
            "laptop" => "name",
            "phone" => "query",
            _ => "folder",
        };
        let mut device = Self { name, field, data: Value::Null, version: 0, pending: Vec::new() };
        device.download(store);
        device
    }

    fn edit(&mut self, number: usize) {
        self.data[self.field] = json!(format!("{} {number}", self.name));
        self.pending.push(put(&format!("{} {number}", self.name), &self.data, self.version));
    }

    /// Downloads the item. Pending edits keep their base.
    fn download(&mut self, store: &MemoryStore) {
        if self.pending.is_empty() {
            self.data = serde_json::to_value(&*stored_content(store)).expect("JSON");
            self.version = store.items[&key("q")].version;
        }
    }

    /// Uploads the pending edits, of which the device forgets none unless it receives the response.
    fn upload(&mut self, store: &mut MemoryStore, receives_response: bool) {
        if self.pending.is_empty() {
            return;
        }
        store.apply(&upload(self.name, Resolution::Merge, self.pending.clone()), at_second(30));
        if receives_response {
            self.pending.clear();
            self.download(store);
        }
    }
}

/// Returns the change `id` that sets the item `q` to `data`.
fn put(id: &str, data: &Value, base: SyncVersion) -> Change {
    let edit = Edit::Put { content: content_of(data), created_at: None, expects_item: true };
    Change { id: ChangeId::new_unchecked(id), key: key("q"), edit, updated_at: at_second(10), base }
}

/// Returns a store in which another device has created the item `q`.
fn store_with(data: &Value) -> MemoryStore {
    let mut store = MemoryStore::default();
    store.apply(&upload("desk", Resolution::LastWriteWins, [put("created", data, 0)]), at_second(1));
    store
}

fn stored_content(store: &MemoryStore) -> Arc<Content> {
    store.items[&key("q")].item.as_ref().expect("the item has content").content.clone()
}

#[test]
fn what_cannot_be_merged_waits_for_the_user() {
    let mut store = store_with(&base());
    let edit = |id: &str, query: &str| put(id, &edited(&json!({ "query": query })), 1);
    store.apply(&upload("laptop", Resolution::Merge, [edit("l", "laptop")]), at_second(20));
    for (number, change) in [edit("p", "phone"), delete("d", "q", 1, 12), put("0", &base(), 0)].into_iter().enumerate()
    {
        let outcomes = store.apply(&upload(&format!("device {number}"), Resolution::Merge, [change]), at_second(21));
        let [Outcome::Conflict(id)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(store.conflicts[id].resolution.is_none());
    }
    assert_eq!(store.query_text("q"), Some("laptop"));
}

#[test]
fn a_result_that_breaks_a_limit_waits_for_the_user() {
    let mut store = store_with(&base());
    let tags = |first: char| (0..60).map(|number| format!("{first}{number}")).collect::<Vec<_>>();
    store.apply(
        &upload("laptop", Resolution::Merge, [put("l", &edited(&json!({ "tags": tags('x') })), 1)]),
        at_second(20),
    );
    let outcomes = store.apply(
        &upload("phone", Resolution::Merge, [put("p", &edited(&json!({ "tags": tags('y') })), 1)]),
        at_second(21),
    );
    assert!(matches!(outcomes[..], [Outcome::Conflict(_)]), "120 tags: {outcomes:?}");
}

#[test]
fn a_merged_version_is_no_version_of_the_device() {
    let mut store = store_with(&base());
    store.apply(&upload("laptop", Resolution::Merge, [put("l", &edited(&json!({ "name": "n" })), 1)]), at_second(20));
    let queued = ["a", "b"].map(|query| put(query, &edited(&json!({ "query": query })), 1));
    let [first, second] = queued;
    assert_eq!(
        store.apply(&upload("phone", Resolution::Merge, [first]), at_second(21)),
        [Outcome::Applied(3, Effect::Merged)]
    );
    // Made before the device knew of the merge, and uploaded by a strategy that does not merge.
    let outcomes = store.apply(&upload("phone", Resolution::UserChoice, [second]), at_second(22));
    assert!(matches!(outcomes[..], [Outcome::Conflict(_)]), "{outcomes:?}");
    assert_eq!(store.query_text("q"), Some("a"));
}

#[test]
fn connections_are_merged_field_by_field() {
    let base = Connection {
        name: "n".to_owned(),
        database_type: DatabaseType::Postgres,
        host: None,
        port: None,
        database: "d".to_owned(),
        username: None,
        use_ssh: false,
        ssh_host: None,
        ssh_port: None,
        ssh_user: None,
        color: None,
        icon: None,
        metadata: BTreeMap::new(),
        extra: Extra::default(),
    };
    let remote = Connection { name: "remote".to_owned(), ..base.clone() };
    let edits: [fn(&mut Connection); 11] = [
        |connection| connection.database_type = DatabaseType::Mysql,
        |connection| connection.host = Some("h".to_owned()),
        |connection| connection.port = Some(1),
        |connection| connection.database = "other".to_owned(),
        |connection| connection.username = Some("u".to_owned()),
        |connection| connection.use_ssh = true,
        |connection| connection.ssh_host = Some("s".to_owned()),
        |connection| connection.ssh_port = Some(2),
        |connection| connection.ssh_user = Some("w".to_owned()),
        |connection| connection.color = Some("c".to_owned()),
        |connection| connection.icon = Some("i".to_owned()),
    ];
    for edit in edits {
        let mut local = base.clone();
        edit(&mut local);
        let expected = Connection { name: "remote".to_owned(), ..local.clone() };
        let [base, local, remote, expected] =
            [base.clone(), local, remote.clone(), expected].map(|side| Arc::new(Content::Connection(side)));
        assert_eq!(merge(&base, &local, &remote), Some(expected));
    }
}
