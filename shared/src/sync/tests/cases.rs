use std::sync::Arc;

use super::line::{key, second};
use super::{Line, change, delete, upload};
use crate::models::Strategy::{KeepBoth, LastWriteWins, UserChoice};
use crate::models::{ConflictId, Strategy, Winner};
use crate::sync::plan::Outcome;
use crate::sync::{Choice, ReadSet, RejectionCode, ResolutionRequest, ResolveOutcome, ResolvedConflict, resolve};

/// A laptop has made the item `q` (version 1) and, unseen by the phone, changed it (version 2, at the second 10).
fn changed_by_the_laptop() -> Line {
    let mut line = Line::default();
    line.takes(&upload("laptop", LastWriteWins, [change("l1", "q", "one", 0, 0)]), second(1));
    line.takes(&upload("laptop", LastWriteWins, [change("l2", "q", "laptop", 1, 10)]), second(11));
    line
}

fn conflict_of(outcomes: &[Outcome]) -> ConflictId {
    match outcomes {
        [Outcome::Conflict(id)] => id.clone(),
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn a_device_never_conflicts_with_itself() {
    let mut line = Line::default();
    let all =
        [change("1", "q", "a", 0, 0), change("2", "q", "b", 0, 1), delete("3", "q", 0, 2), change("4", "q", "c", 1, 3)];
    let outcomes = line.takes(&upload("laptop", UserChoice, all), second(5));
    assert_eq!(outcomes, [1, 2, 3, 4].map(Outcome::Applied));
    let late = line.takes(&upload("laptop", UserChoice, [change("5", "q", "d", 0, 4)]), second(6));
    assert_eq!(late, [Outcome::Applied(5)]);
}

#[test]
fn a_seen_version_is_changed_without_conflict() {
    let mut line = changed_by_the_laptop();
    let outcomes = line.takes(&upload("phone", UserChoice, [change("p", "q", "phone", 2, 5)]), second(20));
    assert_eq!(outcomes, [Outcome::Applied(3)]);
    assert_eq!(line.shows("q"), Some("phone"));
}

#[test]
fn a_version_that_was_never_given_out_was_not_seen() {
    let mut line = changed_by_the_laptop();
    let outcomes = line.takes(&upload("phone", UserChoice, [change("p", "q", "phone", 9, 5)]), second(20));
    conflict_of(&outcomes);
}

#[test]
fn the_same_edit_on_two_devices_is_none() {
    let mut line = changed_by_the_laptop();
    let outcomes = line.takes(&upload("phone", UserChoice, [change("p", "q", "laptop", 1, 5)]), second(20));
    assert_eq!(outcomes, [Outcome::Applied(2)]);
    assert!(line.conflicts.is_empty());
}

#[test]
fn the_later_edit_wins_and_the_loser_is_kept() {
    for (at, shown, winner) in
        [(12, "phone", Winner::Local), (9, "laptop", Winner::Remote), (10, "laptop", Winner::Remote)]
    {
        let mut line = changed_by_the_laptop();
        line.takes(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, at)]), second(20));
        assert_eq!(line.shows("q"), Some(shown), "edited at {at}");
        let conflict = line.conflict();
        assert_eq!(conflict.resolution.as_ref().and_then(|settled| settled.winner), Some(winner));
        assert!(conflict.local.item.is_some() && conflict.remote.item.is_some());
    }
}

#[test]
fn a_time_in_the_future_counts_as_now() {
    let mut line = changed_by_the_laptop();
    line.takes(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, 99_999)]), second(20));
    line.takes(&upload("laptop", LastWriteWins, [change("l3", "q", "again", 2, 30)]), second(31));
    assert_eq!(line.shows("q"), Some("again"));
}

#[test]
fn a_deletion_wins_or_loses_like_any_edit() {
    for (at, shown) in [(12, None), (9, Some("laptop"))] {
        let mut line = changed_by_the_laptop();
        line.takes(&upload("phone", LastWriteWins, [delete("p", "q", 1, at)]), second(20));
        assert_eq!(line.shows("q"), shown, "deleted at {at}");
        assert!(line.conflict().remote.item.is_some(), "what the deletion did not know of is kept");
    }
}

#[test]
fn deleting_what_is_not_there_is_applied_and_stays_applied() {
    let mut line = Line::default();
    let deletion = upload("phone", LastWriteWins, [delete("p", "q", 0, 1)]);
    assert_eq!(line.takes(&deletion, second(2)), [Outcome::Applied(0)]);
    line.takes(&upload("laptop", LastWriteWins, [change("l", "q", "new", 0, 3)]), second(4));
    assert_eq!(line.takes(&deletion, second(5)), [Outcome::Applied(0)]);
    assert_eq!(line.shows("q"), Some("new"));
}

#[test]
fn keeping_both_makes_one_copy_per_branch() {
    let mut line = changed_by_the_laptop();
    for (id, query) in [("p1", "s"), ("p2", "se"), ("p3", "sel")] {
        line.takes(&upload("phone", KeepBoth, [change(id, "q", query, 1, 12)]), second(20));
    }
    assert_eq!(line.shows("q"), Some("laptop"));
    let settled = line.conflict().resolution.clone().expect("it is settled");
    let copy = settled.copy_id.expect("there is a copy");
    assert_eq!(line.shows(copy.as_str()), Some("sel"));
    assert_eq!(line.items.len(), 2);
    let stored = line.items[&key(copy.as_str())].item.clone().expect("it is loaded");
    let name = Arc::unwrap_or_clone(stored.content).name_mut().cloned();
    assert_eq!(name.as_deref(), Some("orders (conflicted copy, phone, 2027-01-15)"));
}

#[test]
fn a_copy_that_somebody_changed_is_not_written_over() {
    let mut line = changed_by_the_laptop();
    line.takes(&upload("phone", KeepBoth, [change("p1", "q", "phone", 1, 12)]), second(20));
    let copy = line.conflict().resolution.clone().and_then(|settled| settled.copy_id).expect("there is a copy");
    line.takes(&upload("tablet", KeepBoth, [change("t", copy.as_str(), "tablet", 1, 21)]), second(22));
    line.takes(&upload("phone", KeepBoth, [change("p2", "q", "phone again", 1, 23)]), second(24));
    assert_eq!(line.shows(copy.as_str()), Some("tablet"));
    assert!(line.items.keys().any(|key| line.shows(key.id.as_str()) == Some("phone again")));
}

#[test]
fn whatever_else_happens_to_a_branch_it_has_one_copy() {
    let mut line = changed_by_the_laptop();
    for round in 0..5_i64 {
        let id = |what: &str| format!("{what} {round}");
        line.takes(&upload("phone", KeepBoth, [change(&id("edit"), "q", &id("copy"), 1, 5)]), second(20 + round));
        line.takes(&upload("phone", KeepBoth, [delete(&id("delete"), "q", 1, 5)]), second(20 + round));
        line.takes(&upload("phone", LastWriteWins, [change(&id("lose"), "q", &id("lost"), 1, 5)]), second(20 + round));
    }
    assert_eq!(line.items.len(), 2);
    assert!(line.items.keys().any(|key| line.shows(key.id.as_str()) == Some("copy 4")));
}

#[test]
fn a_small_upload_does_not_leave_a_large_item_behind_a_thousand_times() {
    let mut line = Line::default();
    let large = "x".repeat(1_000_000);
    line.takes(&upload("laptop", LastWriteWins, [change("l", "q", &large, 0, 0)]), second(1));
    let changes = (2..1_000).map(|base| change(&base.to_string(), "q", "small", base, 2));
    let outcomes = line.takes(&upload("phone", UserChoice, changes), second(3));
    let kept = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Conflict(_))).count();
    assert_eq!(kept, 16);
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(RejectionCode::TooManyConflicts, _));
    assert!(outcomes[kept..].iter().all(refused));
    let again = line.takes(&upload("phone", UserChoice, [change("100", "q", "small", 100, 2)]), second(4));
    conflict_of(&again);
}

#[test]
fn an_open_conflict_is_renewed_by_its_branch_alone() {
    let mut line = changed_by_the_laptop();
    let first = conflict_of(&line.takes(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), second(20)));
    let renewed = conflict_of(&line.takes(&upload("phone", UserChoice, [change("p2", "q", "b", 1, 13)]), second(21)));
    let other_base =
        conflict_of(&line.takes(&upload("phone", UserChoice, [change("p3", "q", "c", 0, 14)]), second(22)));
    let other_device =
        conflict_of(&line.takes(&upload("tablet", UserChoice, [change("t", "q", "d", 1, 15)]), second(23)));
    assert_eq!(first, renewed);
    assert_eq!(line.conflicts.len(), 3);
    assert!(first != other_base && first != other_device && other_base != other_device);
    assert_eq!(line.shows("q"), Some("laptop"));
}

#[test]
fn an_edit_that_waits_is_not_dropped_by_a_deletion_that_keeps_both() {
    let mut line = changed_by_the_laptop();
    let open = conflict_of(&line.takes(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), second(20)));
    line.takes(&upload("phone", KeepBoth, [delete("p2", "q", 1, 13)]), second(21));
    assert!(line.conflicts[&open].resolution.is_none());
    assert_eq!(line.shows("q"), Some("laptop"));
}

#[test]
fn a_repeat_changes_nothing_and_is_answered_alike() {
    let mut line = changed_by_the_laptop();
    let first = line.takes(&upload("phone", UserChoice, [change("p1", "q", "a", 1, 12)]), second(20));
    line.takes(&upload("laptop", LastWriteWins, [change("l3", "q", "more", 2, 30)]), second(31));
    let before = line.clone();
    for strategy in Strategy::ALL {
        let batch = [change("l1", "q", "one", 0, 0), change("l2", "q", "laptop", 1, 10)];
        assert_eq!(
            line.takes(&upload("laptop", strategy, batch), second(40)),
            [Outcome::Applied(1), Outcome::Applied(2)]
        );
        assert_eq!(line.takes(&upload("phone", strategy, [change("p1", "q", "a", 1, 12)]), second(41)), first);
    }
    assert_eq!(line, before);
}

#[test]
fn a_change_id_names_one_item() {
    let mut line = changed_by_the_laptop();
    let outcomes = line.takes(&upload("laptop", LastWriteWins, [change("l1", "other", "x", 0, 50)]), second(51));
    assert!(matches!(outcomes[..], [Outcome::Rejected(RejectionCode::ChangeIdReused, _)]));
    let of_the_phone = line.takes(&upload("phone", LastWriteWins, [change("l1", "other", "x", 0, 50)]), second(52));
    assert_eq!(of_the_phone, [Outcome::Applied(1)]);
}

#[test]
fn whoever_slept_through_a_purge_does_not_bring_back_the_deleted() {
    let mut line = Line::default();
    line.head.time = second(100);
    line.head.purged_through = second(50);
    line.head.purged_version = 7;
    let mut asleep = upload("phone", LastWriteWins, [change("p", "q", "old", 3, 1)]);
    asleep.last_sync_at = Some(second(49));
    let outcomes = line.takes(&asleep, second(101));
    assert!(matches!(outcomes[..], [Outcome::Rejected(RejectionCode::ResyncRequired, _)]));
    asleep.last_sync_at = Some(second(100));
    assert_eq!(line.takes(&asleep, second(102)), [Outcome::Applied(8)], "no version is given twice");
}

#[test]
fn the_server_time_moves_on_whatever_the_clock_does() {
    let mut line = Line::default();
    let mut times = Vec::new();
    for (place, now) in [5, 5, -1_000, 6].into_iter().enumerate() {
        let id = place.to_string();
        line.takes(&upload("laptop", LastWriteWins, [change(&id, &id, "x", 0, 0)]), second(now));
        times.push(line.head.time);
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(times.iter().all(|time| time.micros() % 1_000 == 0), "whole milliseconds");
}

fn settle(line: &mut Line, id: &ConflictId, name: &str, choice: Choice, at: i64) -> ResolveOutcome {
    settle_seen(line, id, name, choice, None, at)
}

/// The same, where the client names the revision that its user has seen.
fn settle_seen(
    line: &mut Line,
    id: &ConflictId,
    name: &str,
    choice: Choice,
    revision: Option<i64>,
    at: i64,
) -> ResolveOutcome {
    let request = ResolutionRequest { id: crate::models::ChangeId::trusted(name), choice, revision };
    let read_set = ReadSet::for_resolution(id, &request.id);
    let resolution = resolve(&line.snapshot(&read_set), id, &request, second(at)).expect("there is such a conflict");
    if let ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) = &resolution {
        line.commit(plan);
    }
    resolution
}

fn open_conflict() -> (Line, ConflictId) {
    let mut line = changed_by_the_laptop();
    let id = conflict_of(&line.takes(&upload("phone", UserChoice, [change("p", "q", "phone", 1, 12)]), second(20)));
    (line, id)
}

#[test]
fn each_choice_makes_a_new_version() {
    for (choice, shown) in [
        (Choice::Local, "phone"),
        (Choice::Remote, "laptop"),
        (Choice::LastWriteWins, "phone"),
        (Choice::Merged(content("both")), "both"),
    ] {
        let (mut line, id) = open_conflict();
        assert!(matches!(settle(&mut line, &id, "r", choice, 30), ResolveOutcome::Resolved(..)));
        assert_eq!(line.shows("q"), Some(shown));
        assert_eq!(line.items[&key("q")].version, 3);
    }
}

fn content(query: &str) -> Arc<crate::models::Content> {
    match change("", "", query, 0, 0).edit {
        crate::models::Edit::Put { content, .. } => content,
        crate::models::Edit::Delete => unreachable!("a change with a query is no deletion"),
    }
}

#[test]
fn settling_twice_alike_answers_alike_and_otherwise_is_refused() {
    let (mut line, id) = open_conflict();
    settle(&mut line, &id, "merge", Choice::Merged(content("both")), 30);
    let before = line.clone();
    assert!(matches!(
        settle(&mut line, &id, "merge", Choice::Merged(content("both")), 31),
        ResolveOutcome::AlreadyResolved(..)
    ));
    for choice in [Choice::Local, Choice::Remote, Choice::KeepBoth, Choice::Merged(content("other"))] {
        assert!(matches!(settle(&mut line, &id, "other", choice, 32), ResolveOutcome::ResolvedDifferently(_)));
    }
    assert_eq!(line, before);
}

#[test]
fn whoever_settles_sees_the_item_as_it_is() {
    let (mut line, id) = open_conflict();
    line.takes(&upload("laptop", LastWriteWins, [change("l3", "q", "moved on", 2, 25)]), second(26));
    let ResolveOutcome::Outdated(Some(_), renewed) = settle(&mut line, &id, "r", Choice::Local, 30) else {
        panic!("the item has moved on");
    };
    let remote = renewed.remote.item.as_ref().and_then(|item| super::line::query_of(&item.content));
    assert_eq!(remote, Some("moved on"));
    assert_eq!(line.shows("q"), Some("moved on"));
    assert!(matches!(settle(&mut line, &id, "r", Choice::Local, 31), ResolveOutcome::Resolved(..)));
    assert_eq!(line.shows("q"), Some("phone"));
}

#[test]
fn what_last_write_wins_overwrote_comes_back_even_after_the_item_moved_on() {
    let mut line = changed_by_the_laptop();
    let id = conflict_of(&line.takes(&upload("phone", LastWriteWins, [change("p", "q", "phone", 1, 12)]), second(20)));
    line.takes(&upload("tablet", LastWriteWins, [change("t", "q", "tablet", 3, 25)]), second(26));
    assert!(matches!(settle(&mut line, &id, "k", Choice::KeepBoth, 29), ResolveOutcome::ResolvedDifferently(_)));
    assert!(matches!(settle(&mut line, &id, "r", Choice::Remote, 30), ResolveOutcome::Outdated(Some(_), _)));
    assert!(matches!(settle(&mut line, &id, "r", Choice::Remote, 31), ResolveOutcome::Resolved(..)));
    assert_eq!(line.shows("q"), Some("laptop"));
    let kept = line.conflicts[&id].local.item.as_ref().and_then(|item| super::line::query_of(&item.content));
    assert_eq!(kept, Some("tablet"), "the overwritten version is shown beside it");
}

#[test]
fn keeping_both_later_makes_the_copy_then() {
    let (mut line, id) = open_conflict();
    let ResolveOutcome::Resolved(_, ResolvedConflict { resolution, key, stored }) =
        settle(&mut line, &id, "k", Choice::KeepBoth, 30)
    else {
        panic!("it can be settled");
    };
    assert_eq!(line.shows(key.id.as_str()), Some("phone"));
    assert_eq!(line.shows("q"), Some("laptop"));
    assert_eq!(stored.as_ref(), line.items.get(&key));
    assert_eq!(resolution.copy_id, Some(key.id));
}

#[test]
fn a_revision_that_was_not_seen_is_not_resolved() {
    let (mut line, id) = open_conflict();
    let seen = line.conflicts[&id].revision();
    line.takes(&upload("phone", UserChoice, [change("p2", "q", "renewed", 1, 22)]), second(23));
    assert_ne!(line.conflicts[&id].revision(), seen);
    let before = line.clone();
    let refused = settle_seen(&mut line, &id, "r", Choice::Local, Some(seen), 30);
    assert_eq!(refused, ResolveOutcome::Outdated(None, before.conflicts[&id].clone()));
    assert_eq!(line, before, "nothing has changed");

    let current = line.conflicts[&id].revision();
    assert!(matches!(settle_seen(&mut line, &id, "r", Choice::Local, Some(current), 31), ResolveOutcome::Resolved(..)));
    assert_eq!(line.shows("q"), Some("renewed"));
    let repeat = settle_seen(&mut line, &id, "r", Choice::Local, Some(current), 32);
    assert!(
        matches!(repeat, ResolveOutcome::AlreadyResolved(_)),
        "a repeat is recognised before its revision is compared"
    );
}
