//! The decision, on a real store, beside a model that is slow and plain: it is written from what clients are promised, and
//! knows nothing of receipts, branches and heads. Three devices edit three saved queries, on whatever version, and send some
//! of it again.
#![no_main]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use shared::models::{
    Change, ChangeId, ConflictId, Content, DeviceId, Edit, ItemId, ItemKey, ItemType, SavedQuery, Strategy, Timestamp,
    UserId,
};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::LibsqlSync;
use shared::storage::{Commit, Feed, SyncStore};
use shared::sync::{Outcome, Touched, Upload, decide};
use tokio::runtime::Runtime;

const DEVICES: [&str; 3] = ["laptop", "phone", "tablet"];
const ITEMS: [&str; 3] = ["orders", "users", "stock"];
const START: i64 = 1_800_000_000_000_000;

/// What the model knows of an item.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// `None` once it is deleted.
    text: Option<String>,
    version: i64,
    device: usize,
    edited_at: Timestamp,
}

/// What the model expects of a change.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Applied(i64),
    Conflict,
}

#[derive(Default)]
struct Model {
    items: BTreeMap<usize, Known>,
    /// What each change was answered, by who sent it and its id.
    answers: BTreeMap<(usize, String), (Expected, Option<ConflictId>)>,
}

/// One edit.
struct Step {
    device: usize,
    strategy: Strategy,
    item: usize,
    text: Option<String>,
    base: i64,
    at: Timestamp,
}

impl Step {
    fn id(&self) -> String {
        format!("{} {:?} {} {}", self.item, self.text, self.base, self.at)
    }
}

impl Model {
    /// What becomes of `step` at `now`, and what is there afterwards.
    fn takes(&mut self, step: &Step, now: Timestamp) -> Expected {
        if let Some((answer, _)) = self.answers.get(&(step.device, step.id())) {
            return answer.clone();
        }
        let expected = self.decides(step, now);
        self.answers.insert((step.device, step.id()), (expected.clone(), None));
        expected
    }

    fn decides(&mut self, step: &Step, now: Timestamp) -> Expected {
        let edited_at = step.at.min(now);
        let next = |version| Known { text: step.text.clone(), version, device: step.device, edited_at };
        let Some(stored) = self.items.get(&step.item).cloned() else {
            if step.text.is_none() {
                return Expected::Applied(0);
            }
            self.items.insert(step.item, next(1));
            return Expected::Applied(1);
        };
        if stored.text == step.text {
            return Expected::Applied(stored.version);
        }
        if stored.device == step.device || stored.version == step.base {
            self.items.insert(step.item, next(stored.version + 1));
            return Expected::Applied(stored.version + 1);
        }
        if step.strategy == Strategy::LastWriteWins && edited_at > stored.edited_at {
            self.items.insert(step.item, next(stored.version + 1));
        }
        Expected::Conflict
    }
}

fn key(item: usize) -> ItemKey {
    ItemKey { item_type: ItemType::SavedQuery, id: ItemId::parse(ITEMS[item]).expect("an id") }
}

fn upload(step: &Step) -> Upload {
    let edit = step.text.clone().map_or(Edit::Delete, |query| Edit::Put {
        content: Arc::new(Content::SavedQuery(SavedQuery {
            name: "n".to_owned(),
            description: None,
            query,
            connection_id: None,
            tags: Vec::new(),
            favorite: false,
            metadata: BTreeMap::new(),
        })),
        created_at: None,
        expects_item: false,
    });
    let id = ChangeId::parse(&step.id()).expect("an id");
    let change = Change { id, key: key(step.item), edit, updated_at: step.at, base: step.base };
    let device = DeviceId::parse(DEVICES[step.device]).expect("an id");
    Upload { device, last_sync_at: None, strategy: step.strategy, changes: vec![change] }
}

/// The steps that `data` describes, five bytes each.
fn steps(data: &[u8]) -> Vec<Step> {
    let step = |bytes: &[u8]| Step {
        device: usize::from(bytes[0] % 3),
        strategy: Strategy::ALL[usize::from(bytes[0] / 3 % 3)],
        item: usize::from(bytes[1] % 3),
        text: (bytes[2] % 8 > 0).then(|| format!("select {}", bytes[2] % 8)),
        base: i64::from(bytes[3] % 6),
        at: Timestamp::from_micros(START).plus_seconds(i64::from(bytes[4]) - 100),
    };
    data.chunks_exact(5).take(24).map(step).collect()
}

thread_local! {
    static STORE: OnceCell<(Runtime, LibsqlSync)> = const { OnceCell::new() };
}

fn store() -> (Runtime, LibsqlSync) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let store = runtime.block_on(async {
        let embedded = Embedded::open(&tests::scratch().keep()).await.expect("the file opens");
        embedded.migrate().await.expect("the tables are made");
        embedded.sync()
    });
    (runtime, store)
}

/// Uploads `step` as the endpoint does, and returns what became of it.
async fn takes(store: &LibsqlSync, user: UserId, step: &Step, now: Timestamp) -> Outcome {
    let upload = upload(step);
    let snapshot = store.load(user, &Touched::by(&upload)).await.expect("the store answers");
    let mut decision = decide(snapshot, &upload, now);
    if !decision.plan.is_empty() {
        let committed = store.commit(user, &decision.plan, "", now).await.expect("the store answers");
        assert_eq!(committed, Commit::Applied, "nobody else writes");
    }
    decision.outcomes.remove(0)
}

/// The text of an item, whether it is there, and its version.
async fn stored(store: &LibsqlSync, user: UserId, item: usize) -> Option<(Option<String>, i64)> {
    let stored = store.item(user, &key(item)).await.expect("the store answers")?;
    let text = stored.item.as_ref().filter(|_| stored.is_live()).map(|item| match &*item.content {
        Content::SavedQuery(query) => query.query.clone(),
        _ => unreachable!("there are saved queries alone"),
    });
    Some((text, stored.version))
}

async fn compare(store: &LibsqlSync, steps: &[Step]) {
    let user = shared::clock::random_uuid(&shared::clock::SystemRandom);
    let mut model = Model::default();
    for (place, step) in steps.iter().enumerate() {
        let now = Timestamp::from_micros(START).plus_seconds(place as i64);
        let expected = model.takes(step, now);
        let outcome = takes(store, user, step, now).await;
        let told = &mut model.answers.get_mut(&(step.device, step.id())).expect("it was answered").1;
        match (&expected, &outcome) {
            (Expected::Applied(version), Outcome::Applied(given)) => assert_eq!(version, given, "step {place}"),
            (Expected::Conflict, Outcome::Conflict(id)) => {
                assert_eq!(told.get_or_insert_with(|| id.clone()), id, "a repeat is answered alike, step {place}");
            }
            other => panic!("step {place}: {other:?}"),
        }
        for item in 0..ITEMS.len() {
            let known = model.items.get(&item).map(|known| (known.text.clone(), known.version));
            assert_eq!(stored(store, user, item).await, known, "{} after step {place}", ITEMS[item]);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    STORE.with(|cell| {
        let (runtime, store) = cell.get_or_init(store);
        runtime.block_on(compare(store, &steps(data)));
    });
});
