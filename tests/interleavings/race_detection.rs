//! Tests of the explorer: it must detect each injected race.

use std::rc::Rc;
use std::sync::Arc;

use shared::models::Strategy;

use crate::cluster::Cluster;
use crate::explore::{Combination, Coverage, explore};
use crate::injected_races::{InjectedRace, RacyTransport};
use crate::operations::{Operation, ResolutionChoice};
use crate::scenarios::InitialState;

/// Asserts that exploring the combination fails on a file with `race` and succeeds on a file without it.
fn assert_detected(race: InjectedRace, state: InitialState, operations: [Operation; 2]) {
    let combination = Combination { state, operations: operations.into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime builds");
    runtime.block_on(async {
        let correct = Rc::new(Cluster::embedded(|file| file, state.quota()).await);
        explore(&correct, &combination, Coverage::All).await.expect("the service has no such race");
        let racy = Cluster::embedded(|file| Arc::new(RacyTransport { file, race }), state.quota()).await;
        let racy = Rc::new(racy);
        let failure = explore(&racy, &combination, Coverage::All).await.expect_err("the race is detected");
        eprintln!("{race:?}: {failure}");
    });
}

#[test]
fn detects_a_conflict_read_apart_from_its_head() {
    let continuation = Operation::ContinueBranch(Strategy::UserChoice);
    assert_detected(
        InjectedRace::ConflictReadApart,
        InitialState::OpenConflict,
        [continuation, Operation::Resolve(ResolutionChoice::Local)],
    );
}

#[test]
fn detects_a_receipt_written_after_its_transaction() {
    assert_detected(
        InjectedRace::ReceiptWrittenApart,
        InitialState::OpenConflict,
        [Operation::Retry, Operation::Retry],
    );
}

#[test]
fn detects_a_commit_without_comparing_the_head() {
    let stale = Operation::UpdateStale(Strategy::UserChoice);
    assert_detected(
        InjectedRace::HeadNotCompared,
        InitialState::Item,
        [Operation::Update(Strategy::LastWriteWins), stale],
    );
}

#[test]
fn detects_a_horizon_moved_after_its_tombstones_are_removed() {
    assert_detected(
        InjectedRace::HorizonMovedApart,
        InitialState::PurgeDue,
        [Operation::Purge, Operation::DownloadEarly],
    );
}

#[test]
fn detects_a_page_head_read_after_its_rows() {
    assert_detected(
        InjectedRace::HeadReadAfterRows,
        InitialState::Item,
        [Operation::Update(Strategy::LastWriteWins), Operation::DownloadDelta],
    );
}

#[test]
fn detects_a_restored_version_read_apart_from_its_item() {
    assert_detected(
        InjectedRace::VersionsReadApart,
        InitialState::Item,
        [Operation::Update(Strategy::LastWriteWins), Operation::RestoreNext],
    );
}

#[test]
fn detects_a_version_to_merge_against_read_apart_from_its_item() {
    assert_detected(
        InjectedRace::VersionsReadApart,
        InitialState::Item,
        [Operation::Update(Strategy::LastWriteWins), Operation::Rename],
    );
}

#[test]
fn detects_a_quota_compared_before_entries_are_added() {
    assert_detected(InjectedRace::QuotaComparedApart, InitialState::AlmostFull, [Operation::Create, Operation::Append]);
}

#[test]
fn detects_a_rotation_in_two_transactions() {
    assert_detected(InjectedRace::RotationInTwoSteps, InitialState::Item, [Operation::Refresh, Operation::LogOut]);
}
