//! The explorer finds what it is meant to find: each deliberate race makes it fail.

use std::rc::Rc;
use std::sync::Arc;

use shared::models::Strategy;

use crate::explore::{Encounter, Extent, explore};
use crate::operations::{Operation, Way};
use crate::races::{Race, Racy};
use crate::scenes::Start;
use crate::world::World;

/// Explores the encounter on a file with `race` in it, which must be found out, and on one without, which must not.
fn finds(race: Race, start: Start, operations: [Operation; 2]) {
    let encounter = Encounter { start, operations: operations.into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let sound = Rc::new(World::embedded(|file| file).await);
        explore(&sound, &encounter, Extent::All).await.expect("the service has no such race");
        let racy = Rc::new(World::embedded(|file| Arc::new(Racy { file, race })).await);
        let found = explore(&racy, &encounter, Extent::All).await.expect_err("the race is found");
        eprintln!("{race:?}: {found}");
    });
}

#[test]
fn a_conflict_that_is_read_apart_from_its_head() {
    let renewal = Operation::Renew(Strategy::UserChoice);
    finds(Race::ConflictReadApart, Start::OpenConflict, [renewal, Operation::Resolve(Way::Local)]);
}

#[test]
fn a_receipt_that_is_written_after_its_transaction() {
    finds(Race::ReceiptWrittenApart, Start::OpenConflict, [Operation::Retry, Operation::Retry]);
}

#[test]
fn a_commit_that_does_not_compare_the_head() {
    let stale = Operation::UpdateStale(Strategy::UserChoice);
    finds(Race::HeadNotCompared, Start::Item, [Operation::Update(Strategy::LastWriteWins), stale]);
}

#[test]
fn a_horizon_that_moves_after_its_tombstones_are_gone() {
    finds(Race::HorizonMovedApart, Start::PurgeDue, [Operation::Purge, Operation::DownloadEarly]);
}

#[test]
fn a_page_whose_head_is_read_after_its_rows() {
    finds(Race::HeadReadAfterRows, Start::Item, [Operation::Update(Strategy::LastWriteWins), Operation::DownloadDelta]);
}

#[test]
fn a_rotation_in_two_steps() {
    finds(Race::RotationInTwoSteps, Start::Item, [Operation::Refresh, Operation::LogOut]);
}
