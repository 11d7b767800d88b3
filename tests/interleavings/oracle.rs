//! Checks of a finished run.

use std::collections::BTreeSet;

use model::{Call, Change, ChangeResult, Conflict, Key, Model, PageItem, Request, Response, linearize};
use shared::models::{ItemType, Winner};

/// Checks the calls of one run: no response is a 5xx, some sequential history explains all responses, and every
/// accepted edit still exists, unless a client that had seen it replaced it.
///
/// # Errors
/// Returns a description of the first violation.
pub(crate) fn check(start: Model, calls: &[Call]) -> Result<(), String> {
    let is_server_error = |call: &&Call| matches!(call.response, Response::Refused { status: 500.., .. });
    if let Some(call) = calls.iter().find(is_server_error) {
        return Err(format!("{:?} returned {:?}", call.request, call.response));
    }
    linearize(start, calls).map_err(|error| error.to_string())?;
    let lost = lost_edits(calls);
    if lost.is_empty() { Ok(()) } else { Err(format!("lost: {lost:?}")) }
}

/// Accepted edit.
struct Edit<'a> {
    device: &'a str,
    change: &'a Change,
    /// Items that contain the edit, directly or by the resolution of a conflict, with their versions at that time.
    versions: Vec<(&'a Key, i64)>,
    /// Time at which its call returned.
    returned: u64,
}

/// Returns the texts of accepted edits that no item and no conflict contains at the end, and that no client replaced
/// after seeing them. Linearizability implies that there are none if the model is correct; this check does not use the
/// model.
fn lost_edits(calls: &[Call]) -> Vec<String> {
    let Some(remaining_texts) = texts_at_end(calls) else { return Vec::new() };
    let edits = accepted_edits(calls);
    let is_kept =
        |edit: &Edit<'_>| edit.change.edit.content().is_none_or(|content| remaining_texts.contains(&*content.text));
    let lost = edits.iter().filter(|edit| !is_kept(edit) && !is_replaced(edit, &edits));
    let last_conflict_purge = last_conflict_purge_time(calls);
    lost.filter(|edit| edit.returned > last_conflict_purge)
        .filter_map(|edit| Some(edit.change.edit.content()?.text.clone()))
        .collect()
}

/// Returns all texts in the last list of conflicts and the last download; `None` if the account is deleted.
fn texts_at_end(calls: &[Call]) -> Option<BTreeSet<&str>> {
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

/// Returns the accepted edits of connections and saved queries. History entries are excluded, because the first entry
/// with an id is kept by contract. A repeated change is counted once.
fn accepted_edits(calls: &[Call]) -> Vec<Edit<'_>> {
    let (mut edits, mut seen) = (Vec::new(), BTreeSet::new());
    for call in calls {
        let (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) = (&call.request, &call.response) else {
            continue;
        };
        for (change, result) in upload.changes.iter().zip(&uploaded.results) {
            let version = match result {
                ChangeResult::Applied(version) => Some(*version),
                ChangeResult::Conflict(conflict) => winning_version(conflict),
                ChangeResult::Rejected(_) => continue,
            };
            let is_first = seen.insert((&upload.device, &change.id));
            if is_first && change.key.item_type != ItemType::QueryHistory {
                let applied_version = version.map(|version| (&change.key, version));
                let versions = applied_version.into_iter().chain(resolved_versions(change, calls)).collect();
                edits.push(Edit { device: &upload.device, change, versions, returned: call.returned });
            }
        }
    }
    edits
}

/// Returns the version of an edit that won by last-write-wins.
fn winning_version(conflict: &Conflict) -> Option<i64> {
    let resolution = conflict.resolution.as_ref()?;
    (resolution.winner == Some(Winner::Local)).then_some(conflict.remote.version + 1)
}

/// Returns the items that contain `change` because a conflict was resolved in its favour. The text of every edit is
/// unique.
fn resolved_versions<'a>(change: &Change, calls: &'a [Call]) -> impl Iterator<Item = (&'a Key, i64)> {
    let resolved = calls.iter().filter_map(|call| match &call.response {
        Response::Resolved { item, .. } => item.as_ref(),
        _ => None,
    });
    let has_text = |item: &&PageItem| {
        let texts = (&item.content, change.edit.content());
        matches!(texts, (Some(item), Some(edit)) if item.text == edit.text)
    };
    resolved.filter(has_text).map(|item| (&item.key, item.version))
}

/// Returns whether `edit` was replaced by its own device or by a device that had seen it.
fn is_replaced(edit: &Edit<'_>, edits: &[Edit<'_>]) -> bool {
    edits.iter().any(|other| {
        let is_same = other.change.id == edit.change.id;
        let is_own =
            other.device == edit.device && other.returned >= edit.returned && other.change.key == edit.change.key;
        let had_seen_edit = |(key, version): &(&Key, i64)| other.change.key == **key && other.change.base >= *version;
        !is_same && (is_own || edit.versions.iter().any(had_seen_edit))
    })
}

/// Returns the time of the last purge that removed conflicts. Edits that only those conflicts contained may be lost.
fn last_conflict_purge_time(calls: &[Call]) -> u64 {
    let purges = calls.iter().filter(|call| matches!(call.response, Response::Purged { conflicts: 1.., .. }));
    purges.map(|call| call.returned).max().unwrap_or(0)
}
