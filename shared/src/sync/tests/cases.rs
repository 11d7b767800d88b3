use std::sync::Arc;

use super::{MemoryStore, applied, at_second, change, delete, key, query_of, upload};
use crate::models::Strategy::{KeepBoth, LastWriteWins, UserChoice};
use crate::models::{ChangeId, Conflict, ConflictId, Content, Edit, Strategy, Winner};
use crate::sync::plan::Outcome;
use crate::sync::{Choice, ReadSet, RejectionCode, ResolutionRequest, ResolveOutcome, ResolvedConflict, resolve};

/// Returns a store in which a laptop created the item `q` (version 1) and edited it at second 10 (version 2). In the tests, a
/// phone that has seen version 1 edits it, too.
fn store_edited_by_laptop() -> MemoryStore {
    let mut store = MemoryStore::default();
    store.apply(&upload("laptop", LastWriteWins, [change("l1", "q", "one", 0, 0)]), at_second(1));
    store.apply(&upload("laptop", LastWriteWins, [change("l2", "q", "laptop", 1, 10)]), at_second(11));
    store
}

/// Returns the conflict that the only change caused.
fn conflict_of(outcomes: &[Outcome]) -> ConflictId {
    match outcomes {
        [Outcome::Conflict(id)] => id.clone(),
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn a_device_never_conflicts_with_itself() {
    let mut store = MemoryStore::default();
    let all =
        [change("1", "q", "a", 0, 0), change("2", "q", "b", 0, 1), delete("3", "q", 0, 2), change("4", "q", "c", 1, 3)];
    let outcomes = store.apply(&upload("laptop", UserChoice, all), at_second(5));
    assert_eq!(outcomes, [1, 2, 3, 4].map(applied));
    let late = store.apply(&upload("laptop", UserChoice, [change("5", "q", "d", 0, 4)]), at_second(6));
    assert_eq!(late, [applied(5)]);
}

#[test]
fn editing_the_stored_version_does_not_conflict() {
    let mut store = store_edited_by_laptop();
    let outcomes = store.apply(&upload("phone", UserChoice, [change("p", "q", "phone", 2, 5)]), at_second(20));
    assert_eq!(outcomes, [applied(3)]);
    assert_eq!(store.query_text("q"), Some("phone"));
}

#[test]
fn a_base_version_above_the_stored_version_conflicts() {
    let mut store = store_edited_by_laptop();
    let outcomes = store.apply(&upload("phone", UserChoice, [change("p", "q", "phone", 9, 5)]), at_second(20));
    conflict_of(&outcomes);
}

#[test]
fn the_same_edit_on_two_devices_does_not_conflict() {
    let mut store = store_edited_by_laptop();
    let outcomes = store.apply(&upload("phone", UserChoice, [change("p", "q", "laptop", 1, 5)]), at_second(20));
    assert_eq!(outcomes, [applied(2)]);
    assert!(store.conflicts.is_empty());
}

#[test]
fn last_write_wins_keeps_the_losing_side() {
    for (at, shown, winner) in
        [(12, "phone", Winner::Local), (9, "laptop", Winner::Remote), (10, "laptop", Winner::Remote)]
    {
        let mut store = store_edited_by_laptop();
        store.apply(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, at)]), at_second(20));
        assert_eq!(store.query_text("q"), Some(shown), "edited at {at}");
        let conflict = store.only_conflict();
        assert_eq!(conflict.winner(), Some(winner));
        assert!(conflict.local.item.is_some() && conflict.remote.item.is_some());
    }
}

#[test]
fn an_edit_time_in_the_future_counts_as_now() {
    let mut store = store_edited_by_laptop();
    store.apply(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, 99_999)]), at_second(20));
    store.apply(&upload("laptop", LastWriteWins, [change("l3", "q", "again", 2, 30)]), at_second(31));
    assert_eq!(store.query_text("q"), Some("again"));
}

#[test]
fn last_write_wins_treats_a_deletion_like_an_edit() {
    for (at, shown) in [(12, None), (9, Some("laptop"))] {
        let mut store = store_edited_by_laptop();
        store.apply(&upload("phone", LastWriteWins, [delete("p", "q", 1, at)]), at_second(20));
        assert_eq!(store.query_text("q"), shown, "deleted at {at}");
        assert!(
            store.only_conflict().remote.item.is_some(),
            "the conflict keeps the version that the device had not seen"
        );
    }
}

#[test]
fn deleting_an_absent_item_is_applied_and_its_repeat_deletes_nothing() {
    let mut store = MemoryStore::default();
    let deletion = upload("phone", LastWriteWins, [delete("p", "q", 0, 1)]);
    assert_eq!(store.apply(&deletion, at_second(2)), [applied(0)]);
    store.apply(&upload("laptop", LastWriteWins, [change("l", "q", "new", 0, 3)]), at_second(4));
    assert_eq!(store.apply(&deletion, at_second(5)), [applied(0)]);
    assert_eq!(store.query_text("q"), Some("new"));
}

#[test]
fn keep_both_makes_one_copy_per_branch() {
    let mut store = store_edited_by_laptop();
    for (id, query) in [("p1", "s"), ("p2", "se"), ("p3", "sel")] {
        store.apply(&upload("phone", KeepBoth, [change(id, "q", query, 1, 12)]), at_second(20));
    }
    assert_eq!(store.query_text("q"), Some("laptop"));
    let with_copy: Vec<_> = store.conflicts.values().filter_map(Conflict::copy_id).collect();
    let [copy] = with_copy[..] else { panic!("there is one conflict with a copy") };
    assert_eq!(store.query_text(copy.as_str()), Some("sel"));
    assert_eq!(store.items.len(), 2);
    assert_eq!(store.conflicts.len(), 3, "what the two renewals replaced stays");
    let stored = store.items[&key(copy.as_str())].item.clone().expect("the copy has content");
    let name = Arc::unwrap_or_clone(stored.content).name_mut().cloned();
    assert_eq!(name.as_deref(), Some("orders (conflicted copy, phone, 2027-01-15)"));
}

#[test]
fn keep_both_does_not_overwrite_an_edited_copy() {
    let mut store = store_edited_by_laptop();
    store.apply(&upload("phone", KeepBoth, [change("p1", "q", "phone", 1, 12)]), at_second(20));
    let copy = store.only_conflict().copy_id().cloned().expect("there is a copy");
    store.apply(&upload("tablet", KeepBoth, [change("t", copy.as_str(), "tablet", 1, 21)]), at_second(22));
    store.apply(&upload("phone", KeepBoth, [change("p2", "q", "phone again", 1, 23)]), at_second(24));
    assert_eq!(store.query_text(copy.as_str()), Some("tablet"));
    assert!(store.items.keys().any(|key| store.query_text(key.id.as_str()) == Some("phone again")));
}

#[test]
fn a_branch_has_one_copy_under_mixed_strategies() {
    let mut store = store_edited_by_laptop();
    for round in 0..5_i64 {
        let id = |what: &str| format!("{what} {round}");
        store.apply(&upload("phone", KeepBoth, [change(&id("edit"), "q", &id("copy"), 1, 5)]), at_second(20 + round));
        store.apply(&upload("phone", KeepBoth, [delete(&id("delete"), "q", 1, 5)]), at_second(20 + round));
        store.apply(
            &upload("phone", LastWriteWins, [change(&id("lose"), "q", &id("lost"), 1, 5)]),
            at_second(20 + round),
        );
    }
    assert_eq!(store.items.len(), 2);
    assert!(store.items.keys().any(|key| store.query_text(key.id.as_str()) == Some("copy 4")));
}

#[test]
fn the_total_size_of_conflicts_per_upload_is_limited() {
    let mut store = MemoryStore::default();
    let large = "x".repeat(1_000_000);
    store.apply(&upload("laptop", LastWriteWins, [change("l", "q", &large, 0, 0)]), at_second(1));
    let changes = (2..1_000).map(|base| change(&base.to_string(), "q", "small", base, 2));
    let outcomes = store.apply(&upload("phone", UserChoice, changes), at_second(3));
    let recorded = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Conflict(_))).count();
    assert_eq!(recorded, 16);
    let is_rejected = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(RejectionCode::TooManyConflicts, _));
    assert!(outcomes[recorded..].iter().all(is_rejected));
    let again = store.apply(&upload("phone", UserChoice, [change("100", "q", "small", 100, 2)]), at_second(4));
    conflict_of(&again);
}

#[test]
fn only_its_branch_renews_an_open_conflict() {
    let mut store = store_edited_by_laptop();
    let first = conflict_of(&store.apply(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), at_second(20)));
    let renewed =
        conflict_of(&store.apply(&upload("phone", UserChoice, [change("p2", "q", "b", 1, 13)]), at_second(21)));
    let other_base =
        conflict_of(&store.apply(&upload("phone", UserChoice, [change("p3", "q", "c", 0, 14)]), at_second(22)));
    let other_device =
        conflict_of(&store.apply(&upload("tablet", UserChoice, [change("t", "q", "d", 1, 15)]), at_second(23)));
    assert_eq!(first, renewed);
    assert_eq!(store.conflicts.len(), 4, "three branches, and what the renewal replaced");
    assert!(first != other_base && first != other_device && other_base != other_device);
    assert_eq!(store.query_text("q"), Some("laptop"));
}

#[test]
fn a_keep_both_deletion_does_not_resolve_an_open_conflict() {
    let mut store = store_edited_by_laptop();
    let open = conflict_of(&store.apply(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), at_second(20)));
    store.apply(&upload("phone", KeepBoth, [delete("p2", "q", 1, 13)]), at_second(21));
    assert!(store.conflicts[&open].resolution.is_none());
    assert_eq!(store.query_text("q"), Some("laptop"));
}

#[test]
fn a_repeat_changes_nothing_and_has_the_same_outcome() {
    let mut store = store_edited_by_laptop();
    let first = store.apply(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), at_second(20));
    store.apply(&upload("laptop", LastWriteWins, [change("l3", "q", "more", 2, 30)]), at_second(31));
    let before = store.clone();
    for strategy in Strategy::ALL {
        let batch = [change("l1", "q", "one", 0, 0), change("l2", "q", "laptop", 1, 10)];
        assert_eq!(store.apply(&upload("laptop", strategy, batch), at_second(40)), [applied(1), applied(2)]);
        assert_eq!(store.apply(&upload("phone", strategy, [change("p1", "q", "a", 1, 12)]), at_second(41)), first);
    }
    assert_eq!(store, before);
}

#[test]
fn a_change_id_that_was_used_for_another_item_never_hides_an_edit() {
    let mut store = store_edited_by_laptop();
    let of_other_item = upload("laptop", LastWriteWins, [change("l1", "third", "x", 0, 50)]);
    assert_eq!(store.apply(&of_other_item, at_second(51)), [applied(1)]);
    assert_eq!(store.query_text("third"), Some("x"));
    assert_eq!(store.apply(&of_other_item, at_second(52)), [applied(1)], "a repeat");
    // The receipt of a change that wrote nothing has a row of its own, of which there is one per id.
    store.apply(&upload("laptop", LastWriteWins, [delete("nothing", "absent", 0, 50)]), at_second(53));
    let outcomes =
        store.apply(&upload("laptop", LastWriteWins, [change("nothing", "other", "x", 0, 50)]), at_second(54));
    assert!(matches!(outcomes[..], [Outcome::Rejected(RejectionCode::ChangeIdReused, _)]));
    let other_device = store.apply(&upload("phone", LastWriteWins, [change("l1", "other", "x", 0, 50)]), at_second(52));
    assert_eq!(other_device, [applied(1)]);
}

#[test]
fn a_device_that_missed_a_purge_cannot_restore_a_deleted_item() {
    let mut store = MemoryStore::default();
    store.head.time = at_second(100);
    store.head.purged_through = at_second(50);
    store.head.purged_version = 7;
    let mut stale = upload("phone", LastWriteWins, [change("p", "q", "old", 3, 1)]);
    stale.last_sync_at = Some(at_second(49));
    let outcomes = store.apply(&stale, at_second(101));
    assert!(matches!(outcomes[..], [Outcome::Rejected(RejectionCode::ResyncRequired, _)]));
    stale.last_sync_at = Some(at_second(100));
    assert_eq!(store.apply(&stale, at_second(102)), [applied(8)], "the version is above the purged one");
}

#[test]
fn server_times_increase_when_the_clock_runs_backwards() {
    let mut store = MemoryStore::default();
    let mut times = Vec::new();
    for (place, now) in [5, 5, -1_000, 6].into_iter().enumerate() {
        let id = place.to_string();
        store.apply(&upload("laptop", LastWriteWins, [change(&id, &id, "x", 0, 0)]), at_second(now));
        times.push(store.head.time);
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(times.iter().all(|time| time.micros() % 1_000 == 0), "whole milliseconds");
}

/// Resolves the conflict `id` by the request `name`, at second `at`.
fn resolve_conflict(store: &mut MemoryStore, id: &ConflictId, name: &str, choice: Choice, at: i64) -> ResolveOutcome {
    resolve_revision(store, id, name, choice, None, at)
}

/// Like [`resolve_conflict`], with the revision that the user has seen.
fn resolve_revision(
    store: &mut MemoryStore,
    id: &ConflictId,
    name: &str,
    choice: Choice,
    revision: Option<i64>,
    at: i64,
) -> ResolveOutcome {
    let request = ResolutionRequest { id: ChangeId::new_unchecked(name), choice, revision };
    let read_set = ReadSet::for_resolution(id, &request.id);
    let outcome = resolve(&store.snapshot(&read_set), id, &request, store.quota, at_second(at));
    let outcome = outcome.expect("the conflict exists");
    if let ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) = &outcome {
        store.commit(plan);
    }
    outcome
}

/// Returns a store with an open conflict between the laptop's version 2 and the phone's edit of version 1.
fn open_conflict() -> (MemoryStore, ConflictId) {
    let mut store = store_edited_by_laptop();
    let id = conflict_of(&store.apply(&upload("phone", UserChoice, [change("p", "q", "phone", 1, 12)]), at_second(20)));
    (store, id)
}

#[test]
fn every_choice_writes_a_new_version() {
    for (choice, shown) in [
        (Choice::Local, "phone"),
        (Choice::Remote, "laptop"),
        (Choice::LastWriteWins, "phone"),
        (Choice::Merged(content("both")), "both"),
    ] {
        let (mut store, id) = open_conflict();
        assert!(matches!(resolve_conflict(&mut store, &id, "r", choice, 30), ResolveOutcome::Resolved(..)));
        assert_eq!(store.query_text("q"), Some(shown));
        assert_eq!(store.items[&key("q")].version, 3);
    }
}

/// Returns the content of a saved query with this text.
fn content(query: &str) -> Arc<Content> {
    match change("", "", query, 0, 0).edit {
        Edit::Put { content, .. } => content,
        Edit::Delete => unreachable!("`change` returns no deletion"),
    }
}

#[test]
fn a_repeated_resolution_is_recognised_and_a_different_one_is_refused() {
    let (mut store, id) = open_conflict();
    resolve_conflict(&mut store, &id, "merge", Choice::Merged(content("both")), 30);
    let before = store.clone();
    assert!(matches!(
        resolve_conflict(&mut store, &id, "merge", Choice::Merged(content("both")), 31),
        ResolveOutcome::AlreadyResolved(..)
    ));
    for choice in [Choice::Local, Choice::Remote, Choice::KeepBoth, Choice::Merged(content("other"))] {
        assert!(matches!(
            resolve_conflict(&mut store, &id, "other", choice, 32),
            ResolveOutcome::ResolvedDifferently(_)
        ));
    }
    assert_eq!(store, before);
}

#[test]
fn a_changed_item_renews_the_conflict_instead_of_being_overwritten() {
    let (mut store, id) = open_conflict();
    store.apply(&upload("laptop", LastWriteWins, [change("l3", "q", "newer", 2, 25)]), at_second(26));
    let ResolveOutcome::Outdated(Some(_), renewed) = resolve_conflict(&mut store, &id, "r", Choice::Local, 30) else {
        panic!("the item has changed");
    };
    let remote = renewed.remote.item.as_ref().and_then(|item| query_of(&item.content));
    assert_eq!(remote, Some("newer"));
    assert_eq!(store.query_text("q"), Some("newer"));
    assert!(matches!(resolve_conflict(&mut store, &id, "r", Choice::Local, 31), ResolveOutcome::Resolved(..)));
    assert_eq!(store.query_text("q"), Some("phone"));
}

#[test]
fn an_overwritten_version_can_be_restored_after_the_item_has_changed() {
    let mut store = store_edited_by_laptop();
    let id =
        conflict_of(&store.apply(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, 12)]), at_second(20)));
    store.apply(&upload("tablet", LastWriteWins, [change("t", "q", "tablet", 3, 25)]), at_second(26));
    assert!(matches!(
        resolve_conflict(&mut store, &id, "k", Choice::KeepBoth, 29),
        ResolveOutcome::ResolvedDifferently(_)
    ));
    assert!(matches!(resolve_conflict(&mut store, &id, "r", Choice::Remote, 30), ResolveOutcome::Outdated(Some(_), _)));
    assert!(matches!(resolve_conflict(&mut store, &id, "r", Choice::Remote, 31), ResolveOutcome::Resolved(..)));
    assert_eq!(store.query_text("q"), Some("laptop"));
    let local = store.conflicts[&id].local.item.as_ref().and_then(|item| query_of(&item.content));
    assert_eq!(local, Some("tablet"), "the conflict keeps the version that is overwritten now");
}

#[test]
fn resolving_with_keep_both_makes_a_copy() {
    let (mut store, id) = open_conflict();
    let ResolveOutcome::Resolved(_, ResolvedConflict { resolution, key, stored }) =
        resolve_conflict(&mut store, &id, "k", Choice::KeepBoth, 30)
    else {
        panic!("the conflict is not resolved");
    };
    assert_eq!(store.query_text(key.id.as_str()), Some("phone"));
    assert_eq!(store.query_text("q"), Some("laptop"));
    assert_eq!(stored.as_ref(), store.items.get(&key));
    assert_eq!(resolution.copy_id, Some(key.id));
}

#[test]
fn a_request_with_an_outdated_revision_changes_nothing() {
    let (mut store, id) = open_conflict();
    let seen = store.conflicts[&id].revision();
    store.apply(&upload("phone", UserChoice, [change("p2", "q", "renewed", 1, 22)]), at_second(23));
    assert_ne!(store.conflicts[&id].revision(), seen);
    let before = store.clone();
    let refused = resolve_revision(&mut store, &id, "r", Choice::Local, Some(seen), 30);
    assert_eq!(refused, ResolveOutcome::Outdated(None, before.conflicts[&id].clone()));
    assert_eq!(store, before, "nothing is written");

    let current = store.conflicts[&id].revision();
    assert!(matches!(
        resolve_revision(&mut store, &id, "r", Choice::Local, Some(current), 31),
        ResolveOutcome::Resolved(..)
    ));
    assert_eq!(store.query_text("q"), Some("renewed"));
    let repeat = resolve_revision(&mut store, &id, "r", Choice::Local, Some(current), 32);
    assert!(
        matches!(repeat, ResolveOutcome::AlreadyResolved(_)),
        "a repeat is recognised before the revision is compared"
    );
}
