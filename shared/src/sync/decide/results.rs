//! The result of each change, for the response.
//!
//! A client that receives `applied` takes its item to be what the change said. Where that is wrong after the upload, the result
//! has the item: for example if a repeated change was overtaken, or lost a conflict. Only the last result that concerns an item
//! has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ChangeOutcome;
use crate::models::{CurrentItem, Edit, Stored};
use crate::sync::plan::Outcome;
use crate::sync::{ChangeResult, Effect, Records, Rejection};

/// Returns the results of changes with these outcomes, in order. `records` are those after the whole upload.
pub(super) fn of(outcomes: Vec<ChangeOutcome<'_>>, records: &Records) -> Vec<ChangeResult> {
    let mut concerned = BTreeSet::new();
    let mut results = Vec::with_capacity(outcomes.len());
    for (index, outcome) in outcomes.into_iter().enumerate().rev() {
        let (change, outcome) = match outcome {
            Ok(outcome) => outcome,
            Err(rejection) => {
                results.push(ChangeResult::Rejected(Box::new(rejection.clone())));
                continue;
            }
        };
        let stored = records.items.get(&change.key);
        let mut current_unless =
            |is_expected: bool| (concerned.insert(&change.key) && !is_expected).then(|| CurrentItem::of(stored));
        let (id, key, now) = (change.id.clone(), change.key.clone(), stored.map_or(0, |stored| stored.version));
        results.push(match outcome {
            Outcome::Applied(version, effect) => {
                let is_version = change.edit == Edit::Delete || version == now;
                let is_expected = effect != Effect::Merged && is_version && is_outcome_of(&change.edit, stored);
                ChangeResult::Applied { change: id, key, version, effect, current: current_unless(is_expected) }
            }
            Outcome::Conflict(conflict) => {
                let conflict =
                    records.conflicts.get(&conflict).expect("the conflict of an outcome is among the records");
                let current = current_unless(is_outcome_of(&change.edit, stored));
                ChangeResult::Conflict { change: id, conflict: conflict.clone(), version: now, current }
            }
            Outcome::Refused => ChangeResult::Refused { change: id, key, version: now, current: current_unless(false) },
            Outcome::Rejected(code, error) => {
                ChangeResult::Rejected(Box::new(Rejection::of_parsed(index, change, code, error)))
            }
        });
    }
    results.reverse();
    results
}

/// Whether the stored item is what `edit` makes it, apart from its version and times.
fn is_outcome_of(edit: &Edit, stored: Option<&Stored>) -> bool {
    let live = stored.filter(|stored| stored.is_live());
    match (edit, live) {
        (Edit::Delete, live) => live.is_none(),
        (Edit::Put { .. }, Some(live)) => is_as_said(edit, live),
        (Edit::Put { .. }, None) => false,
    }
}

/// Whether the stored item, deleted or not, has the content that `edit` says. A deletion says nothing about it.
pub(super) fn is_as_said(edit: &Edit, stored: &Stored) -> bool {
    let Edit::Put { content, .. } = edit else { return true };
    let Some(item) = &stored.item else { return false };
    Arc::ptr_eq(content, &item.content) || content.completed_from(Some(&*item.content)) == item.content
}
