use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{MemoryStore, at_second, change, delete, query_of, upload};
use crate::models::{self, Change, Conflict, Edit};
use crate::sync::plan::Outcome;
use crate::sync::{ReadSet, Upload, decide};

/// Generates an upload of one of three devices: a few changes of three items, on arbitrary base versions.
fn arbitrary_upload() -> impl Strategy<Value = Upload> {
    let changes = prop::collection::vec(arbitrary_change(), 1..5);
    (
        prop::sample::select(vec!["laptop", "phone", "tablet"]),
        prop::sample::select(models::Strategy::ALL.to_vec()),
        changes,
    )
        .prop_map(|(device, strategy, changes)| upload(device, strategy, changes))
}

/// Generates a change. Changes with the same id are equal, so that uploads contain repeats.
fn arbitrary_change() -> impl Strategy<Value = Change> {
    (0..40_u32, 0..3_u8, 0..4_u8, 0..5_i64, 0..100_i64).prop_map(|(text, item, kind, base, at)| {
        let (id, item) = (format!("{kind} {text} {item} {base} {at}"), format!("q{item}"));
        if kind == 0 { delete(&id, &item, base, at) } else { change(&id, &item, &format!("v{text}"), base, at) }
    })
}

/// Generates uploads, each with the second at which it arrives.
fn arbitrary_uploads() -> impl Strategy<Value = Vec<(Upload, i64)>> {
    prop::collection::vec((arbitrary_upload(), -50..150_i64), 1..20)
}

/// Returns the texts that a user can read or restore: those of live items, of replaced versions and of all sides of conflicts.
fn all_texts(store: &MemoryStore) -> BTreeSet<String> {
    let stored = store.items.values().chain(store.versions.values());
    let items = stored.filter(|stored| stored.is_live()).filter_map(|stored| stored.item.as_ref());
    let versions = store.conflicts.values().flat_map(|conflict: &Conflict| [&conflict.local, &conflict.remote]);
    let sides = versions.filter_map(|version| version.item.as_ref());
    items.chain(sides).filter_map(|item| query_of(&item.content)).map(str::to_owned).collect()
}

const fn is_recorded(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Refused | Outcome::Rejected(..))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_head_never_moves_back_and_every_write_has_its_own_server_time(uploads in arbitrary_uploads()) {
        let mut store = MemoryStore::default();
        for (upload, now) in uploads {
            let before = store.head.time;
            store.apply(&upload, at_second(now));
            prop_assert!(store.head.time >= before);
        }
        let times: Vec<_> = store.items.values().map(|stored| stored.seq).collect();
        prop_assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), times.len());
        prop_assert!(times.iter().all(|time| *time <= store.head.time));
    }

    #[test]
    fn a_repeated_upload_changes_nothing(uploads in arbitrary_uploads(), repeated in any::<prop::sample::Index>(), strategy in prop::sample::select(models::Strategy::ALL.to_vec())) {
        let mut store = MemoryStore::default();
        let mut first_outcomes = Vec::new();
        for (upload, now) in &uploads {
            first_outcomes.push(store.apply(upload, at_second(*now)));
        }
        let index = repeated.index(uploads.len());
        // Nothing is recorded of a change that was refused or rejected.
        let changes = uploads[index].0.changes.iter().cloned().zip(first_outcomes[index].clone());
        let (changes, first_outcomes): (Vec<_>, Vec<_>) = changes.filter(|(_, outcome)| is_recorded(outcome)).unzip();
        let repeat = Upload { strategy, changes, ..uploads[index].0.clone() };
        let before = store.clone();
        let outcomes = store.apply(&repeat, at_second(1_000));
        prop_assert_eq!(outcomes, first_outcomes);
        prop_assert_eq!(store, before);
    }

    #[test]
    fn a_single_device_never_has_a_conflict(uploads in arbitrary_uploads()) {
        let mut store = MemoryStore::default();
        for (upload, now) in uploads {
            let upload = Upload { device: models::DeviceId::new_unchecked("laptop"), ..upload };
            let outcomes = store.apply(&upload, at_second(now));
            prop_assert!(!outcomes.iter().any(|outcome| matches!(outcome, Outcome::Conflict(_))));
        }
    }

    #[test]
    fn nothing_that_was_accepted_is_lost(uploads in arbitrary_uploads()) {
        let mut store = MemoryStore::default();
        let mut accepted = BTreeSet::new();
        for (upload, now) in uploads {
            let outcomes = store.apply(&upload, at_second(now));
            for (change, outcome) in upload.changes.iter().flatten().zip(outcomes) {
                if let (Edit::Put { content, .. }, true) = (&change.edit, is_recorded(&outcome)) {
                    accepted.extend(query_of(content).map(str::to_owned));
                }
            }
            let texts = all_texts(&store);
            prop_assert!(accepted.is_subset(&texts), "lost {:?}", accepted.difference(&texts));
        }
    }

    #[test]
    fn a_branch_has_at_most_one_open_conflict(uploads in arbitrary_uploads()) {
        let mut store = MemoryStore::default();
        for (upload, now) in uploads {
            store.apply(&upload, at_second(now));
        }
        let open = store.conflicts.values().filter(|conflict| conflict.resolution.is_none());
        let branches: Vec<_> = open.map(|conflict| (&conflict.key, &conflict.local.device, conflict.local.sync_version)).collect();
        prop_assert_eq!(branches.iter().collect::<BTreeSet<_>>().len(), branches.len());
    }

    #[test]
    fn decide_is_deterministic(uploads in arbitrary_uploads()) {
        let mut store = MemoryStore::default();
        for (upload, now) in uploads {
            let snapshot = store.snapshot(&ReadSet::for_upload(&upload));
            let quota = models::Quota::default();
            prop_assert_eq!(decide(snapshot.clone(), &upload, quota, at_second(now)), decide(snapshot, &upload, quota, at_second(now)));
            store.apply(&upload, at_second(now));
        }
    }
}
