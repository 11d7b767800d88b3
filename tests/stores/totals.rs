//! Contract of [`shared::storage::SyncStore`] about size and digest of an account: every write updates both, and they are what
//! computing them from all rows results in.

use fastrand::Rng;
use shared::models::{Change, ChangeId, ConflictId, Edit, ItemType, Quota, Strategy, Timestamp, limits};
use shared::storage::Commit;
use shared::sync::{
    Append, Choice, ReadSet, ResolutionRequest, ResolveOutcome, RestoreOutcome, RestoreRequest, Totals, Upload, decide,
    resolve, restore,
};

use crate::fixtures::{at_day, at_second, content, device, key, query};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::UserStore;

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, totals:
            totals_after_any_writes_are_those_of_the_rows,
            a_purge_subtracts_what_it_removes,
            a_stale_digest_is_not_shown_until_it_is_computed,
            an_append_without_room_adds_nothing,
            receipts_outlive_their_item,
        }
    };
}
pub(crate) use suite;

async fn totals(store: &UserStore) -> Totals {
    store.data.status(store.user.into()).await.expect("the read succeeds").totals
}

/// Makes the digest stale, as a release does that does not know it, and has it computed from all rows.
async fn computed_totals(store: &UserStore) -> Totals {
    let stale = PlanBuilder::on(store.head().await).at(store.head().await.time.next_millisecond()).build();
    assert_eq!(store.commit(&stale).await.expect("the write succeeds"), Commit::Applied);
    assert!(totals(store).await.is_digest_stale);
    while store.data.repair_totals(1, 1).await.expect("the write succeeds") > 0 {}
    totals(store).await
}

async fn upload(
    store: &UserStore,
    device_id: &str,
    strategy: Strategy,
    changes: Vec<Change>,
    now: Timestamp,
) -> Vec<ConflictId> {
    let changes = changes.into_iter().map(Ok).collect();
    let upload = Upload { device: device(device_id), last_sync_at: Some(now), strategy, changes };
    let snapshot = store.data.load(store.user.into(), &ReadSet::for_upload(&upload)).await.expect("the read succeeds");
    let plan = decide(snapshot, &upload, Quota::default(), now).plan;
    if !plan.is_empty() {
        assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
    }
    plan.conflicts.into_iter().map(|conflict| conflict.id).collect()
}

fn change(rng: &mut Rng, number: usize, now: Timestamp) -> Change {
    let item_type = ItemType::ALL[rng.usize(..3)];
    let id =
        if item_type == ItemType::QueryHistory { format!("h{}", rng.u8(..20)) } else { format!("i{}", rng.u8(..3)) };
    let key = key(item_type, &id);
    let edit = if rng.u8(..5) == 0 {
        Edit::Delete
    } else {
        let content = content(&key, &"é\"\n".repeat(rng.usize(..40)));
        Edit::Put { content, created_at: None, expects_item: rng.bool() }
    };
    let updated_at = now.plus_seconds(rng.i64(-3..3));
    Change { id: ChangeId::new_unchecked(format!("c{number}")), key, edit, updated_at, base: rng.i64(..6) }
}

pub(crate) async fn totals_after_any_writes_are_those_of_the_rows(factory: SyncFactory<'_>) {
    let mut rng = Rng::with_seed(7);
    for _ in 0..3 {
        let store = UserStore::new(factory).await;
        let mut conflicts: Vec<ConflictId> = Vec::new();
        for round in 0..60 {
            let now = at_second(round * 60);
            match rng.u8(..10) {
                0 => resolve_one(&store, &mut rng, &conflicts, now).await,
                1 => restore_one(&store, &mut rng, now).await,
                2 => {
                    let cutoff = now.plus_seconds(-rng.i64(0..1_200));
                    store.data.purge(cutoff, 1 + rng.usize(..4), 1).await.expect("the write succeeds");
                }
                3 => append(&store, &mut rng, round, now).await,
                _ => {
                    let number = rng.usize(1..5);
                    let changes = (0..number).map(|index| change(&mut rng, round as usize * 10 + index, now)).collect();
                    let strategy = Strategy::ALL[rng.usize(..4)];
                    let device_id = ["laptop", "phone"][rng.usize(..2)];
                    conflicts.extend(upload(&store, device_id, strategy, changes, now).await);
                }
            }
        }
        let written = totals(&store).await;
        assert!(written.size.bytes > 0 && !written.is_digest_stale, "{written:?}");
        assert_eq!(written, computed_totals(&store).await);
    }
}

async fn resolve_one(store: &UserStore, rng: &mut Rng, conflicts: &[ConflictId], now: Timestamp) {
    let Some(id) = rng.choice(conflicts) else { return };
    let choice = [Choice::LastWriteWins, Choice::KeepBoth, Choice::Local, Choice::Remote][rng.usize(..4)].clone();
    let request =
        ResolutionRequest { id: ChangeId::new_unchecked(format!("r{}", rng.u32(..))), choice, revision: None };
    let read_set = ReadSet::for_resolution(id, &request.id);
    let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
    if let Some(ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _)) =
        resolve(&snapshot, id, &request, Quota::default(), now)
    {
        assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
    }
}

async fn restore_one(store: &UserStore, rng: &mut Rng, now: Timestamp) {
    let key = query(&format!("i{}", rng.u8(..3)));
    let Some(page) = store.data.versions(store.user.into(), &key, None, 99).await.expect("the read succeeds") else {
        return;
    };
    let version = page.versions[rng.usize(..page.versions.len())].version.sync_version;
    let expected = page.versions[0].version.sync_version;
    let id = ChangeId::new_unchecked(format!("s{}", rng.u32(..)));
    let read_set = ReadSet::for_restore(&key, version, &id);
    let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
    let request = RestoreRequest { id, key, version, expected };
    if let RestoreOutcome::Restored(plan, _) = restore(&snapshot, &request, Quota::default(), now) {
        assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
    }
}

async fn append(store: &UserStore, rng: &mut Rng, round: i64, now: Timestamp) {
    let entries = (0..rng.i64(1..6)).map(|index| {
        let key = key(ItemType::QueryHistory, &format!("h{}", (round + index) % 20));
        let edit = Edit::Put { content: content(&key, "select 1"), created_at: None, expects_item: false };
        let id = ChangeId::new_unchecked(format!("a{round} {index}"));
        Ok(Change { id, key, edit, updated_at: now, base: 0 })
    });
    let (strategy, changes) = (Strategy::LastWriteWins, entries.collect());
    let upload = Upload { device: device("desk"), last_sync_at: None, strategy, changes };
    let append = Append::from_upload(&upload, Quota::default(), now).expect("history entries only");
    store.data.append(store.user.into(), &append, "test/1", now).await.expect("the write succeeds");
}

pub(crate) async fn a_purge_subtracts_what_it_removes(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let put = |id: &str, text: &str, base: i64| {
        let key = query("a");
        let edit = Edit::Put { content: content(&key, text), created_at: None, expects_item: false };
        Change { id: ChangeId::new_unchecked(id), key, edit, updated_at: at_day(0), base }
    };
    upload(&store, "laptop", Strategy::UserChoice, vec![put("1", "one", 0), put("2", "two", 1)], at_day(0)).await;
    upload(&store, "phone", Strategy::LastWriteWins, vec![put("3", "three", 1)], at_day(0)).await;
    let delete = Change { edit: Edit::Delete, ..put("4", "", 2) };
    upload(&store, "laptop", Strategy::UserChoice, vec![delete], at_day(1)).await;
    let before = totals(&store).await;
    while store.data.purge(at_day(9), 1, 1).await.expect("the write succeeds").total() > 0 {}
    let after = totals(&store).await;
    assert!(
        after.size.bytes > 0 && after.size.bytes < before.size.bytes / 4,
        "the receipts are left: {before:?} {after:?}"
    );
    assert_eq!(after, computed_totals(&store).await);
}

pub(crate) async fn a_stale_digest_is_not_shown_until_it_is_computed(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert_eq!(store.page(at_second(0), 9).await.digest, Some(Totals::default().digest));
    store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await;
    assert_eq!(store.page(at_second(0), 9).await.digest, None, "the plan does not know the digest");
    assert_eq!(store.data.repair_totals(100, 1).await.expect("the write succeeds"), 1);
    let digest = store.page(at_second(0), 9).await.digest.expect("the digest is known");
    assert_eq!(digest.saved_queries.count, 1);
    assert_eq!(store.data.repair_totals(100, 1).await.expect("the write succeeds"), 0);
}

pub(crate) async fn an_append_without_room_adds_nothing(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let quota = Quota { bytes: 100_000, items: 8 };
    let append = async |first: i64, count: i64| {
        let entries = (first..first + count).map(|number| {
            let key = key(ItemType::QueryHistory, &number.to_string());
            let edit = Edit::Put { content: content(&key, "select 1"), created_at: None, expects_item: false };
            Ok(Change { id: ChangeId::new_unchecked("x"), key, edit, updated_at: at_second(1), base: 0 })
        });
        let (strategy, changes) = (Strategy::LastWriteWins, entries.collect());
        let upload = Upload { device: device("desk"), last_sync_at: None, strategy, changes };
        let append = Append::from_upload(&upload, quota, at_second(2)).expect("history entries only");
        store.data.append(store.user.into(), &append, "test/1", at_second(2)).await.expect("the write succeeds")
    };
    assert!(append(0, 3).await.is_some());
    assert_eq!(append(3, 2).await, None, "half of the quota is for the history");
    assert!(append(3, 1).await.is_some());
    assert_eq!((store.all_items().await.len(), totals(&store).await.digest.query_history), (4, 4));
    assert_eq!(totals(&store).await, computed_totals(&store).await);
}

/// The receipts of an item's last changes are in its row.
pub(crate) async fn receipts_outlive_their_item(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let key = query("a");
    let change = |number: usize| Change {
        id: ChangeId::new_unchecked(format!("c{number}")),
        key: key.clone(),
        edit: Edit::Put { content: content(&key, &number.to_string()), created_at: None, expects_item: false },
        updated_at: at_day(0),
        base: 0,
    };
    let all: Vec<Change> = (0..40).map(change).collect();
    for part in all.chunks(7) {
        upload(&store, "laptop", Strategy::UserChoice, part.to_vec(), at_day(0)).await;
    }
    let receipts = async || {
        let changes = all.iter().cloned().map(Ok).collect();
        let upload = Upload { device: device("laptop"), last_sync_at: None, strategy: Strategy::UserChoice, changes };
        let snapshot =
            store.data.load(store.user.into(), &ReadSet::for_upload(&upload)).await.expect("the read succeeds");
        let recent = snapshot.items.get(&key).map_or(0, |stored| stored.recent.len());
        (recent + snapshot.receipts.len(), recent)
    };
    let (known, recent) = receipts().await;
    assert!(known == 40 && (1..=16).contains(&recent), "{known} {recent}");
    let delete = Change { edit: Edit::Delete, ..change(99) };
    upload(&store, "laptop", Strategy::UserChoice, vec![delete], at_day(0)).await;
    while store.data.purge(at_day(limits::RETENTION_DAYS), 3, 1).await.expect("the write succeeds").total() > 0 {}
    assert!(store.item(&key).await.is_none());
    assert_eq!(receipts().await, (40, 0));
}
