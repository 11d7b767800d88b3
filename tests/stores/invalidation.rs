//! Contract of [`shared::storage::Retention::invalidate_cursors`]: no cursor from before is valid, and no version is used twice.

use shared::models::{Change, ChangeId, Edit, Quota, Strategy, Timestamp};
use shared::storage::Commit;
use shared::sync::{Cursor, DownloadMode, ReadSet, Upload, decide, download_mode};

use crate::fixtures::{at_second, content, device, query};
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, changes_since};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, invalidation:
            every_cursor_ends,
            the_next_versions_are_a_million_higher,
            the_digest_stays_valid,
            a_plan_from_before_is_refused,
            accounts_are_changed_in_batches,
            a_closed_account_stays_as_it_is,
        }
    };
}
pub(crate) use suite;

/// Ends all cursors at the time `second`; returns the number of accounts.
async fn invalidate(store: &UserStore, second: i64, batch: usize) -> u64 {
    store.data.invalidate_cursors(at_second(second), batch).await.expect("the write succeeds")
}

/// Returns an upload of the saved query `a` by the laptop.
fn edit(id: &str, text: &str) -> Upload {
    let key = query("a");
    let edit = Edit::Put { content: content(&key, text), created_at: None, expects_item: false };
    let change = Change { id: ChangeId::new_unchecked(id), key, edit, updated_at: at_second(1), base: 0 };
    let strategy = Strategy::LastWriteWins;
    Upload { device: device("laptop"), last_sync_at: None, strategy, changes: vec![Ok(change)] }
}

async fn upload(store: &UserStore, upload: &Upload) {
    let snapshot = store.data.load(store.user.into(), &ReadSet::for_upload(upload)).await.expect("the read succeeds");
    let decision = decide(snapshot, upload, Quota::default(), at_second(1));
    assert_eq!(store.commit(&decision.plan).await.expect("the write succeeds"), Commit::Applied);
}

pub(crate) async fn every_cursor_ends(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await.new_head;
    let last = store.write(|builder| builder.put(&query("b"), content(&query("b"), "text"))).await.new_head;
    let mode = async |since: Timestamp| {
        let cursor = Cursor::decode(since);
        let page = store.page_of(&changes_since(cursor.position)).await;
        download_mode(Some(cursor), page.head, page.is_in_gap)
    };
    assert_eq!(mode(last).await, DownloadMode::Delta(last));
    invalidate(&store, 60, 10).await;
    let head = store.head().await;
    assert!(head.time > at_second(60) && head.purged_through == head.time, "{head:?}");
    for cursor in [Timestamp::EPOCH, first, last, at_second(30), at_second(60)] {
        assert_eq!(mode(cursor).await, DownloadMode::Reset, "{cursor}");
    }
    assert_eq!(mode(head.time).await, DownloadMode::Delta(head.time), "a cursor of the new full sync");
    let of_full_sync = store.page_without_tombstones(Timestamp::EPOCH, 1).await.next_cursor();
    assert_eq!(mode(of_full_sync).await, DownloadMode::Delta(first), "in the middle of it");
    let before = head.time;
    invalidate(&store, 1, 10).await;
    assert_eq!(mode(of_full_sync).await, DownloadMode::Reset);
    assert_eq!(store.head().await.time, before.next_millisecond(), "the clock was set back");
}

pub(crate) async fn the_next_versions_are_a_million_higher(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    upload(&store, &edit("1", "one")).await;
    upload(&store, &edit("2", "two")).await;
    for (id, expected) in [("3", 1_000_001), ("4", 2_000_001)] {
        invalidate(&store, 9, 10).await;
        let key = query("a");
        upload(&store, &edit(id, id)).await;
        assert_eq!(store.item(&key).await.map(|stored| stored.version), Some(expected));
    }
    let page = store.data.versions(store.user.into(), &query("a"), None, 9).await.expect("the read succeeds");
    let versions = page.expect("the item exists").versions.into_iter().map(|kept| kept.version.sync_version);
    assert_eq!(versions.collect::<Vec<_>>(), [2_000_001, 1_000_001, 2, 1]);
}

pub(crate) async fn the_digest_stays_valid(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    upload(&store, &edit("1", "one")).await;
    let digest = store.page(Timestamp::EPOCH, 9).await.digest.expect("the digest is known");
    invalidate(&store, 9, 10).await;
    assert_eq!(store.page(Timestamp::EPOCH, 9).await.digest, Some(digest));
}

pub(crate) async fn a_plan_from_before_is_refused(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    upload(&store, &edit("1", "one")).await;
    let late = edit("2", "two");
    let snapshot = store.data.load(store.user.into(), &ReadSet::for_upload(&late)).await.expect("the read succeeds");
    let plan = decide(snapshot, &late, Quota::default(), at_second(1)).plan;
    invalidate(&store, 9, 10).await;
    assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::HeadMoved);
}

pub(crate) async fn accounts_are_changed_in_batches(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let users: Vec<UserStore> = (0..5).map(|_| store.other_user()).collect();
    for user in &users {
        upload(user, &edit("1", "one")).await;
    }
    assert_eq!(invalidate(&store, 9, 2).await, 5);
    for user in &users {
        let head = user.head().await;
        assert_eq!((head.time, head.version_floor), (head.purged_through, 1_000_000));
    }
}

pub(crate) async fn a_closed_account_stays_as_it_is(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    upload(&store, &edit("1", "one")).await;
    store.data.erase(store.user, at_second(2), 100).await.expect("the write succeeds");
    assert_eq!(invalidate(&store, 9, 10).await, 0);
}
