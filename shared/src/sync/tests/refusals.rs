//! Compare-and-swap under `Strategy::Refuse`, and the state of an item that results carry.

use super::{MemoryStore, applied, at_second, change, delete, key, upload};
use crate::models::{DeviceId, Edit, Strategy, SyncVersion, Timestamp};
use crate::sync::plan::Outcome;
use crate::sync::{ChangeResult, RejectionCode};

/// Returns a store in which a laptop created the item `q`: version 1.
fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    store.apply(&upload("laptop", Strategy::Refuse, [change("l1", "q", "one", 0, 0)]), at_second(1));
    store
}

fn refuse(store: &mut MemoryStore, device: &str, changes: Vec<crate::models::Change>, at: i64) -> Vec<Outcome> {
    store.apply(&upload(device, Strategy::Refuse, changes), at_second(at))
}

/// Version, and text or deletion, of the item that a result carries.
fn current(result: &ChangeResult) -> Option<(SyncVersion, Option<String>)> {
    let (ChangeResult::Applied { current, .. }
    | ChangeResult::Conflict { current, .. }
    | ChangeResult::Refused { current, .. }) = result
    else {
        return None;
    };
    let current = current.as_ref()?;
    let text = current.item.as_ref().and_then(|(item, _)| super::query_of(&item.content).map(str::to_owned));
    assert_eq!(current.deleted, text.is_none());
    Some((current.version, text))
}

#[test]
fn only_the_stored_version_is_replaced() {
    let mut store = store();
    assert_eq!(refuse(&mut store, "laptop", vec![change("l2", "q", "two", 1, 2)], 2), [applied(2)]);
    let before = store.clone();
    for base in [0, 1, 3] {
        for device in ["laptop", "phone"] {
            let results = store.results(
                &upload(device, Strategy::Refuse, [change(&format!("{device} {base}"), "q", "lost", base, 3)]),
                at_second(3),
            );
            assert!(matches!(results[..], [ChangeResult::Refused { version: 2, .. }]), "{results:?}");
            assert_eq!(current(&results[0]), Some((2, Some("two".to_owned()))));
        }
    }
    assert_eq!(store, before, "a refusal records nothing");
    assert_eq!(refuse(&mut store, "phone", vec![change("p", "q", "three", 2, 4)], 4), [applied(3)]);
}

#[test]
fn the_same_content_is_applied_whatever_version_it_names() {
    let mut store = store();
    assert_eq!(refuse(&mut store, "phone", vec![change("p1", "q", "one", 7, 2)], 2), [applied(1)]);
    assert_eq!(refuse(&mut store, "phone", vec![delete("p2", "absent", 7, 3)], 3), [applied(0)]);
    assert_eq!(refuse(&mut store, "phone", vec![delete("p3", "q", 1, 4)], 4), [applied(2)]);
    assert_eq!(refuse(&mut store, "laptop", vec![delete("l9", "q", 1, 5)], 5), [applied(2)], "it is deleted already");
}

#[test]
fn an_absent_item_has_version_zero_and_a_tombstone_its_own() {
    let mut store = store();
    let purged = Timestamp::from_micros(1);
    store.head.purged_through = purged;
    assert_eq!(refuse(&mut store, "phone", vec![change("p1", "absent", "x", 4, 2)], 2), [Outcome::Refused]);
    let mut update = change("p0", "new", "x", 0, 2);
    let Edit::Put { expects_item, .. } = &mut update.edit else { panic!("{update:?}") };
    *expects_item = true;
    assert_eq!(refuse(&mut store, "phone", vec![update], 2), [applied(1)], "the comparison has answered the question");
    refuse(&mut store, "laptop", vec![delete("l2", "q", 1, 3)], 3);
    let results = store.results(&upload("phone", Strategy::Refuse, [change("p2", "q", "x", 0, 4)]), at_second(4));
    assert_eq!(current(&results[0]), Some((2, None)));
    assert_eq!(refuse(&mut store, "phone", vec![change("p3", "q", "x", 2, 5)], 5), [applied(3)]);
}

#[test]
fn an_upload_changes_an_item_once() {
    let mut store = store();
    let both = vec![change("l2", "q", "two", 1, 2), change("l3", "q", "three", 2, 2)];
    let outcomes = refuse(&mut store, "laptop", both.clone(), 2);
    assert!(matches!(outcomes[..], [Outcome::Applied(2, _), Outcome::Rejected(RejectionCode::InvalidChange, _)]));
    let again = refuse(&mut store, "laptop", both, 3);
    assert_eq!(again, outcomes, "a repeat is answered alike");
    let twice = vec![change("l4", "q", "four", 2, 4), change("l4", "q", "four", 2, 4)];
    assert_eq!(refuse(&mut store, "laptop", twice, 4), [applied(3), applied(3)], "one change, sent twice");
}

#[test]
fn a_repeat_learns_that_it_was_overtaken() {
    let mut store = store();
    let first = upload("laptop", Strategy::Refuse, [change("l2", "q", "two", 1, 2)]);
    assert_eq!(current(&store.results(&first, at_second(2))[0]), None);
    assert_eq!(current(&store.results(&first, at_second(3))[0]), None, "no other device has written");
    refuse(&mut store, "phone", vec![change("p", "q", "three", 2, 4)], 4);
    let results = store.results(&first, at_second(5));
    assert!(matches!(results[..], [ChangeResult::Applied { version: 2, .. }]), "the response of the first time");
    assert_eq!(current(&results[0]), Some((3, Some("three".to_owned()))));
    refuse(&mut store, "phone", vec![change("p2", "q", "two", 3, 6)], 6);
    let results = store.results(&first, at_second(7));
    assert_eq!(current(&results[0]), Some((4, Some("two".to_owned()))), "the content is the same, the version is not");
    refuse(&mut store, "phone", vec![delete("p3", "q", 4, 8)], 8);
    assert_eq!(current(&store.results(&first, at_second(9))[0]), Some((5, None)));
}

#[test]
fn the_last_result_of_an_item_has_its_state() {
    let mut store = store();
    store.apply(&upload("phone", Strategy::LastWriteWins, [change("p", "q", "phone", 1, 20)]), at_second(20));
    let lost = [change("l2", "q", "older", 1, 10), change("l3", "q", "older still", 1, 9)];
    let results = store.results(&upload("laptop", Strategy::LastWriteWins, lost), at_second(21));
    assert_eq!(current(&results[0]), None, "a later result of the upload has it");
    assert_eq!(current(&results[1]), Some((2, Some("phone".to_owned()))));
    let won = [change("l4", "q", "newer", 1, 30)];
    let results = store.results(&upload("laptop", Strategy::LastWriteWins, won), at_second(31));
    assert!(matches!(results[..], [ChangeResult::Conflict { version: 3, current: None, .. }]), "{results:?}");
    let open = [change("t", "q", "tablet", 1, 40)];
    for strategy in [Strategy::UserChoice, Strategy::KeepBoth] {
        let results = store.results(&upload(&format!("{strategy:?}"), strategy, open.clone()), at_second(41));
        assert_eq!(current(&results[0]), Some((3, Some("newer".to_owned()))), "{strategy:?}");
    }
    assert_eq!(store.items[&key("q")].device, DeviceId::new_unchecked("laptop"));
}

#[test]
fn a_rejected_change_leaves_the_state_to_the_result_before_it() {
    let mut store = store();
    refuse(&mut store, "phone", vec![change("p", "q", "two", 1, 2)], 2);
    let both = [change("l2", "q", "x", 1, 3), change("l3", "q", "y", 2, 3)];
    let results = store.results(&upload("laptop", Strategy::Refuse, both), at_second(3));
    assert!(matches!(results[..], [ChangeResult::Refused { .. }, ChangeResult::Rejected(_)]));
    assert_eq!(current(&results[0]), Some((2, Some("two".to_owned()))));
}

#[test]
fn no_write_is_below_the_version_floor() {
    let mut store = store();
    store.head.version_floor = 1_000_000;
    let edit = change("l2", "q", "two", 1, 2);
    let decided = crate::sync::decide(
        store.snapshot(&crate::sync::ReadSet::for_upload(&upload("laptop", Strategy::Refuse, [edit.clone()]))),
        &upload("laptop", Strategy::Refuse, [edit, change("l3", "new", "x", 0, 2)]),
        store.quota,
        at_second(2),
    );
    let versions: Vec<SyncVersion> = decided.plan.items.iter().map(|(_, stored)| stored.version).collect();
    assert_eq!(versions, [1_000_001, 1_000_001]);
}
