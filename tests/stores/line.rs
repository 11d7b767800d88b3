use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::models::{ItemKey, Stored, Timestamp, UserId};
use shared::storage::{Commit, Page, PageRequest, StoreResult};
use shared::sync::{Head, Plan, ReadSet, Snapshot};

use crate::draft::Draft;
use crate::fixtures::{device, second, somebody};
use crate::place::{Place, SyncData};

/// One user's line of changes.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) data: Arc<dyn SyncData>,
    pub(crate) user: UserId,
}

impl Line {
    /// The line of a new user.
    pub(crate) async fn new(place: &dyn Place<dyn SyncData>) -> Self {
        Self { data: place.open().await, user: somebody() }
    }

    /// The line of another new user in the same store.
    pub(crate) fn neighbour(&self) -> Self {
        Self { data: self.data.clone(), user: somebody() }
    }

    /// The same line by another handle.
    pub(crate) async fn reopened(&self, place: &dyn Place<dyn SyncData>) -> Self {
        Self { data: place.open().await, user: self.user }
    }

    pub(crate) async fn head(&self) -> Head {
        self.data.status(self.user).await.expect("the store answers").head
    }

    pub(crate) async fn commit(&self, plan: &Plan) -> StoreResult<Commit> {
        self.data.commit(self.user, plan, "test/1", second(60)).await
    }

    /// Writes what `fill` adds to a plan for the present head, which nobody else moves.
    pub(crate) async fn write(&self, fill: impl FnOnce(Draft) -> Draft) -> Plan {
        let plan = fill(Draft::on(self.head().await)).plan();
        assert_eq!(self.commit(&plan).await.expect("the store writes"), Commit::Applied);
        plan
    }

    /// Writes what `fill` adds to a plan, however often others are faster.
    pub(crate) async fn insist(&self, fill: impl Fn(Draft) -> Draft) -> Plan {
        loop {
            let plan = fill(Draft::on(self.head().await)).plan();
            if self.commit(&plan).await.expect("the store writes") == Commit::Applied {
                return plan;
            }
        }
    }

    pub(crate) async fn item(&self, key: &ItemKey) -> Option<Stored> {
        self.data.item(self.user, key).await.expect("the store answers")
    }

    /// What is loaded for the items `keys` alone.
    pub(crate) async fn load(&self, keys: &[&ItemKey]) -> StoreResult<Snapshot> {
        let read_set = ReadSet {
            device: device("laptop"),
            items: keys.iter().map(|key| (*key).clone()).collect(),
            changes: BTreeSet::new(),
            branches: BTreeSet::new(),
            history_tombstones: [].into(),
            conflict: None,
        };
        self.data.load(self.user, &read_set).await
    }

    /// A page with tombstones.
    pub(crate) async fn page(&self, since: Timestamp, limit: usize) -> Page {
        self.page_with(since, limit, true).await
    }

    /// A page of what is live.
    pub(crate) async fn page_of_living(&self, since: Timestamp, limit: usize) -> Page {
        self.page_with(since, limit, false).await
    }

    async fn page_with(&self, since: Timestamp, limit: usize, tombstones: bool) -> Page {
        let request = PageRequest { device: device("phone"), since, tombstones, limit };
        self.data.page(self.user, &request).await.expect("the store answers")
    }

    /// Everything, page after page, in the order in which it came.
    pub(crate) async fn pages(&self, limit: usize) -> Vec<Page> {
        let mut pages = vec![self.page(Timestamp::EPOCH, limit).await];
        while let Some(cursor) = pages.last().and_then(cursor_for_more) {
            pages.push(self.page(cursor, limit).await);
        }
        pages
    }

    /// Every item, tombstones included.
    pub(crate) async fn everything(&self) -> BTreeMap<ItemKey, Stored> {
        self.pages(1_000).await.into_iter().flat_map(|page| page.items).collect()
    }
}

/// Where the page after `page` starts, if there is one.
fn cursor_for_more(page: &Page) -> Option<Timestamp> {
    page.has_more.then(|| page.items.last().expect("a page with more to come holds an item").1.seq)
}
