//! Contract of [`shared::storage::SyncStore`] and [`shared::storage::ChangeFeed::versions`] about replaced versions: each is kept
//! with every field, in order, until the retention period ends or 100 newer ones follow.

use shared::models::{ChangeId, Content, ItemKey, ItemType, ItemVersion, SyncVersion, Timestamp, limits};
use shared::storage::VersionPage;
use shared::sync::{Plan, ReadSet};

use crate::fixtures::{at_day, at_second, content, device, key, other_connection, other_saved_query, query, text};
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::UserStore;

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, versions:
            a_replaced_version_is_kept_with_every_field,
            versions_of_one_plan_are_kept_in_order,
            a_deletion_is_a_version_without_content,
            the_newest_hundred_versions_are_kept,
            pages_continue_after_the_last_version,
            a_version_is_read_by_its_number,
            the_base_is_the_newest_version_that_the_device_has_seen,
            versions_are_purged_by_the_time_of_their_replacement,
            an_erased_account_has_no_versions,
            versions_of_other_users_are_not_shown,
        }
    };
}
pub(crate) use suite;

async fn page(store: &UserStore, key: &ItemKey, before: Option<SyncVersion>, limit: usize) -> VersionPage {
    let page = store.data.versions(store.user.into(), key, before, limit).await.expect("the read succeeds");
    page.expect("the item exists")
}

async fn all(store: &UserStore, key: &ItemKey) -> Vec<(ItemVersion, Option<Timestamp>)> {
    let page = page(store, key, None, 1_000).await;
    assert_eq!(page.next, None);
    page.versions.into_iter().map(|kept| (kept.version, kept.replaced_at)).collect()
}

/// Writes the text `texts[n]` as version `n + 1` of `key`, in plans of their own.
async fn write_versions(store: &UserStore, key: &ItemKey, texts: &[&str]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        plans.push(store.write(|builder| builder.version(index as i64 + 1).put(key, content(key, text))).await);
    }
    plans
}

fn numbers_and_texts(versions: &[(ItemVersion, Option<Timestamp>)]) -> Vec<(SyncVersion, Option<String>)> {
    let text_of = |version: &ItemVersion| version.item.as_ref().map(|item| text(&item.content).to_owned());
    versions.iter().map(|(version, _)| (version.sync_version, text_of(version))).collect()
}

pub(crate) async fn a_replaced_version_is_kept_with_every_field(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other = |content: &Content| match content {
        Content::Connection(_) => other_connection(content),
        _ => other_saved_query(content),
    };
    for item_type in [ItemType::Connection, ItemType::SavedQuery] {
        let key = key(item_type, "a");
        let original = content(&key, "it's \"quoted\" \u{1f600}");
        for written in [original.clone(), other(&original)] {
            let first = store.write(|builder| builder.by("desk").put(&key, written.clone())).await;
            let second = store.write(|builder| builder.version(2).put(&key, content(&key, "new"))).await;
            let kept = &all(&store, &key).await[1];
            let stored = &first.items[0].1;
            assert_eq!((&kept.0, kept.1), (&ItemVersion::of(Some(stored)), Some(second.items[0].1.seq)));
            assert_eq!(kept.0.item.as_ref().map(|item| &item.content), Some(&written));
        }
    }
    let entry = key(ItemType::QueryHistory, "h");
    store.write(|builder| builder.put(&entry, content(&entry, "text"))).await;
    assert_eq!(all(&store, &entry).await.len(), 1, "the current version");
}

pub(crate) async fn versions_of_one_plan_are_kept_in_order(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (key, other) = (query("a"), query("b"));
    write_versions(&store, &key, &["one"]).await;
    let plan = store
        .write(|builder| {
            let builder = builder.version(2).put(&key, content(&key, "two")).put(&other, content(&other, "other"));
            builder.version(3).put(&key, content(&key, "three")).version(4).put(&key, content(&key, "four"))
        })
        .await;
    let listed = all(&store, &key).await;
    let expected = [(4, "four"), (3, "three"), (2, "two"), (1, "one")].map(|(n, text)| (n, Some(text.to_owned())));
    assert_eq!(numbers_and_texts(&listed), expected);
    let times: Vec<_> =
        plan.items.iter().filter(|(written, _)| *written == key).map(|(_, stored)| stored.seq).collect();
    let replaced: Vec<_> = listed.iter().filter_map(|(_, replaced_at)| *replaced_at).collect();
    assert_eq!(replaced, times.into_iter().rev().collect::<Vec<_>>());
}

pub(crate) async fn a_deletion_is_a_version_without_content(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let key = query("a");
    write_versions(&store, &key, &["one"]).await;
    store.write(|builder| builder.version(2).tombstone(&key, content(&key, "one"))).await;
    store.write(|builder| builder.version(3).put(&key, content(&key, "three"))).await;
    let expected = [(3, Some("three")), (2, None), (1, Some("one"))];
    assert_eq!(numbers_and_texts(&all(&store, &key).await), expected.map(|(n, text)| (n, text.map(str::to_owned))));
}

pub(crate) async fn the_newest_hundred_versions_are_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (key, other) = (query("a"), query("b"));
    write_versions(&store, &other, &["one", "two"]).await;
    for first in (1..=280).step_by(20) {
        let write = |builder: crate::plan_builder::PlanBuilder| {
            (first..first + 20)
                .fold(builder, |builder, number| builder.version(number).put(&key, content(&key, &number.to_string())))
        };
        store.write(write).await;
    }
    let listed = all(&store, &key).await;
    assert_eq!((listed.len(), listed[0].0.sync_version, listed[100].0.sync_version), (limits::VERSIONS + 1, 280, 180));
    assert_eq!(all(&store, &other).await.len(), 2);
    // What is not listed is removed, too, a few versions later.
    let purged = store.data.purge(at_day(99), 1_000, 1).await.expect("the write succeeds");
    assert!((101..=126).contains(&purged.versions), "{purged:?}");
}

pub(crate) async fn pages_continue_after_the_last_version(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let key = query("a");
    write_versions(&store, &key, &["1", "2", "3", "4", "5"]).await;
    for limit in 1..=6 {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = page(&store, &key, before, limit).await;
            assert!(page.versions.len() <= limit);
            seen.extend(page.versions.iter().map(|kept| kept.version.sync_version));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, [5, 4, 3, 2, 1], "pages of {limit}");
    }
    assert_eq!(page(&store, &key, Some(1), 9).await, VersionPage::default());
}

pub(crate) async fn a_version_is_read_by_its_number(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let key = query("a");
    write_versions(&store, &key, &["one", "two", "three"]).await;
    store.write(|builder| builder.by("").version(2).receipt("restored", &key, None)).await;
    let request = ChangeId::new_unchecked("restored");
    for (version, expected) in [(1, vec![1, 2]), (2, vec![2]), (3, vec![2]), (9, vec![2])] {
        let read_set = ReadSet::for_restore(&key, version, &request);
        let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
        assert_eq!(snapshot.versions.keys().copied().collect::<Vec<_>>(), expected, "with the one of the receipt");
        assert_eq!(snapshot.versions[&2].item.as_ref().map(|item| text(&item.content)), Some("two"));
    }
    let other = ReadSet::for_restore(&key, 1, &ChangeId::new_unchecked("other"));
    let snapshot = store.data.load(store.user.into(), &other).await.expect("the read succeeds");
    assert_eq!(snapshot.versions.keys().copied().collect::<Vec<_>>(), [1]);
}

/// Versions 1 by the desk, 2 by the laptop, 3 by no device, 4 by the laptop, 5 by the phone.
pub(crate) async fn the_base_is_the_newest_version_that_the_device_has_seen(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for key in [query("a"), key(ItemType::Connection, "a")] {
        for (number, author) in (1..).zip(["desk", "laptop", "", "laptop", "phone"]) {
            store.write(|builder| builder.version(number).by(author).put(&key, content(&key, author))).await;
        }
        for (reader, base, expected) in [
            ("laptop", 1, Some(4)),
            ("laptop", 4, Some(4)),
            ("tablet", 1, Some(1)),
            ("tablet", 3, Some(3)),
            ("tablet", 0, None),
            ("tablet", 5, None),
            ("tablet", 9, None),
            // It wrote the stored version, so that nothing is merged.
            ("phone", 1, None),
        ] {
            let mut read_set = ReadSet::empty(device(reader));
            read_set.branches.insert((key.clone(), base));
            read_set.with_bases = true;
            let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
            let found = snapshot.bases.get(&(key.clone(), base)).map(|version| version.sync_version);
            assert_eq!((found, snapshot.bases.len()), (expected, expected.iter().count()), "{reader} {base}");
            read_set.with_bases = false;
            let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
            assert!(snapshot.bases.is_empty());
        }
    }
}

pub(crate) async fn versions_are_purged_by_the_time_of_their_replacement(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let key = query("a");
    for (number, day) in [(1, 0), (2, 10), (3, 20), (4, 30)] {
        store.write(|builder| builder.at(at_day(day)).version(number).put(&key, content(&key, "text"))).await;
    }
    for (cutoff, purged, left) in [(10, 0, 4), (11, 1, 3), (29, 1, 2), (99, 1, 1)] {
        let removed = store.data.purge(at_day(cutoff), 100, 1).await.expect("the write succeeds");
        assert_eq!((removed.versions, all(&store, &key).await.len()), (purged, left), "day {cutoff}");
    }
}

pub(crate) async fn an_erased_account_has_no_versions(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_versions(&store, &query("a"), &["one", "two", "three"]).await;
    while !store.data.erase(store.user, at_second(100), 1).await.expect("the write succeeds") {}
    let purged = store.data.purge(at_day(99), 100, 1).await.expect("the write succeeds");
    assert_eq!((purged.versions, purged.tombstones), (0, 0));
}

pub(crate) async fn versions_of_other_users_are_not_shown(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other = store.other_user();
    write_versions(&store, &query("a"), &["one", "two"]).await;
    write_versions(&other, &query("a"), &["uno"]).await;
    assert_eq!(numbers_and_texts(&all(&other, &query("a")).await), [(1, Some("uno".to_owned()))]);
    let page = store.other_user();
    assert_eq!(page.data.versions(page.user.into(), &query("a"), None, 9).await.expect("the read succeeds"), None);
}
