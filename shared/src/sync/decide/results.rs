//! The result of each change, for the response.
//!
//! A client that receives `applied` takes its item to be what the change said. Where that is wrong after the upload, the result
//! has the item: for example if a repeated change was overtaken, or lost a conflict. Only the last result that concerns an item
//! has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ChangeOutcome;
use crate::models::{CurrentItem, Edit, Stored, SyncVersion};
use crate::sync::plan::Outcome;
use crate::sync::{ChangeResult, Effect, Records, Rejection};

/// Returns the results of changes with these outcomes, in order. `records` are those after the whole upload.
pub(super) fn of(outcomes: Vec<ChangeOutcome<'_>>, records: &Records) -> Vec<ChangeResult> {
    let mut concerned = BTreeSet::new();
    let from_last = outcomes.into_iter().enumerate().rev().map(|(index, outcome)| match outcome {
        Ok((change, Outcome::Rejected(code, error))) => {
            ChangeResult::Rejected(Box::new(Rejection::of_parsed(index, change, code, error)))
        }
        Ok((change, outcome)) => {
            let is_last = concerned.insert(&change.key);
            let stored = records.items.get(&change.key);
            let current = (is_last && !is_expected(&change.edit, &outcome, stored)).then(|| CurrentItem::of(stored));
            let (change, key, now) = (change.id.clone(), change.key.clone(), stored.map_or(0, |stored| stored.version));
            match outcome {
                Outcome::Applied(version, effect) => ChangeResult::Applied { change, key, version, effect, current },
                Outcome::Conflict(id) => {
                    let conflict = records.conflicts.get(&id).expect("the conflict of an outcome is among the records");
                    ChangeResult::Conflict { change, conflict: conflict.clone(), version: now, current }
                }
                Outcome::Refused | Outcome::Rejected(..) => {
                    ChangeResult::Refused { change, key, version: now, current }
                }
            }
        }
        Err(rejection) => ChangeResult::Rejected(Box::new(rejection.clone())),
    });
    let mut results: Vec<ChangeResult> = from_last.collect();
    results.reverse();
    results
}

/// Whether a client that knows the change and its outcome knows the stored item.
fn is_expected(edit: &Edit, outcome: &Outcome, stored: Option<&Stored>) -> bool {
    let is_version = |version: SyncVersion| stored.is_some_and(|stored| stored.version == version);
    let is_as_said = match stored {
        Some(stored) => is_as_said(edit, stored) && (stored.is_live() == (*edit != Edit::Delete)),
        None => *edit == Edit::Delete,
    };
    match outcome {
        Outcome::Applied(_, Effect::Merged) | Outcome::Refused => false,
        Outcome::Applied(version, _) => is_as_said && (*edit == Edit::Delete || is_version(*version)),
        Outcome::Conflict(_) => is_as_said,
        Outcome::Rejected(..) => true,
    }
}

/// Whether the stored item, deleted or not, has the content that `edit` says. A deletion says nothing about it.
pub(super) fn is_as_said(edit: &Edit, stored: &Stored) -> bool {
    let Edit::Put { content, .. } = edit else { return true };
    let Some(item) = &stored.item else { return false };
    Arc::ptr_eq(content, &item.content) || content.completed_from(Some(&*item.content)) == item.content
}
