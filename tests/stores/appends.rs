//! The law of [`shared::storage::SyncStore::append`]: the history grows at its end, and only by what is new.

use shared::models::{Change, ChangeId, Edit, ItemKey, ItemType, Strategy, Timestamp};
use shared::storage::{Commit, StoreError};
use shared::sync::{Append, ReadSet, Upload, decide};
use tokio::task::JoinSet;

use crate::fixtures::{content, device, key, query, second, text};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, appends:
            entries_are_added_in_order,
            an_append_does_what_a_commit_would,
            what_is_known_stays_as_it_is,
            what_was_deleted_stays_deleted,
            a_clock_that_runs_backwards_moves_no_head_back,
            a_large_append_is_one_transaction,
            appends_and_commits_at_once_form_a_line,
            nothing_is_appended_for_an_account_that_is_deleted,
        }
    };
}
pub(crate) use suite;

fn entry(id: &str) -> ItemKey {
    key(ItemType::QueryHistory, id)
}

/// An upload of these entries by `device_id`.
pub(crate) fn upload(device_id: &str, ids: &[&str], query: &str) -> Upload {
    let changes = ids.iter().map(|id| Change {
        id: ChangeId::parse(id).expect("an id"),
        key: entry(id),
        edit: Edit::Put { content: content(&entry(id), query), created_at: None, expects_item: false },
        updated_at: second(1),
        base: 0,
    });
    let strategy = Strategy::LastWriteWins;
    Upload { device: device(device_id), last_sync_at: None, strategy, changes: changes.map(Ok).collect() }
}

impl Line {
    /// Appends at the time `now`, and returns the head.
    async fn appends(&self, upload: &Upload, now: Timestamp) -> Timestamp {
        let append = Append::from_upload(upload, now).expect("nothing but history");
        self.data.append(self.user, &append, "test/1", now).await.expect("the store writes")
    }

    async fn synced(&self) -> Vec<(String, i64)> {
        let status = self.data.status(self.user).await.expect("the store answers");
        let counts = status.devices.iter().map(|device| (device.id.as_str().to_owned(), device.total_synced));
        counts.collect()
    }
}

pub(crate) async fn entries_are_added_in_order(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let head = line.appends(&upload("laptop", &["b", "a", "c"], "select 1"), second(5)).await;
    let page = line.page(Timestamp::EPOCH, 10).await;
    let ids: Vec<_> = page.items.iter().map(|(key, _)| key.id.as_str()).collect();
    assert_eq!(ids, ["b", "a", "c"]);
    let times: Vec<_> = page.items.iter().map(|(_, stored)| stored.seq.micros() - second(5).micros()).collect();
    assert_eq!(times, [1_000, 2_000, 3_000]);
    assert_eq!((page.head.time, head), (page.items[2].1.seq, page.items[2].1.seq));
    assert_eq!(line.synced().await, [("laptop".to_owned(), 3)]);
}

pub(crate) async fn an_append_does_what_a_commit_would(place: SyncPlace<'_>) {
    let appending = Line::new(place).await;
    let committing = appending.neighbour();
    for (place, ids) in [&["a", "b", "a"] as &[_], &["b", "c"], &["d"]].iter().enumerate() {
        let (upload, now) = (upload("laptop", ids, "select 1"), second(place as i64));
        let head = appending.appends(&upload, now).await;
        let snapshot =
            committing.data.load(committing.user, &ReadSet::for_upload(&upload)).await.expect("the store answers");
        let decision = decide(snapshot, &upload, now);
        assert_eq!(committing.commit(&decision.plan).await.expect("the store writes"), Commit::Applied);
        assert_eq!(head, decision.plan.new_head);
        assert_eq!(Append::decision(&upload, head).results, decision.results);
    }
    assert_eq!(appending.everything().await, committing.everything().await);
    assert_eq!(appending.synced().await, committing.synced().await);
}

pub(crate) async fn what_is_known_stays_as_it_is(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let first = line.appends(&upload("laptop", &["a"], "select 1"), second(1)).await;
    assert_eq!(line.appends(&upload("phone", &["a"], "select 2"), second(2)).await, first, "the head stays");
    let stored = line.item(&entry("a")).await.expect("it is there");
    assert_eq!((text(&stored.item.expect("live").content), stored.device.as_str()), ("select 1", "laptop"));
    assert_eq!(line.synced().await, [("laptop".to_owned(), 1)], "a repeat counts nothing");
}

pub(crate) async fn what_was_deleted_stays_deleted(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.appends(&upload("laptop", &["a", "b"], "select 1"), second(1)).await;
    let deletion = Change { edit: Edit::Delete, ..upload("laptop", &["a"], "").changes.remove(0).expect("a change") };
    let deletion = Upload { changes: vec![Ok(deletion)], ..upload("laptop", &[], "") };
    let snapshot = line.data.load(line.user, &ReadSet::for_upload(&deletion)).await.expect("the store answers");
    line.commit(&decide(snapshot, &deletion, second(2)).plan).await.expect("the store writes");
    for purged in [false, true] {
        line.appends(&upload("phone", &["a", "b", "c"], "select 1"), second(3)).await;
        let living = line.page_of_living(Timestamp::EPOCH, 10).await;
        let ids: Vec<_> = living.items.iter().map(|(key, _)| key.id.as_str()).collect();
        assert_eq!(ids, ["b", "c"], "purged: {purged}");
        line.data.purge(second(9_999), 10).await.expect("the store writes");
    }
}

pub(crate) async fn a_clock_that_runs_backwards_moves_no_head_back(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let first = line.appends(&upload("laptop", &["a"], "select 1"), second(9)).await;
    let next = line.appends(&upload("laptop", &["b"], "select 1"), second(1)).await;
    assert_eq!(next, first.next_millisecond());
}

pub(crate) async fn a_large_append_is_one_transaction(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let ids: Vec<String> = (0..500).map(|place| place.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    // Three parameters' worth.
    let large = upload("laptop", &ids, &"x".repeat(20_000));
    let head = line.appends(&large, second(1)).await;
    assert_eq!(head.micros() - second(1).micros(), 500_000, "each has a place of its own");
    assert_eq!(line.appends(&large, second(2)).await, head);
    let pages = line.pages(1_000).await;
    let order: Vec<_> = pages.iter().flat_map(|page| &page.items).map(|(key, _)| key.id.as_str()).collect();
    assert_eq!(order, ids);
    assert_eq!(line.synced().await, [("laptop".to_owned(), 500)]);
}

pub(crate) async fn appends_and_commits_at_once_form_a_line(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let line = line.clone();
        writers.spawn(async move {
            for round in 0..10 {
                let id = format!("{writer} {round}");
                if writer % 2 == 0 {
                    line.appends(&upload("laptop", &[&id, &format!("{id} too")], "select 1"), second(1)).await;
                } else {
                    line.insist(|draft| draft.put(&query(&id), content(&query(&id), "select 1"))).await;
                }
            }
        });
    }
    writers.join_all().await;
    let everything = line.everything().await;
    let mut times: Vec<_> = everything.values().map(|stored| stored.seq).collect();
    times.sort();
    times.dedup();
    assert_eq!((everything.len(), times.len()), (60, 60));
    assert_eq!(line.head().await.time, times[59]);
}

pub(crate) async fn nothing_is_appended_for_an_account_that_is_deleted(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.data.erase(line.user, second(1), 10).await.expect("the store writes");
    let append = Append::from_upload(&upload("laptop", &["a"], "select 1"), second(2)).expect("nothing but history");
    let refused = line.data.append(line.user, &append, "test/1", second(2)).await;
    assert!(matches!(refused, Err(StoreError::AccountDeleted)), "{refused:?}");
    assert_eq!(line.item(&entry("a")).await, None);
    assert!(line.data.erase(line.user, second(3), 10).await.expect("the store writes"), "nothing is left of it");
}
