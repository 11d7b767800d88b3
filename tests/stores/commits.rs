//! Contract of [`shared::storage::SyncStore::commit`]: a plan is written atomically, and only if the head is the one it
//! expects.

use shared::models::{Change, ChangeId, Edit, ItemKey, ItemType, Quota, Strategy, Timestamp};
use shared::storage::Commit;
use shared::sync::{Head, Plan, ReadSet, Upload, decide};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, conflict, content, device, key, query, text};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, items_of};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

const COMMITTERS: usize = 8;
const UPLOADS_EACH: usize = 12;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, commits:
            a_plan_is_written_completely,
            the_second_plan_for_the_same_head_is_refused,
            a_plan_for_an_unknown_head_is_refused,
            one_of_several_concurrent_plans_for_the_same_head_is_written,
            concurrent_uploads_are_serialized,
            concurrent_uploads_through_several_handles_are_serialized,
            a_failed_plan_writes_nothing,
            a_failed_first_plan_creates_no_user,
            large_items_are_written_in_one_transaction,
            many_small_rows_are_written_in_one_transaction,
            committed_data_is_visible_to_a_new_handle,
            users_are_isolated,
        }
    };
}
pub(crate) use suite;

pub(crate) async fn a_plan_is_written_completely(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let keys = ItemType::ALL.map(|item_type| key(item_type, "same id"));
    let plan = store
        .write(|builder| {
            let builder = keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")));
            builder.conflict(conflict("c", &keys[0])).receipt("change", &keys[1], None).device_stats(3, 1)
        })
        .await;

    assert_eq!(store.all_items().await, items_of(&plan));
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!(status.head, Head { time: plan.new_head, ..Head::default() });
    assert_eq!((status.items, status.open_conflicts), ([1, 1, 1], 1));
    let device = &status.devices[0];
    assert_eq!((device.total_synced, device.conflicts_count, device.version.as_str()), (3, 1, "test/1"));
    assert_eq!(device.last_sync_at, at_second(60));
}

pub(crate) async fn the_second_plan_for_the_same_head_is_refused(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = store.write(|builder| builder.put(&query("a"), content(&query("a"), "first"))).await;
    let stale = PlanBuilder::on(first.expected).put(&query("a"), content(&query("a"), "stale"));
    let stale = stale.put(&query("b"), content(&query("b"), "stale"));
    let stale =
        stale.conflict(conflict("c", &query("a"))).receipt("stale", &query("a"), None).device_stats(9, 9).build();

    assert_eq!(store.commit(&stale).await.expect("a refusal is not an error"), Commit::HeadMoved);

    assert_eq!(store.all_items().await, items_of(&first));
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!((status.head.time, status.open_conflicts), (first.new_head, 0));
    assert!(status.devices.is_empty(), "{:?}", status.devices);
    let again = PlanBuilder::on(status.head).receipt("stale", &query("a"), None).build();
    assert_eq!(store.commit(&again).await.expect("the refused plan left no receipt"), Commit::Applied);
}

pub(crate) async fn a_plan_for_an_unknown_head_is_refused(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let unknown_head = Head { time: at_second(99), ..Head::default() };
    let plan = PlanBuilder::on(unknown_head).put(&query("a"), content(&query("a"), "text")).build();

    assert_eq!(store.commit(&plan).await.expect("a refusal is not an error"), Commit::HeadMoved);

    assert_eq!((store.head().await, store.all_items().await.len()), (Head::default(), 0));
}

pub(crate) async fn one_of_several_concurrent_plans_for_the_same_head_is_written(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for round in 0..10 {
        let head = store.head().await;
        let mut tasks = JoinSet::new();
        for task in 0..COMMITTERS {
            let (store, key) = (store.clone(), query(&format!("{round} {task}")));
            let plan = PlanBuilder::on(head).put(&key, content(&key, "text")).build();
            tasks.spawn(async move { store.commit(&plan).await.expect("a refusal is not an error") });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Commit::Applied).count(), 1, "{outcomes:?}");
        assert_eq!(store.all_items().await.len(), round + 1);
    }
}

/// Uploads as the service does, retrying while the head moves, and returns the committed plan.
async fn upload(store: &UserStore, upload: &Upload) -> Plan {
    loop {
        let snapshot =
            store.data.load(store.user.into(), &ReadSet::for_upload(upload)).await.expect("the read succeeds");
        let plan = decide(snapshot, upload, Quota::default(), at_second(10)).plan;
        if store.commit(&plan).await.expect("the write succeeds") == Commit::Applied {
            return plan;
        }
        tokio::task::yield_now().await;
    }
}

fn change(id: &str, key: &ItemKey, text: &str) -> Change {
    let edit = Edit::Put { content: content(key, text), created_at: None, expects_item: false };
    Change { id: ChangeId::parse(id).expect("a valid id"), key: key.clone(), edit, updated_at: at_second(5), base: 0 }
}

/// Returns the upload of `device_id` in round `round`: a new item, and an item that the device rewrites in every round.
/// No other device writes either.
fn upload_of_round(device_id: &str, round: usize) -> Upload {
    let (unique, rewritten) = (query(&format!("{device_id} {round}")), query(device_id));
    let text = round.to_string();
    let changes =
        [change(&format!("unique {round}"), &unique, &text), change(&format!("rewritten {round}"), &rewritten, &text)];
    Upload {
        device: device(device_id),
        last_sync_at: None,
        strategy: Strategy::LastWriteWins,
        changes: changes.map(Ok).into(),
    }
}

async fn upload_concurrently(stores: Vec<UserStore>) -> Vec<Plan> {
    let mut devices = JoinSet::new();
    for (index, store) in stores.into_iter().enumerate() {
        devices.spawn(async move {
            let mut plans = Vec::new();
            for round in 0..UPLOADS_EACH {
                plans.push(upload(&store, &upload_of_round(&format!("device {index}"), round)).await);
            }
            plans
        });
    }
    devices.join_all().await.into_iter().flatten().collect()
}

/// Asserts that every plan starts at the head where another plan ends, up to `end`.
fn assert_serialized(mut plans: Vec<Plan>, end: Timestamp) {
    plans.sort_by_key(|plan| plan.expected.time);
    let mut head = Timestamp::EPOCH;
    for plan in plans {
        assert_eq!(plan.expected.time, head);
        assert!(plan.new_head > head);
        head = plan.new_head;
    }
    assert_eq!(head, end);
}

async fn assert_nothing_lost(store: &UserStore, devices: usize) {
    let items = store.all_items().await;
    assert_eq!(items.len(), devices * (UPLOADS_EACH + 1));
    for index in 0..devices {
        let rewritten = &items[&query(&format!("device {index}"))];
        assert_eq!(rewritten.version, i64::try_from(UPLOADS_EACH).expect("the count fits"));
        let last = (UPLOADS_EACH - 1).to_string();
        assert_eq!(rewritten.item.as_ref().map(|item| text(&item.content)), Some(last.as_str()));
    }
    let mut sequence_times: Vec<Timestamp> = items.values().map(|stored| stored.seq).collect();
    sequence_times.sort();
    sequence_times.dedup();
    assert_eq!(sequence_times.len(), items.len(), "two items share a sequence time");
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    let synced: Vec<i64> = status.devices.iter().map(|device| device.total_synced).collect();
    assert_eq!(synced, vec![2 * i64::try_from(UPLOADS_EACH).expect("the count fits"); devices]);
}

pub(crate) async fn concurrent_uploads_are_serialized(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plans = upload_concurrently(vec![store.clone(); COMMITTERS]).await;
    assert_serialized(plans, store.head().await.time);
    assert_nothing_lost(&store, COMMITTERS).await;
}

pub(crate) async fn concurrent_uploads_through_several_handles_are_serialized(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other = store.reopen(factory).await;
    let plans = upload_concurrently(vec![store.clone(), other.clone(), store.clone(), other]).await;
    assert_serialized(plans, store.head().await.time);
    assert_nothing_lost(&store, 4).await;
}

/// Builds a plan that every store refuses, because it adds a history entry with the content of a saved query.
fn failing(builder: PlanBuilder) -> Plan {
    let entry = key(ItemType::QueryHistory, "bad");
    let builder = builder.device_stats(9, 9).receipt("a", &query("a"), None);
    builder.put(&entry, content(&query("a"), "one")).build()
}

pub(crate) async fn a_failed_plan_writes_nothing(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let before =
        store.write(|builder| builder.put(&query("a"), content(&query("a"), "before")).device_stats(1, 0)).await;
    let keys = ItemType::ALL.map(|item_type| key(item_type, "new"));
    let builder =
        keys.iter().fold(PlanBuilder::on(store.head().await), |builder, key| builder.put(key, content(key, "new")));
    let builder = builder.put(&query("a"), content(&query("a"), "after")).conflict(conflict("c", &query("a")));

    assert!(store.commit(&failing(builder)).await.is_err());

    assert_eq!(store.all_items().await, items_of(&before));
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!((status.head.time, status.open_conflicts), (before.new_head, 0));
    assert_eq!(status.devices[0].total_synced, 1);
    store.write(|builder| builder.receipt("again", &query("a"), None)).await;
}

pub(crate) async fn a_failed_first_plan_creates_no_user(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let builder = PlanBuilder::on(Head::default()).put(&query("a"), content(&query("a"), "text"));

    assert!(store.commit(&failing(builder)).await.is_err());

    assert_eq!(
        store.data.status(store.user.into()).await.expect("the read succeeds"),
        shared::storage::Status::default()
    );
    store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await;
}

/// Adds nine items of one megabyte each.
fn large(builder: PlanBuilder) -> PlanBuilder {
    (0..9).fold(builder, |builder, index| {
        let key = query(&format!("large {index}"));
        let text = content(&key, &"é\"".repeat(250_000));
        builder.put(&key, text)
    })
}

pub(crate) async fn large_items_are_written_in_one_transaction(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert!(store.commit(&failing(large(PlanBuilder::on(Head::default())))).await.is_err());
    assert_eq!(store.all_items().await.len(), 0);
    let plan = store.write(large).await;
    assert_eq!(store.all_items().await, items_of(&plan));
}

/// Adds the maximum number of changes of an upload.
fn many(builder: PlanBuilder) -> PlanBuilder {
    (0..5_000).fold(builder, |builder, index| {
        let key = query(&format!("{index:0>128}"));
        builder.put(&key, content(&key, &"x".repeat(1_000))).receipt(&format!("{index:0>128}"), &key, None)
    })
}

pub(crate) async fn many_small_rows_are_written_in_one_transaction(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert!(store.commit(&failing(many(PlanBuilder::on(Head::default())))).await.is_err());
    assert_eq!(store.all_items().await.len(), 0);
    let plan = store.write(many).await;
    assert_eq!(store.all_items().await, items_of(&plan));
}

pub(crate) async fn committed_data_is_visible_to_a_new_handle(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await;
    let user = store.user;
    drop(store);
    let reopened = UserStore { data: factory.open().await, user };
    assert_eq!((reopened.all_items().await, reopened.head().await.time), (items_of(&plan), plan.new_head));
}

pub(crate) async fn users_are_isolated(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other_user = store.other_user();
    let ours = store.write(|builder| builder.put(&query("a"), content(&query("a"), "ours"))).await;
    let add_receipt =
        |builder: PlanBuilder| builder.receipt("change", &query("a"), None).conflict(conflict("c", &query("a")));
    store.write(add_receipt).await;

    let theirs = other_user.write(|builder| builder.put(&query("a"), content(&query("a"), "theirs"))).await;
    other_user.write(add_receipt).await;

    assert_eq!((store.all_items().await, other_user.all_items().await), (items_of(&ours), items_of(&theirs)));
}
