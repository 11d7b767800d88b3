//! Checks of a finished run.

use std::collections::BTreeSet;

use model::{Applied, Call, Change, Conflict, Key, Model, PageItem, Request, Response, linearize};
use shared::models::{ItemType, Winner};

/// Checks the calls of one run: none is answered by a 5xx, some sequential history explains all of them, and every accepted
/// edit is still there, unless it was replaced by a client that had seen it.
///
/// # Errors
/// A description of the first violation.
pub(crate) fn check(start: Model, calls: &[Call]) -> Result<(), String> {
    let failed = |call: &&Call| matches!(call.response, Response::Refused { status: 500.., .. });
    if let Some(call) = calls.iter().find(failed) {
        return Err(format!("{:?} is answered {:?}", call.request, call.response));
    }
    linearize(start, calls).map_err(|error| error.to_string())?;
    let lost = lost_edits(calls);
    if lost.is_empty() { Ok(()) } else { Err(format!("lost: {lost:?}")) }
}

/// An edit that was accepted.
struct Edit<'a> {
    device: &'a str,
    change: &'a Change,
    /// The items that it became, by itself or by resolving a conflict, and their versions then.
    versions: Vec<(&'a Key, i64)>,
    /// When its call returned.
    returned: u64,
}

/// The texts of accepted edits that are neither an item nor in a conflict at the end, and were not replaced knowingly.
/// The linearization implies that there are none, if the model is right; this does not depend on the model.
fn lost_edits(calls: &[Call]) -> Vec<String> {
    let Some(found) = texts_at_the_end(calls) else { return Vec::new() };
    let edits = accepted_edits(calls);
    let is_kept = |edit: &Edit<'_>| edit.change.edit.content().is_none_or(|content| found.contains(&*content.text));
    let lost = edits.iter().filter(|edit| !is_kept(edit) && !is_replaced(edit, &edits));
    let version_floor = last_purge(calls);
    lost.filter(|edit| edit.returned > version_floor)
        .filter_map(|edit| Some(edit.change.edit.content()?.text.clone()))
        .collect()
}

/// All texts that the last list of conflicts and the last download show; `None` where the account is gone.
fn texts_at_the_end(calls: &[Call]) -> Option<BTreeSet<&str>> {
    let conflicts = calls.iter().rev().find_map(|call| match &call.response {
        Response::Conflicts(conflicts) => Some(conflicts),
        _ => None,
    })?;
    let page = calls.iter().rev().find_map(|call| match &call.response {
        Response::Page(page) => Some(page),
        _ => None,
    })?;
    let last_is_refused = calls.last().is_some_and(|call| call.response.is_refused(401));
    let in_conflicts = conflicts.iter().flat_map(|conflict| [&conflict.local.content, &conflict.remote.content]);
    let in_items = page.items.iter().map(|item| &item.content);
    let texts = in_conflicts.chain(in_items).flatten().map(|content| &*content.text).collect();
    (!last_is_refused).then_some(texts)
}

/// Connections and saved queries alone: of two entries of the history with one id the first stays, as is promised. A change
/// that is sent again is accepted once.
fn accepted_edits(calls: &[Call]) -> Vec<Edit<'_>> {
    let (mut edits, mut seen) = (Vec::new(), BTreeSet::new());
    for call in calls {
        let (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) = (&call.request, &call.response) else {
            continue;
        };
        for (change, result) in upload.changes.iter().zip(&uploaded.results) {
            let version = match result {
                Applied::Applied(version) => Some(*version),
                Applied::Conflict(conflict) => won(conflict),
                Applied::Rejected(_) => continue,
            };
            let is_first = seen.insert((&upload.device, &change.id));
            if is_first && change.key.item_type != ItemType::QueryHistory {
                let by_itself = version.map(|version| (&change.key, version));
                let versions = by_itself.into_iter().chain(for_resolution(change, calls)).collect();
                edits.push(Edit { device: &upload.device, change, versions, returned: call.returned });
            }
        }
    }
    edits
}

/// The version of an edit that became the item by last-write-wins.
fn won(conflict: &Conflict) -> Option<i64> {
    let settled = conflict.settled.as_ref()?;
    (settled.winner == Some(Winner::Local)).then_some(conflict.remote.version + 1)
}

/// The items that `change` became because a conflict was resolved in its favour. Every edit has a text of its own.
fn for_resolution<'a>(change: &Change, calls: &'a [Call]) -> impl Iterator<Item = (&'a Key, i64)> {
    let resolved = calls.iter().filter_map(|call| match &call.response {
        Response::Resolved { item, .. } => item.as_ref(),
        _ => None,
    });
    let is_it = |item: &&PageItem| {
        let texts = (&item.content, change.edit.content());
        matches!(texts, (Some(item), Some(edit)) if item.text == edit.text)
    };
    resolved.filter(is_it).map(|item| (&item.key, item.version))
}

/// Whether `edit` was replaced by its own device, or by one that had seen it.
fn is_replaced(edit: &Edit<'_>, edits: &[Edit<'_>]) -> bool {
    edits.iter().any(|other| {
        let is_same = other.change.id == edit.change.id;
        let is_own =
            other.device == edit.device && other.returned >= edit.returned && other.change.key == edit.change.key;
        let had_seen_it = |(key, version): &(&Key, i64)| other.change.key == **key && other.change.base >= *version;
        !is_same && (is_own || edit.versions.iter().any(had_seen_it))
    })
}

/// When the last purge returned that removed conflicts: what only they held is forgotten by right.
fn last_purge(calls: &[Call]) -> u64 {
    let purges = calls.iter().filter(|call| matches!(call.response, Response::Purged { conflicts: 1.., .. }));
    purges.map(|call| call.returned).max().unwrap_or(0)
}
