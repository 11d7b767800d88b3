use std::collections::BTreeMap;
use std::sync::Arc;

use shared::models::{ItemKey, ItemType, Stored, Timestamp, UserId, limits};
use shared::storage::{Commit, Page, PageRequest, StoreResult};
use shared::sync::{Head, Plan, ReadSet, Snapshot};

use crate::fixtures::{at_second, device, new_user_id};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};

/// Sync data of one user.
#[derive(Clone)]
pub(crate) struct UserStore {
    pub(crate) data: Arc<dyn SyncData>,
    pub(crate) user: UserId,
}

impl UserStore {
    /// Opens the store for a new user.
    pub(crate) async fn new(factory: &dyn StoreFactory<dyn SyncData>) -> Self {
        Self { data: factory.open().await, user: new_user_id() }
    }

    /// Returns the same handle for another new user.
    pub(crate) fn other_user(&self) -> Self {
        Self { data: self.data.clone(), user: new_user_id() }
    }

    /// Opens another handle for the same user.
    pub(crate) async fn reopen(&self, factory: &dyn StoreFactory<dyn SyncData>) -> Self {
        Self { data: factory.open().await, user: self.user }
    }

    pub(crate) async fn head(&self) -> Head {
        self.data.status(self.user.into()).await.expect("the read succeeds").head
    }

    pub(crate) async fn commit(&self, plan: &Plan) -> StoreResult<Commit> {
        self.data.commit(self.user.into(), plan, "test/1", at_second(60)).await
    }

    /// Commits a plan with the rows that `add` adds. No concurrent writer may move the head.
    pub(crate) async fn write(&self, add: impl FnOnce(PlanBuilder) -> PlanBuilder) -> Plan {
        let plan = add(PlanBuilder::on(self.head().await)).build();
        assert_eq!(self.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
        plan
    }

    /// Commits a plan with the rows that `add` adds, retrying while concurrent writers move the head.
    pub(crate) async fn write_with_retry(&self, add: impl Fn(PlanBuilder) -> PlanBuilder) -> Plan {
        loop {
            let plan = add(PlanBuilder::on(self.head().await)).build();
            if self.commit(&plan).await.expect("the write succeeds") == Commit::Applied {
                return plan;
            }
        }
    }

    pub(crate) async fn item(&self, key: &ItemKey) -> Option<Stored> {
        self.data.item(self.user.into(), key).await.expect("the read succeeds")
    }

    /// Loads the items `keys`.
    pub(crate) async fn load(&self, keys: &[&ItemKey]) -> StoreResult<Snapshot> {
        let read_set =
            ReadSet { items: keys.iter().map(|key| (*key).clone()).collect(), ..ReadSet::empty(device("laptop")) };
        self.data.load(self.user.into(), &read_set).await
    }

    /// Reads a page with tombstones and resolved conflicts.
    pub(crate) async fn page(&self, since: Timestamp, limit: usize) -> Page {
        self.page_with(since, limit, true).await
    }

    /// Reads a page of live items and open conflicts.
    pub(crate) async fn page_without_tombstones(&self, since: Timestamp, limit: usize) -> Page {
        self.page_with(since, limit, false).await
    }

    async fn page_with(&self, since: Timestamp, limit: usize, with_removed: bool) -> Page {
        self.page_of(&PageRequest { limit, with_removed, ..changes_since(since) }).await
    }

    /// Reads the page `request`.
    pub(crate) async fn page_of(&self, request: &PageRequest) -> Page {
        self.data.page(self.user.into(), request).await.expect("the read succeeds")
    }

    /// Reads all pages, in order.
    pub(crate) async fn pages(&self, limit: usize) -> Vec<Page> {
        let mut pages = vec![self.page(Timestamp::EPOCH, limit).await];
        while let Some(last) = pages.last().filter(|page| page.has_more) {
            pages.push(self.page(last.next_cursor(), limit).await);
        }
        pages
    }

    /// Reads all items, including tombstones.
    pub(crate) async fn all_items(&self) -> BTreeMap<ItemKey, Stored> {
        self.pages(1_000).await.into_iter().flat_map(|page| page.items).collect()
    }
}

/// Returns the items that `plan` writes, each in its newest version.
pub(crate) fn items_of(plan: &Plan) -> BTreeMap<ItemKey, Stored> {
    plan.items.iter().cloned().collect()
}

/// Returns the request for a whole page of changes after `since`, of all types.
pub(crate) fn changes_since(since: Timestamp) -> PageRequest {
    let item_types = ItemType::ALL.into();
    PageRequest { since, with_removed: true, item_types, limit: limits::PAGE_ITEMS }
}
