use std::collections::BTreeSet;

use proptest::prelude::*;

use super::line::{query_of, second};
use super::{Line, change, delete, upload};
use crate::models::{self, Change, Conflict, Edit};
use crate::sync::plan::Outcome;
use crate::sync::{ReadSet, Upload, decide};

/// An upload of one of three devices: a few changes of three items, on whatever version.
fn some_upload() -> impl Strategy<Value = Upload> {
    let changes = prop::collection::vec(some_change(), 1..5);
    (
        prop::sample::select(vec!["laptop", "phone", "tablet"]),
        prop::sample::select(models::Strategy::ALL.to_vec()),
        changes,
    )
        .prop_map(|(device, strategy, changes)| upload(device, strategy, changes))
}

/// Two changes with the same id are the same change, as in a repeat.
fn some_change() -> impl Strategy<Value = Change> {
    (0..40_u32, 0..3_u8, 0..4_u8, 0..5_i64, 0..100_i64).prop_map(|(text, item, kind, base, at)| {
        let (id, item) = (format!("{kind} {text} {item} {base} {at}"), format!("q{item}"));
        if kind == 0 { delete(&id, &item, base, at) } else { change(&id, &item, &format!("v{text}"), base, at) }
    })
}

fn some_uploads() -> impl Strategy<Value = Vec<(Upload, i64)>> {
    prop::collection::vec((some_upload(), -50..150_i64), 1..20)
}

/// Every query text that can be seen anywhere.
fn visible(line: &Line) -> BTreeSet<String> {
    let items = line.items.values().filter(|stored| stored.is_live()).filter_map(|stored| stored.item.as_ref());
    let versions = line.conflicts.values().flat_map(|conflict: &Conflict| [&conflict.local, &conflict.remote]);
    let kept = versions.filter_map(|version| version.item.as_ref());
    items.chain(kept).filter_map(|item| query_of(&item.content)).map(str::to_owned).collect()
}

/// Whether whoever made `change` could not know of what is stored.
fn is_blind(line: &Line, device: &str, change: &Change) -> bool {
    line.items.get(&change.key).is_some_and(|stored| stored.device.as_str() != device && stored.version != change.base)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_head_moves_on_and_gives_each_write_a_time_of_its_own(uploads in some_uploads()) {
        let mut line = Line::default();
        for (upload, now) in uploads {
            let before = line.head.time;
            line.takes(&upload, second(now));
            prop_assert!(line.head.time >= before);
        }
        let times: Vec<_> = line.items.values().map(|stored| stored.seq).collect();
        prop_assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), times.len());
        prop_assert!(times.iter().all(|time| *time <= line.head.time));
    }

    #[test]
    fn a_repeat_of_anything_at_any_time_changes_nothing(uploads in some_uploads(), again in any::<prop::sample::Index>(), strategy in prop::sample::select(models::Strategy::ALL.to_vec())) {
        let mut line = Line::default();
        let mut first = Vec::new();
        for (upload, now) in &uploads {
            first.push(line.takes(upload, second(*now)));
        }
        let place = again.index(uploads.len());
        let repeat = Upload { strategy, ..uploads[place].0.clone() };
        let before = line.clone();
        let outcomes = line.takes(&repeat, second(1_000));
        prop_assert_eq!(outcomes, first[place].clone());
        prop_assert_eq!(line, before);
    }

    #[test]
    fn one_device_alone_never_meets_a_conflict(uploads in some_uploads()) {
        let mut line = Line::default();
        for (upload, now) in uploads {
            let alone = Upload { device: models::DeviceId::trusted("laptop"), ..upload };
            let outcomes = line.takes(&alone, second(now));
            prop_assert!(!outcomes.iter().any(|outcome| matches!(outcome, Outcome::Conflict(_))));
        }
    }

    #[test]
    fn nothing_is_overwritten_by_who_did_not_know_of_it(uploads in some_uploads()) {
        let mut line = Line::default();
        for (upload, now) in uploads {
            // One change at a time, so that what it meets is what was there before.
            for change in upload.changes.iter().flatten().cloned() {
                let blind = is_blind(&line, upload.device.as_str(), &change);
                let stored = line.shows(change.key.id.as_str()).map(str::to_owned);
                let sent = match &change.edit { Edit::Put { content, .. } => query_of(content).map(str::to_owned), Edit::Delete => None };
                let id = change.id.clone();
                let single = Upload { changes: vec![Ok(change)], ..upload.clone() };
                let fresh = !line.snapshot(&ReadSet::for_upload(&single)).receipts.contains_key(&id);
                line.takes(&single, second(now));
                if blind && fresh {
                    let visible = visible(&line);
                    prop_assert!(stored.iter().all(|query| visible.contains(query)), "lost {:?}", stored);
                    prop_assert!(sent.iter().all(|query| visible.contains(query)), "lost {:?}", sent);
                }
            }
        }
    }

    #[test]
    fn a_branch_has_one_open_conflict(uploads in some_uploads()) {
        let mut line = Line::default();
        for (upload, now) in uploads {
            line.takes(&upload, second(now));
        }
        let open = line.conflicts.values().filter(|conflict| conflict.resolution.is_none());
        let branches: Vec<_> = open.map(|conflict| (&conflict.key, &conflict.local.device, conflict.local.sync_version)).collect();
        prop_assert_eq!(branches.iter().collect::<BTreeSet<_>>().len(), branches.len());
    }

    #[test]
    fn the_decision_depends_on_nothing_but_what_it_is_given(uploads in some_uploads()) {
        let mut line = Line::default();
        for (upload, now) in uploads {
            let snapshot = line.snapshot(&ReadSet::for_upload(&upload));
            prop_assert_eq!(decide(snapshot.clone(), &upload, second(now)), decide(snapshot, &upload, second(now)));
            line.takes(&upload, second(now));
        }
    }
}
