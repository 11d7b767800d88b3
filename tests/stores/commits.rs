//! The law of [`shared::storage::SyncStore::commit`]: a plan is written whole or not at all, and only on its head.

use shared::models::{Change, ChangeId, Edit, ItemKey, ItemType, Strategy, Timestamp};
use shared::storage::Commit;
use shared::sync::{Head, Plan, ReadSet, Upload, decide};
use tokio::task::JoinSet;

use crate::draft::Draft;
use crate::fixtures::{conflict, content, device, key, query, second, text};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

const COMMITTERS: usize = 8;
const UPLOADS_EACH: usize = 12;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, commits:
            a_plan_is_written_whole,
            of_two_plans_for_one_head_one_is_written,
            a_plan_for_a_head_that_never_was_is_not_written,
            of_racing_plans_for_one_head_one_is_written,
            racing_uploads_form_a_line,
            another_handle_races_by_the_same_rules,
            a_plan_that_fails_leaves_nothing_behind,
            a_failed_first_plan_leaves_no_trace_of_the_user,
            large_sets_are_one_transaction,
            many_small_rows_are_one_transaction,
            what_was_committed_outlives_its_handle,
            users_do_not_meet,
        }
    };
}
pub(crate) use suite;

pub(crate) async fn a_plan_is_written_whole(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let keys = ItemType::ALL.map(|item_type| key(item_type, "same id"));
    let plan = line
        .write(|draft| {
            let draft = keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")));
            draft.conflict(conflict("c", &keys[0])).receipt("change", &keys[1], None).device_stats(3, 1)
        })
        .await;

    assert_eq!(line.everything().await, plan.items);
    let status = line.data.status(line.user).await.expect("the store answers");
    assert_eq!(status.head, Head { time: plan.new_head, ..Head::default() });
    assert_eq!((status.items, status.open_conflicts), ([1, 1, 1], 1));
    let device = &status.devices[0];
    assert_eq!((device.total_synced, device.conflicts_count, device.version.as_str()), (3, 1, "test/1"));
    assert_eq!(device.last_sync_at, second(60));
}

pub(crate) async fn of_two_plans_for_one_head_one_is_written(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let first = line.write(|draft| draft.put(&query("a"), content(&query("a"), "first"))).await;
    let late = Draft::on(first.expected).put(&query("a"), content(&query("a"), "late"));
    let late = late.put(&query("b"), content(&query("b"), "late"));
    let late = late.conflict(conflict("c", &query("a"))).receipt("late", &query("a"), None).device_stats(9, 9).plan();

    assert_eq!(line.commit(&late).await.expect("a refusal is no fault"), Commit::HeadMoved);

    assert_eq!(line.everything().await, first.items);
    let status = line.data.status(line.user).await.expect("the store answers");
    assert_eq!((status.head.time, status.open_conflicts), (first.new_head, 0));
    assert!(status.devices.is_empty(), "{:?}", status.devices);
    let again = Draft::on(status.head).receipt("late", &query("a"), None).plan();
    assert_eq!(line.commit(&again).await.expect("no receipt is in the way"), Commit::Applied);
}

pub(crate) async fn a_plan_for_a_head_that_never_was_is_not_written(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let dreamt = Head { time: second(99), ..Head::default() };
    let plan = Draft::on(dreamt).put(&query("a"), content(&query("a"), "text")).plan();

    assert_eq!(line.commit(&plan).await.expect("a refusal is no fault"), Commit::HeadMoved);

    assert_eq!((line.head().await, line.everything().await.len()), (Head::default(), 0));
}

pub(crate) async fn of_racing_plans_for_one_head_one_is_written(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for round in 0..10 {
        let head = line.head().await;
        let mut racers = JoinSet::new();
        for racer in 0..COMMITTERS {
            let (line, key) = (line.clone(), query(&format!("{round} {racer}")));
            let plan = Draft::on(head).put(&key, content(&key, "text")).plan();
            racers.spawn(async move { line.commit(&plan).await.expect("the store answers") });
        }
        let outcomes = racers.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Commit::Applied).count(), 1, "{outcomes:?}");
        assert_eq!(line.everything().await.len(), round + 1);
    }
}

/// Uploads as the service does, until the store takes it, and returns the plan that it took.
async fn upload(line: &Line, upload: &Upload) -> Plan {
    loop {
        let snapshot = line.data.load(line.user, &ReadSet::for_upload(upload)).await.expect("the store answers");
        let plan = decide(snapshot, upload, second(10)).plan;
        if line.commit(&plan).await.expect("the store writes") == Commit::Applied {
            return plan;
        }
        tokio::task::yield_now().await;
    }
}

fn change(id: &str, key: &ItemKey, text: &str) -> Change {
    let edit = Edit::Put { content: content(key, text), created_at: None, expects_item: false };
    Change { id: ChangeId::parse(id).expect("an id"), key: key.clone(), edit, updated_at: second(5), base: 0 }
}

/// What `device_id` uploads in its `round`th round: an item of its own, and one that it shares with no other device but
/// writes again each time.
fn round_of(device_id: &str, round: usize) -> Upload {
    let (own, running) = (query(&format!("{device_id} {round}")), query(device_id));
    let text = round.to_string();
    let changes = [change(&format!("own {round}"), &own, &text), change(&format!("running {round}"), &running, &text)];
    Upload {
        device: device(device_id),
        last_sync_at: None,
        strategy: Strategy::LastWriteWins,
        changes: changes.map(Ok).into(),
    }
}

async fn race(lines: Vec<Line>) -> Vec<Plan> {
    let mut devices = JoinSet::new();
    for (place, line) in lines.into_iter().enumerate() {
        devices.spawn(async move {
            let mut plans = Vec::new();
            for round in 0..UPLOADS_EACH {
                plans.push(upload(&line, &round_of(&format!("device {place}"), round)).await);
            }
            plans
        });
    }
    devices.join_all().await.into_iter().flatten().collect()
}

/// Every plan starts where another ends: none was written beside another.
fn assert_line(mut plans: Vec<Plan>, end: Timestamp) {
    plans.sort_by_key(|plan| plan.expected.time);
    let mut head = Timestamp::EPOCH;
    for plan in plans {
        assert_eq!(plan.expected.time, head);
        assert!(plan.new_head > head);
        head = plan.new_head;
    }
    assert_eq!(head, end);
}

async fn assert_nothing_lost(line: &Line, devices: usize) {
    let items = line.everything().await;
    assert_eq!(items.len(), devices * (UPLOADS_EACH + 1));
    for place in 0..devices {
        let running = &items[&query(&format!("device {place}"))];
        assert_eq!(running.version, i64::try_from(UPLOADS_EACH).expect("few"));
        let last = (UPLOADS_EACH - 1).to_string();
        assert_eq!(running.item.as_ref().map(|item| text(&item.content)), Some(last.as_str()));
    }
    let mut times: Vec<Timestamp> = items.values().map(|stored| stored.seq).collect();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), items.len(), "two items have one place in the line");
    let status = line.data.status(line.user).await.expect("the store answers");
    let counted: Vec<i64> = status.devices.iter().map(|device| device.total_synced).collect();
    assert_eq!(counted, vec![2 * i64::try_from(UPLOADS_EACH).expect("few"); devices]);
}

pub(crate) async fn racing_uploads_form_a_line(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plans = race(vec![line.clone(); COMMITTERS]).await;
    assert_line(plans, line.head().await.time);
    assert_nothing_lost(&line, COMMITTERS).await;
}

pub(crate) async fn another_handle_races_by_the_same_rules(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let other = line.reopened(place).await;
    let plans = race(vec![line.clone(), other.clone(), line.clone(), other]).await;
    assert_line(plans, line.head().await.time);
    assert_nothing_lost(&line, 4).await;
}

/// A plan that no store can write: the same change twice.
fn poisoned(draft: Draft) -> Plan {
    draft.device_stats(9, 9).receipt("twice", &query("a"), None).receipt("twice", &query("a"), None).plan()
}

pub(crate) async fn a_plan_that_fails_leaves_nothing_behind(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let before = line.write(|draft| draft.put(&query("a"), content(&query("a"), "before")).device_stats(1, 0)).await;
    let kinds = ItemType::ALL.map(|item_type| key(item_type, "new"));
    let draft = kinds.iter().fold(Draft::on(line.head().await), |draft, key| draft.put(key, content(key, "new")));
    let draft = draft.put(&query("a"), content(&query("a"), "after")).conflict(conflict("c", &query("a")));

    assert!(line.commit(&poisoned(draft)).await.is_err());

    assert_eq!(line.everything().await, before.items);
    let status = line.data.status(line.user).await.expect("the store answers");
    assert_eq!((status.head.time, status.open_conflicts), (before.new_head, 0));
    assert_eq!(status.devices[0].total_synced, 1);
    line.write(|draft| draft.receipt("twice", &query("a"), None)).await;
}

pub(crate) async fn a_failed_first_plan_leaves_no_trace_of_the_user(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let draft = Draft::on(Head::default()).put(&query("a"), content(&query("a"), "text"));

    assert!(line.commit(&poisoned(draft)).await.is_err());

    assert_eq!(line.data.status(line.user).await.expect("the store answers"), shared::storage::Status::default());
    line.write(|draft| draft.put(&query("a"), content(&query("a"), "text"))).await;
}

/// Nine items that make up nine megabytes.
fn large(draft: Draft) -> Draft {
    (0..9).fold(draft, |draft, place| {
        let key = query(&format!("large {place}"));
        let text = content(&key, &"é\"".repeat(250_000));
        draft.put(&key, text)
    })
}

pub(crate) async fn large_sets_are_one_transaction(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    assert!(line.commit(&poisoned(large(Draft::on(Head::default())))).await.is_err());
    assert_eq!(line.everything().await.len(), 0);
    let plan = line.write(large).await;
    assert_eq!(line.everything().await, plan.items);
}

/// As many changes as an upload can hold.
fn many(draft: Draft) -> Draft {
    (0..5_000).fold(draft, |draft, place| {
        let key = query(&format!("{place:0>128}"));
        draft.put(&key, content(&key, &"x".repeat(1_000))).receipt(&format!("{place:0>128}"), &key, None)
    })
}

pub(crate) async fn many_small_rows_are_one_transaction(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    assert!(line.commit(&poisoned(many(Draft::on(Head::default())))).await.is_err());
    assert_eq!(line.everything().await.len(), 0);
    let plan = line.write(many).await;
    assert_eq!(line.everything().await, plan.items);
}

pub(crate) async fn what_was_committed_outlives_its_handle(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = line.write(|draft| draft.put(&query("a"), content(&query("a"), "text"))).await;
    let user = line.user;
    drop(line);
    let reopened = Line { data: place.open().await, user };
    assert_eq!((reopened.everything().await, reopened.head().await.time), (plan.items, plan.new_head));
}

pub(crate) async fn users_do_not_meet(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let neighbour = line.neighbour();
    let ours = line.write(|draft| draft.put(&query("a"), content(&query("a"), "ours"))).await;
    let receipts = |draft: Draft| draft.receipt("change", &query("a"), None).conflict(conflict("c", &query("a")));
    line.write(receipts).await;

    let theirs = neighbour.write(|draft| draft.put(&query("a"), content(&query("a"), "theirs"))).await;
    neighbour.write(receipts).await;

    assert_eq!((line.everything().await, neighbour.everything().await), (ours.items, theirs.items));
}
