//! Tabs that end in the middle of edits and syncs.
//!
//! `CRASHES` is the number of crashes (36 by default). `CRASH_SEED` selects a single one.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tests::TestUser;
use tokio::time::{sleep, timeout};

use super::assert_complete;
use super::browser::Tab;
use super::traffic::Place;
use super::world::World;

/// Number of items, each of which is edited in each round.
const ITEMS: usize = 320;

/// Number of groups in which a page writes them; see `write` in `test/browser/application.ts`.
const GROUPS: usize = ITEMS / 20;

/// Page size of the tab that ends.
const PAGE_SIZE: usize = 7;

const DATABASE: &str = "studio";

/// Time limit for a tab to reach the moment of its end.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_that_end_during_a_sync_lose_and_repeat_nothing() {
    let seeds = match variable::<u64>("CRASH_SEED") {
        Some(seed) => vec![seed],
        None => (0..variable("CRASHES").unwrap_or(36)).map(|_| fastrand::u64(..1 << 32)).collect(),
    };
    let mut device = Device::start().await;
    let mut places = BTreeMap::new();
    for seed in seeds {
        let moment = Moment::random(&mut fastrand::Rng::with_seed(seed));
        // Shown if the test fails.
        eprintln!("CRASH_SEED={seed}: {moment:?}");
        *places.entry(device.end_tab(&moment, &format!("SELECT {seed}"), "").await).or_insert(0) += 1;
    }
    device.assert_equal_to_new_device().await;
    eprintln!("tabs ended at: {places:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_of_a_tab_that_ended_expire() {
    let mut device = Device::start().await;
    device.end_tab(&Moment::AFTER_UPLOAD, "SELECT 1", "locks=none").await;
    device.assert_equal_to_new_device().await;
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Moment at which a tab ends, and how.
#[derive(Debug)]
struct Moment {
    /// Number of requests before the one at which it ends.
    requests: usize,
    place: Place,
    /// Further time.
    pause: Duration,
    /// Whether its user closes it. Otherwise its process crashes.
    is_closed: bool,
    /// Whether another tab waits for its turn to sync.
    is_awaited: bool,
}

impl Moment {
    /// The service has processed the upload, and the tab does not receive the response.
    const AFTER_UPLOAD: Self =
        Self { requests: GROUPS, place: Place::After, pause: Duration::ZERO, is_closed: false, is_awaited: true };

    /// Returns a moment during the edits, the upload or the download.
    fn random(random: &mut fastrand::Rng) -> Self {
        let requests = match random.usize(..3) {
            0 => random.usize(..GROUPS),
            1 => GROUPS,
            _ => GROUPS + 1 + random.usize(..ITEMS / PAGE_SIZE - 5),
        };
        let is_sync = requests >= GROUPS;
        let place = match random.usize(..4) {
            0 if is_sync => Place::Before,
            1 if is_sync => Place::After,
            _ => Place::Anywhere,
        };
        Self {
            requests,
            place,
            pause: Duration::from_micros(random.u64(..40_000)),
            is_closed: random.usize(..4) == 0,
            is_awaited: place != Place::Anywhere && random.bool(),
        }
    }
}

/// State of an item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Item {
    id: String,
    text: String,
    version: u64,
}

/// Device with one database, which tabs open one after the other.
struct Device {
    world: World,
    user: TestUser,
    ids: Vec<String>,
    /// State of the items after the last round.
    items: BTreeMap<String, Item>,
}

impl Device {
    async fn start() -> Self {
        let world = World::start().await;
        let tab = world.client(DATABASE, "").await;
        tab.call("signUp", json!("ada")).await;
        tab.close().await;
        let user = world.user("ada").await;
        let ids = (0..ITEMS).map(|index| format!("q{index:03}")).collect();
        Self { world, user, ids, items: BTreeMap::new() }
    }

    /// Ends a tab that gives all items the text `text` and syncs. Verifies the state after the sync of another tab. Returns the place at
    /// which the tab ended.
    async fn end_tab(&mut self, moment: &Moment, text: &str, query: &str) -> String {
        let tab = self.open(PAGE_SIZE, query).await;
        let reached = self.world.traffic.interrupt(moment.requests, moment.place);
        let edit = json!({ "ids": self.ids, "text": text, "confirm": "/confirmations" });
        let call = tab.begin("writeAndSync", edit).await;
        let Ok(reached) = timeout(DEADLINE, reached).await else {
            panic!("the tab does not reach {moment:?}: {}", tab.end(call).await);
        };
        let other = self.open(1_000, query);
        let (other, sync) = if moment.is_awaited {
            let other = other.await;
            let sync = other.begin("synced", Value::Null).await;
            assert!(!other.has_ended(&sync).await, "the other tab waits for its turn");
            end(tab, moment).await;
            (other, sync)
        } else {
            end(tab, moment).await;
            let other = other.await;
            let sync = other.begin("synced", Value::Null).await;
            (other, sync)
        };
        let synced = other.end(sync).await;
        other.get("close").await;
        other.close().await;
        let confirmed = self.world.site.confirmed(text);
        self.items = self.verified(text, &confirmed, &synced).await;
        format!("{} {:?}", reached.expect("a request"), moment.place)
    }

    async fn open(&self, page_size: usize, query: &str) -> Tab<'_> {
        let tab = self.world.tab(query).await;
        let mut settings = self.world.settings(DATABASE);
        settings["pageSize"] = page_size.into();
        tab.call("open", settings).await;
        tab
    }

    /// Returns the items in `synced`, the state of the device after a sync.
    ///
    /// # Panics
    /// If the sync was incomplete, the service has other items, an item is neither as before nor edited exactly once, or an edit in
    /// `confirmed` is missing.
    async fn verified(&self, text: &str, confirmed: &[String], synced: &Value) -> BTreeMap<String, Item> {
        assert_complete(&synced["report"]);
        assert_eq!(synced["unsent"], 0);
        assert_eq!(synced["texts"], self.world.texts(&self.user).await, "the device has what the service has");
        let items: Vec<Item> = serde_json::from_value(synced["texts"].clone()).expect("a list of items");
        let items: BTreeMap<_, _> = items.into_iter().map(|item| (item.id.clone(), item)).collect();
        for id in &self.ids {
            let (before, now) = (self.items.get(id), items.get(id));
            let edited =
                Item { id: id.clone(), text: text.to_owned(), version: before.map_or(0, |item| item.version) + 1 };
            if confirmed.contains(id) {
                assert_eq!(now, Some(&edited), "a confirmed edit");
            } else {
                assert!(now == before || now == Some(&edited), "{now:?} is neither {before:?} nor {edited:?}");
            }
        }
        items
    }

    async fn assert_equal_to_new_device(&self) {
        let tab = self.world.client("new", "").await;
        tab.call("logIn", json!("ada")).await;
        let synced = tab.get("synced").await;
        assert_complete(&synced["report"]);
        assert_eq!(synced["texts"], self.world.texts(&self.user).await);
    }
}

async fn end(tab: Tab<'_>, moment: &Moment) {
    sleep(moment.pause).await;
    if moment.is_closed { tab.close().await } else { tab.crash().await }
}
