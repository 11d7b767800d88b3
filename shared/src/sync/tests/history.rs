//! Added history entries: repeats, and edits, which are ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MemoryStore, applied, at_second, upload};
use crate::models::{
    Change, ChangeId, Content, Edit, Extra, ItemId, ItemKey, ItemType, QueryHistory, Strategy, SyncVersion,
};
use crate::sync::plan::Outcome;
use crate::sync::{Append, ChangeResult, Effect};

/// Returns the change `id` that adds the entry `h` with the text `query`.
fn entry(id: &str, query: &str) -> Change {
    let content = Content::QueryHistory(QueryHistory {
        query: query.to_owned(),
        connection_id: "c".to_owned(),
        executed_at: at_second(0),
        duration_ms: 1,
        rows_affected: 1,
        success: true,
        error: None,
        metadata: BTreeMap::new(),
        extra: Extra::default(),
    });
    let edit = Edit::Put { content: Arc::new(content), created_at: None, expects_item: false };
    let key = ItemKey { item_type: ItemType::QueryHistory, id: ItemId::new_unchecked("h") };
    Change { id: ChangeId::new_unchecked(id), key, edit, updated_at: at_second(0), base: 0 }
}

fn results(store: &mut MemoryStore, changes: Vec<Change>, at: i64) -> Vec<ChangeResult> {
    store.results(&upload("laptop", Strategy::Refuse, changes), at_second(at))
}

/// Returns the effect of the only change, and the version of the item that its result carries.
fn outcome(results: &[ChangeResult]) -> (Effect, Option<SyncVersion>) {
    let [ChangeResult::Applied { version: 1, effect, current, .. }] = results else { panic!("{results:?}") };
    (*effect, current.as_ref().map(|current| current.version))
}

#[test]
fn an_edit_changes_nothing_and_says_so() {
    let mut store = MemoryStore::default();
    assert_eq!(outcome(&results(&mut store, vec![entry("1", "one")], 1)), (Effect::AsSent, None));
    assert_eq!(outcome(&results(&mut store, vec![entry("1", "one")], 2)), (Effect::AsSent, None), "a repeat");
    assert_eq!(outcome(&results(&mut store, vec![entry("2", "one")], 3)), (Effect::AsSent, None), "the same content");
    assert_eq!(outcome(&results(&mut store, vec![entry("3", "two")], 4)), (Effect::Unchanged, Some(1)));
    let before = store.clone();
    assert_eq!(outcome(&results(&mut store, vec![entry("3", "two")], 5)), (Effect::Unchanged, Some(1)));
    assert_eq!(store, before, "a repeat of the edit writes nothing");
}

#[test]
fn repeats_are_answered_alike_after_the_entry_is_gone() {
    let mut store = MemoryStore::default();
    results(&mut store, vec![entry("1", "one")], 1);
    results(&mut store, vec![entry("2", "two")], 2);
    let delete = Change { edit: Edit::Delete, ..entry("3", "") };
    assert_eq!(outcome_of_deletion(&results(&mut store, vec![delete], 3)), 2);
    assert_eq!(outcome(&results(&mut store, vec![entry("1", "one")], 4)), (Effect::AsSent, Some(2)));
    assert_eq!(outcome(&results(&mut store, vec![entry("2", "two")], 5)), (Effect::Unchanged, Some(2)));
    store.items.clear();
    assert_eq!(outcome(&results(&mut store, vec![entry("1", "one")], 6)), (Effect::AsSent, Some(0)));
    assert_eq!(outcome(&results(&mut store, vec![entry("2", "two")], 7)), (Effect::Unchanged, Some(0)));
    assert!(store.items.is_empty(), "a deleted entry is not added again");
}

fn outcome_of_deletion(results: &[ChangeResult]) -> SyncVersion {
    let [ChangeResult::Applied { version, current: None, .. }] = results else { panic!("{results:?}") };
    *version
}

#[test]
fn a_deletion_by_the_id_of_an_ignored_edit_is_applied() {
    let mut store = MemoryStore::default();
    results(&mut store, vec![entry("1", "one")], 1);
    let twice = results(&mut store, vec![entry("1", "two"), entry("1", "two")], 2);
    assert!(twice.iter().all(|result| matches!(result, ChangeResult::Applied { effect: Effect::Unchanged, .. })));
    let delete = Change { edit: Edit::Delete, ..entry("1", "") };
    assert_eq!(outcome_of_deletion(&results(&mut store, vec![delete], 3)), 2);
}

#[test]
fn the_id_of_another_change_has_no_meaning() {
    let mut store = MemoryStore::default();
    let item = super::change("1", "q", "x", 0, 0);
    let outcomes = store.apply(&upload("laptop", Strategy::LastWriteWins, [item, entry("1", "one")]), at_second(1));
    assert_eq!(outcomes, [applied(1), applied(1)]);
}

#[test]
fn an_entry_that_is_added_twice_with_different_content_takes_a_decision() {
    let twice = |second| upload("laptop", Strategy::LastWriteWins, [entry("1", "one"), entry("2", second)]);
    let quota = MemoryStore::default().quota;
    assert_eq!(Append::from_upload(&twice("one"), quota, at_second(1)).map(|append| append.entries.len()), Some(1));
    assert_eq!(Append::from_upload(&twice("two"), quota, at_second(1)), None);
    let outcomes = MemoryStore::default().apply(&twice("two"), at_second(1));
    assert_eq!(outcomes, [applied(1), Outcome::Applied(1, Effect::Unchanged)]);
}
